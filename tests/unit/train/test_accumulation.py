"""Test that several passes equal one batch: losses, gradients, terms and momentum targets are means over its rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from sslbench.api import Loss, Role
from sslbench.api.modules import Objective
from sslbench.config.settings import TrainSettings
from sslbench.data.views import BuiltAugmentation
from sslbench.train.distributed.process_group import SingleProcess
from sslbench.train.feeds import SampleFeed
from sslbench.train.loop import Training, train

ROWS, WIDTH = 16, 3
WEIGHTS = {"plain": ((1.0, 1.0),), "two augmentations": ((0.4, 1.0), (1.0, 3.0))}
"""Weight and scale factor of every augmentation."""


class Rows:
    """A pool of vectors."""

    def __init__(self, count: int) -> None:
        self.values = np.random.default_rng(0).normal(size=(count, WIDTH)).astype(np.float32) ** 3

    def __len__(self) -> int:
        return len(self.values)

    def read(self, rows):
        return {"x": self.values[rows]}


class ScalingViews:
    """A view maker; the name of an augmentation is the factor of its views."""

    device = torch.device("cpu")

    def natural(self, stored):
        return {name: torch.from_numpy(values) for name, values in stored.items()}

    def make(self, view, index, epoch, augmentation, roles):
        return {"view": ({name: values * float(augmentation.name) for name, values in view.items()},)}


class Regression(Objective):
    """A mean over rows of a nonlinear loss, and a reported term."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(WIDTH, 1)
        self.batch_sizes: list[int] = []

    def loss(self, batch, step):
        x = batch.views["view"][0]["x"]
        self.batch_sizes.append(len(x))
        errors = (self.layer(x).squeeze(1) - x.sum(1)) ** 2
        return Loss(total=errors.mean(), terms={"size": x.abs().mean()})


def make_feed(
    accumulate: int, weights=WEIGHTS["plain"], processes=None, rows: int = ROWS, batch: int = ROWS
) -> SampleFeed:
    augmentations = [BuiltAugmentation(name=str(factor), weight=w, roles={"view": ()}) for w, factor in weights]
    return SampleFeed(
        pool=Rows(rows), views=ScalingViews(), roles={"view": Role(count=1)}, augmentations=augmentations, batch_size=batch,
        grad_accumulation=accumulate, seed=0, processes=processes or SingleProcess(),
    )  # fmt: skip


def train_regression(accumulate: int, weights=WEIGHTS["plain"], precision="32-true", **settings):
    """Return the objective and the history of three steps of SGD."""
    objective = Regression()
    chosen = TrainSettings(
        optimizer="sgd", momentum=0.0, lr=0.01, schedule="constant", weight_decay=0.0, batch_size=ROWS, grad_accumulation=accumulate,
        **{"epochs": 3, **settings},
    )  # fmt: skip
    holdout = make_feed(accumulate, weights) if chosen.has_holdout else None
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    training = Training(
        objective=objective,
        feed=make_feed(accumulate, weights),
        holdout=holdout,
        settings=chosen,
        fabric=fabric,
        processes=SingleProcess(),
        seed=0,
    )
    return objective, train(training).history


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("accumulate", [2, 3, 5, 16])
def test_several_passes_move_the_weights_like_one_batch(accumulate, weights):
    whole, history = train_regression(1, weights)
    parts, in_passes = train_regression(accumulate, weights)
    assert len(set(parts.batch_sizes)) == (1 if ROWS % accumulate == 0 else 2)  # 16 rows in 3 passes are 6, 5 and 5
    torch.testing.assert_close(parts.layer.weight, whole.layer.weight, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(parts.layer.bias, whole.layer.bias, rtol=1e-5, atol=1e-6)
    for epoch, other in zip(history, in_passes, strict=True):
        assert epoch.keys() == {"loss", "size"}
        assert other == pytest.approx(epoch, rel=1e-5)


def test_the_validation_loss_is_a_mean_over_rows():
    _, history = train_regression(1, patience=5)
    _, in_passes = train_regression(3, patience=5)
    assert [e["validation_loss"] for e in in_passes] == pytest.approx([e["validation_loss"] for e in history], rel=1e-5)


def test_gradients_are_clipped_after_all_passes():
    """The limit applies to the gradient of the whole batch, independent of the number of passes."""
    whole, _ = train_regression(1, grad_clip=0.5, grad_clip_by="parameter")
    parts, _ = train_regression(3, grad_clip=0.5, grad_clip_by="parameter")
    torch.testing.assert_close(parts.layer.weight, whole.layer.weight, rtol=1e-5, atol=1e-6)
    half, history = train_regression(3, grad_clip=0.5, grad_clip_by="parameter", precision="bf16-mixed", epochs=1)
    moved = [(p - q).norm() for p, q in zip(half.parameters(), Regression().parameters(), strict=True)]
    assert max(moved) <= 0.01 * 0.5 * (1 + 1e-4)  # the learning rate times the limit
    assert history[0]["loss"] > 0


def test_shares_of_unequal_processes_add_up_to_the_mean_over_rows():
    """Gradients are averaged over processes: 7 rows are divided into 4 and 3, in passes of 2, 2 and 2, 1."""
    expected = Rows(7).values[:, 0].mean()
    found = 0.0
    for rank in range(2):
        processes = SimpleNamespace(rank=rank, size=2)
        for passes in make_feed(2, processes=processes, rows=7, batch=7).epoch(0, 0):
            pairs = [(weight, batch.views["view"][0]["x"][:, 0]) for part in passes for weight, batch in part]
            found += sum(weight * float(values.mean()) for weight, values in pairs) / 2
    assert found == pytest.approx(float(expected), rel=1e-5)
