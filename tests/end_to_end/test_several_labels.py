"""Data with several labels per sample: refused without a test part, and never learned from test samples with one."""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar

import numpy as np
import pytest

from sslbench.api import DatasetSpec, Target, hookimpl
from sslbench.api.errors import RequestError
from sslbench.app.run import run_plans
from sslbench.catalog.discovery import PluginEntry, discover, installed_entries
from sslbench.catalog.facts import Origin
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, make_plan
from sslbench.config.request import read_request
from sslbench.data.table import Prepared
from sslbench.environment import places
from sslbench.progress import NoDisplay
from sslbench.results.store import Store
from sslbench.train.pool import divide_pool
from tests.toys import data as toys


class Tags(toys.Toy):
    """Spectra with several labels each, with and without a column that states which are for testing."""

    split: ClassVar[bool] = False

    def __init__(self, config, source):
        made = toys.spectra(config, source)
        super().__init__(made.samples, made.modalities, np.stack([made.labels, 1 - made.labels, made.labels], 1))
        self.target = Target(kind="labels", names=("round", "long", "dark"))
        if self.split:
            part = np.arange(len(self.labels)) % 4
            self.columns = {**self.columns, "split": np.array(["train", "train", "validation", "test"])[part]}


class SplitTags(Tags):
    split = True


class TagDatasets:
    """A plugin with both."""

    @hookimpl
    def sslbench_datasets(self):
        for name, build in (("tags", Tags), ("split-tags", SplitTags)):
            yield DatasetSpec(
                name=name, version=1, summary="several labels", citation=toys.CITATION, config=toys.Rows,
                smoke=toys.Rows(rows=20), build=build, card=toys.CARD,
            )  # fmt: skip


@pytest.fixture(scope="module")
def catalog():
    from tests.toys import methods, parts

    plugins = (toys, methods, parts, TagDatasets())
    entries = [
        PluginEntry(origin=Origin(plugin=f"p{i}", distribution=f"d{i}", version="1"), load=lambda p=p: p)
        for i, p in enumerate(plugins)
    ]
    return discover([*installed_entries(), *entries], strict=True)


def planned(catalog, method: str, dataset: str, *overrides: str):
    short = ("train.epochs=2", "train.batch_size=8", "seeds=[0]", "protocols=[diagnostics]", "augmentation.name=toy-shift",
             "backbone.name=toy-mean")  # fmt: skip
    tree = read_request(None, {"method": {"name": method}, "data": {"name": dataset}}, [*short, *overrides])
    return make_plan(tree, catalog, DatasetCache(places()), Machine(threads=1, precision="float32"))


def test_several_labels_without_a_split_are_refused(catalog):
    told = (
        "data: 'tags' has several labels per sample and no 'split' column that names the test samples, so training would "
        "include its test samples. Add a 'split' column, or use pretrain.pool=OTHER"
    )
    with pytest.raises(RequestError) as raised:
        planned(catalog, "toy-masks", "tags")
    assert told in raised.value.problems
    assert planned(catalog, "toy-masks", "tags", "pretrain.pool=toy-spectra").pool.startswith("toy-spectra")
    with pytest.raises(RequestError, match="'supervised' learns one class per sample, and 'tags' has several labels"):
        planned(catalog, "supervised", "tags")


def test_several_labels_with_a_split_are_never_learned_from_test_samples(catalog, tmp_path):
    plan = planned(catalog, "toy-masks", "split-tags", "train.patience=1")
    dataset = plan.pretrain_parts[0].dataset
    columns = {**dataset.columns, "dish": (np.arange(60) // 2).astype(str)}
    table = Prepared(
        key="t", name="t", modalities={}, target=dataset.target, labels=dataset.labels, columns=columns, data={},
        kept=np.arange(60),
    )  # fmt: skip
    ((learned, watched),) = divide_pool(plan, [table], 0)
    parts = defaultdict(
        list, {name: np.flatnonzero(columns["split"] == name).tolist() for name in set(columns["split"])}
    )
    assert learned.tolist() == parts["train"]
    assert watched.tolist() == parts["validation"]
    record = run_plans([plan], Store(root=tmp_path), catalog, NoDisplay()).records[0]
    assert record.status in ("done", "collapsed"), record.reason
    assert record.training[0]["samples"] == len(parts["train"])
