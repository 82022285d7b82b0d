"""The training loop that protocols use: lengths of series, and names of fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sslbench.api import Fit, Loss, Modality
from sslbench.api.modules import Objective
from sslbench.api.values import Target
from sslbench.data.table import Column, Prepared
from sslbench.data.views import ViewMaker
from sslbench.evaluation.bench import HarnessBench
from sslbench.evaluation.features import DiskFeatureTable
from sslbench.train.distributed.fabric import make_fabric

LENGTHS = np.array([1, 3, 2, 1, 3, 2, 1, 3, 2, 1])


class Head(Objective):
    """A head that notes the lengths of every batch."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 2)
        self.lengths = []

    def scores(self, view):
        self.lengths += view["series.length"].tolist()
        assert view["series"].shape[1:] == (3, 2)
        return self.linear(view["series"].sum(1) / view["series.length"][:, None])

    def loss(self, batch, step):
        return Loss(total=torch.nn.functional.cross_entropy(self.scores(batch.views["view"][0]), batch.target))


@pytest.fixture
def bench(tmp_path):
    labels = np.arange(10) % 2
    series = np.random.default_rng(0).normal(size=(10, 3, 2)).astype(np.float32)
    table = DiskFeatureTable(features={"series": series}, target=labels, columns={}, lengths={"series": LENGTHS})
    modality, fabric = Modality(layout="vector", shape=(2,)), make_fabric("float32")
    return HarnessBench(
        load_encoders=dict, features=lambda: table, augmentation=None, fabric=fabric, seed=0, precision="float32",
        table=Prepared(
            key="", name="", modalities={"series": modality}, target=Target(kind="class", names=("a", "b")), labels=labels,
            columns={}, data={"series": Column(values=series)}, kept=np.arange(10),
        ),
        views=ViewMaker(modalities={"series": modality}, sizes={}, seed=0, device=fabric.device),
        folder=tmp_path, checkpoint_seconds=1e9,
    )  # fmt: skip


def test_features_of_series_have_their_lengths(bench):
    rows, head = np.array([9, 4, 2]), Head()
    answered = bench.answer(head.scores, rows, source="features")
    assert answered.shape == (3, 2)
    assert head.lengths == LENGTHS[rows].tolist()
    head.lengths.clear()
    bench.fit(head, rows, Fit(epochs=2, batch_size=3, lr=0.1, optimizer="adam"), source="features", name="head")
    assert sorted(head.lengths) == sorted(2 * LENGTHS[rows].tolist())


def test_a_name_of_a_fit_that_is_used_twice_is_an_error(bench):
    """The second fit would load the finished checkpoint of the first."""
    fit = Fit(epochs=1, batch_size=8, lr=0.1, schedule="linear")
    bench.fit(Head(), np.arange(8), fit, source="features", name="head")
    with pytest.raises(ValueError, match=r"the name .head. of a fit is used twice\. Give each fit "):
        bench.fit(Head(), np.arange(8), fit, source="features", name="head")
