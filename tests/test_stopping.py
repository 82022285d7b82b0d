"""Early stopping: when it ends, whose weights are kept, and that a killed training stops where an undisturbed one does."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

import sslbench
from sslbench.api import Loss
from sslbench.api.errors import RequestError
from sslbench.api.modules import Objective
from sslbench.config.settings import TrainSettings
from sslbench.train.checkpoint import Progress
from sslbench.train.feeds import FeatureFeed
from sslbench.train.loop import Training, stale, train
from sslbench.train.world import Alone

SETTINGS = {
    "recipe": "quick", "augmentation.name": "digits", "backbone.widths": [8, 8, 16, 16], "train.batch": 128,
    "train.precision": "float32", "seeds": [0], "baselines": "none", "measure": ["knn"], "threads": 1,
    "protocols.knn.neighbours": [1],
}  # fmt: skip


class Valley(Objective):
    """One weight that walks 1 an epoch past the value where its loss on held rows is least."""

    def __init__(self, lowest: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.lowest = lowest

    def loss(self, batch, step):
        if self.training:
            return Loss(total=-self.weight)
        return Loss(total=(self.weight - self.lowest) ** 2)


def walked(tmp_path, lowest: float, **settings) -> tuple[Valley, list[dict[str, float]], int]:
    valley = Valley(lowest)
    rows = np.zeros((8, 1), np.float32)
    feed = FeatureFeed(features={"x": rows}, labels=np.zeros(8, np.int64), batch=8, seed=0, device=torch.device("cpu"))
    chosen = TrainSettings(optimiser="sgd", rate=1.0, momentum=0.0, decay=0.0, schedule="constant", batch=8, **settings)
    training = Training(
        objective=valley, feed=feed, held=feed, settings=chosen, fabric=Fabric(accelerator="cpu", devices=1),
        world=Alone(), seed=0, checkpoint=tmp_path / "checkpoint",
    )  # fmt: skip
    found = train(training)
    return valley, list(found.history), found.kept


def test_it_stops_when_patience_is_over_and_keeps_the_best_epoch(tmp_path):
    valley, history, kept = walked(tmp_path, 4.0, epochs=50, patience=3)
    assert (len(history), kept, valley.weight.item()) == (7, 4, 4.0)
    assert [epoch["validation_loss"] for epoch in history] == [9, 4, 1, 0, 1, 4, 9]


def test_not_before_the_least_and_not_after_the_most(tmp_path):
    valley, history, kept = walked(tmp_path / "least", 4.0, epochs=50, patience=3, least_epochs=20)
    assert (len(history), kept, valley.weight.item()) == (20, 4, 4.0)
    valley, history, kept = walked(tmp_path / "most", 40.0, epochs=6, patience=3)
    assert (len(history), kept, valley.weight.item()) == (6, 6, 6.0)
    assert not stale(TrainSettings(patience=0), Progress(epoch=99))


def test_a_training_that_goes_on_from_its_checkpoint_stops_at_the_same_epoch(tmp_path):
    (tmp_path / "whole").mkdir()
    _, whole, _ = walked(tmp_path / "whole", 4.0, epochs=50, patience=3)
    (tmp_path / "cut").mkdir()
    walked(tmp_path / "cut", 4.0, epochs=5, patience=3)  # ended at its fifth epoch, which was not the best
    state = torch.load(tmp_path / "cut/checkpoint", weights_only=True)
    assert state["progress"]["best"]["weight"] == 4
    (tmp_path / "again").mkdir()
    shutil.copy(tmp_path / "cut/checkpoint", tmp_path / "again/checkpoint")
    valley, history, kept = walked(tmp_path / "again", 4.0, epochs=50, patience=3)
    assert (history, kept, valley.weight.item()) == (whole, 4, 4.0)


@pytest.mark.parametrize(("pool", "learnt"), [("train", 1221), ("all", 1797 - 180)])
def test_rows_that_are_watched_are_not_learnt_from(tmp_path, pool, learnt):
    settings = {**SETTINGS, "train.epochs": 4, "train.patience": 2, "train.held_out": 0.1, "pretrain.pool": pool}
    record = sslbench.run("simclr", "digits", out=tmp_path, settings=settings).records[0]
    assert record.status == "done", record.reason
    assert record.training[0]["samples"] == learnt
    assert all(epoch["validation_loss"] > 0 for epoch in record.training[0]["history"])
    assert record.training[0]["notes"]["training"].startswith("stopped after ")


def test_the_training_loss_may_be_watched_instead(tmp_path):
    settings = {**SETTINGS, "train.epochs": 3, "train.patience": 1, "train.watched": "training"}
    record = sslbench.run("simclr", "digits", out=tmp_path, settings=settings).records[0]
    assert record.status == "done", record.reason
    assert "validation_loss" not in record.training[0]["history"][0]


def test_a_method_that_is_given_labels_is_watched_with_them(tmp_path):
    settings = {**SETTINGS, "recipe": "none", "backbone.name": "micro-cnn", "train.epochs": 3, "train.patience": 2}
    record = sslbench.run("supervised", "digits", out=tmp_path, settings=settings).records[0]
    assert record.status == "done", record.reason
    losses = [epoch["validation_loss"] for epoch in record.training[0]["history"]]
    assert 0 < min(losses) < np.log(10)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"train.patience": -1}, "train.patience: -1 is not possible; possible: 0 or more"),
        ({"train.patience": 2, "train.average": 0.9}, "0 with train.average"),
        ({"train.patience": 2, "train.snapshots": [1]}, "none with train.steps or train.patience"),
        ({"train.least_epochs": 9}, "train.least_epochs: 9 is not possible; possible: from 0 to train.epochs"),
        ({"train.held_out": 1.0}, "train.held_out: 1.0 is not possible; possible: above 0, below 1"),
    ],
)
def test_impossible_patience_is_a_sentence(settings, told):
    with pytest.raises(RequestError, match=told.replace("(", r"\(")):
        sslbench.run("simclr", "digits", settings={**SETTINGS, "train.epochs": 3, **settings})


def test_nothing_to_watch_fails_the_run_with_what_to_do(tmp_path):
    settings = {**SETTINGS, "train.epochs": 2, "train.patience": 1, "splits.validation": 0.0, "pretrain.pool": "train"}
    record = sslbench.run("simclr", "digits", out=tmp_path, settings=settings).records[0]
    assert record.status == "failed"
    assert "no row is left to watch the loss on; raise splits.validation or train.held_out" in record.reason
