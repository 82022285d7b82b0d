"""Test early stopping: the last epoch, the weights that are kept, and a training that continues from a checkpoint."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

import sslbench
from sslbench.api import Loss, Target
from sslbench.api.errors import RequestError
from sslbench.api.modules import Objective
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, make_plan
from sslbench.config.plan_stages import split_plan
from sslbench.config.request import read_request
from sslbench.config.settings import TrainSettings
from sslbench.data.prepare import prepare
from sslbench.data.table import open_prepared
from sslbench.environment import places
from sslbench.evaluation.features import DiskFeatureTable
from sslbench.train.build import gather_training_data
from sslbench.train.checkpoint import Progress
from sslbench.train.distributed.process_group import SingleProcess
from sslbench.train.feeds import FeatureFeed, SampleFeed
from sslbench.train.loop import Training, should_stop, train
from sslbench.train.pretrain import _make_holdout_feed

SETTINGS = {
    "recipe": "quick", "augmentation.name": "digits", "backbone.widths": [8, 8, 16, 16], "train.batch_size": 128,
    "train.precision": "float32", "seeds": [0], "baselines": "none", "protocols": ["knn"], "threads": 1,
    "protocol_settings.knn.neighbors": [1],
}  # fmt: skip


class Valley(Objective):
    """One weight that moves by 1 per epoch, past the value with the lowest validation loss."""

    def __init__(self, lowest: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.lowest = lowest

    def loss(self, batch, step):
        if self.training:
            return Loss(total=-self.weight)
        return Loss(total=(self.weight - self.lowest) ** 2)


def train_valley(tmp_path, lowest: float, **settings) -> tuple[Valley, list[dict[str, float]], int]:
    valley = Valley(lowest)
    rows = np.zeros((8, 1), np.float32)
    feed = FeatureFeed(
        table=DiskFeatureTable(features={"x": rows}, target=None, columns={}), rows=np.arange(8),
        labels=np.zeros(8, np.int64), batch_size=8, seed=0, device=torch.device("cpu"),
    )  # fmt: skip
    chosen = TrainSettings(
        optimizer="sgd", lr=1.0, momentum=0.0, weight_decay=0.0, schedule="constant", batch_size=8, **settings
    )
    training = Training(
        objective=valley, feed=feed, holdout=feed, settings=chosen, fabric=Fabric(accelerator="cpu", devices=1),
        processes=SingleProcess(), seed=0, checkpoint=tmp_path / "checkpoint",
    )  # fmt: skip
    found = train(training)
    return valley, list(found.history), found.kept_epoch


def test_training_stops_after_patience_and_keeps_the_best_epoch(tmp_path):
    valley, history, kept = train_valley(tmp_path, 4.0, epochs=50, patience=3)
    assert (len(history), kept, valley.weight.item()) == (7, 4, 4.0)
    assert [epoch["validation_loss"] for epoch in history] == [9, 4, 1, 0, 1, 4, 9]


def test_training_stops_between_min_epochs_and_epochs(tmp_path):
    valley, history, kept = train_valley(tmp_path / "least", 4.0, epochs=50, patience=3, min_epochs=20)
    assert (len(history), kept, valley.weight.item()) == (20, 4, 4.0)
    valley, history, kept = train_valley(tmp_path / "most", 40.0, epochs=6, patience=3)
    assert (len(history), kept, valley.weight.item()) == (6, 6, 6.0)
    assert not should_stop(TrainSettings(patience=0), Progress(epoch=99))


def test_a_training_that_continues_from_its_checkpoint_stops_at_the_same_epoch(tmp_path):
    (tmp_path / "whole").mkdir()
    _, whole, _ = train_valley(tmp_path / "whole", 4.0, epochs=50, patience=3)
    (tmp_path / "cut").mkdir()
    train_valley(tmp_path / "cut", 4.0, epochs=5, patience=3)  # ended at its fifth epoch, which was not the best
    state = torch.load(tmp_path / "cut/checkpoint", weights_only=True)
    assert state["progress"]["best"]["weight"] == 4
    (tmp_path / "again").mkdir()
    shutil.copy(tmp_path / "cut/checkpoint", tmp_path / "again/checkpoint")
    valley, history, kept = train_valley(tmp_path / "again", 4.0, epochs=50, patience=3)
    assert (history, kept, valley.weight.item()) == (whole, 4, 4.0)


def gather_digits(tmp_path, groups: str = "", **settings):
    """Return the training data of a plan on digits."""
    catalog = discover(installed_entries())
    overrides = [f"{path}={value}" for path, value in {**settings, "train.patience": 1}.items()]
    tree = read_request(None, {"method": {"name": "simclr"}, "data": {"name": "digits"}}, overrides)
    plan = make_plan(tree, catalog, DatasetCache(places()), Machine(threads=1, precision="float32"))
    stages = split_plan(plan)
    (tmp_path / "prepared").mkdir()
    prepare(stages.pool[0].prepare, "digits", tmp_path / "prepared", lambda done, of: None)
    table = open_prepared(tmp_path / "prepared", "digits")
    if groups:
        blocks = np.array([f"block {row // 7}" for row in range(len(table))])
        table = replace(table, columns={**table.columns, groups: blocks}, groups=(groups,))
    return gather_training_data(stages.trainings[0].pretrain, [table])


@pytest.mark.parametrize("pool", ["train", "all"])
def test_training_rows_and_holdout_rows_are_disjoint(tmp_path, pool):
    data = gather_digits(tmp_path, **{"pretrain.pool": pool, "train.holdout_fraction": 0.1})
    ((_, learned),), ((_, holdout),) = data.pool.members, data.holdout.members
    assert not set(learned) & set(holdout)
    assert (len(learned), len(holdout)) == {"train": (1221, 216), "all": (1797 - 180, 180)}[pool]


def test_whole_groups_are_held_out(tmp_path):
    data = gather_digits(tmp_path, groups="block", **{"pretrain.pool": "all", "train.holdout_fraction": 0.1})
    ((_, learned),), ((_, holdout),) = data.pool.members, data.holdout.members
    assert not {row // 7 for row in learned} & {row // 7 for row in holdout}
    assert 180 <= len(holdout) < 187
    assert len(learned) + len(holdout) == 1797


@pytest.mark.parametrize(("pool", "learned"), [("train", 1221), ("all", 1797 - 180)])
def test_a_record_states_the_epoch_at_which_training_stopped(tmp_path, pool, learned):
    settings = {
        **SETTINGS,
        "train.epochs": 4,
        "train.patience": 4,
        "train.holdout_fraction": 0.1,
        "pretrain.pool": pool,
    }
    record = sslbench.run("simclr", "digits", out=tmp_path, settings=settings).records[0]
    assert record.status == "done", record.reason
    assert record.training[0]["samples"] == learned
    assert len(record.training[0]["history"]) == 4
    assert all(epoch["validation_loss"] > 0 for epoch in record.training[0]["history"])
    assert record.training[0]["notes"]["training"].startswith("ran all its 4 epochs, weights of epoch ")


def test_the_training_loss_can_be_monitored(tmp_path):
    settings = {**SETTINGS, "train.epochs": 3, "train.patience": 1, "train.monitor": "training"}
    record = sslbench.run("simclr", "digits", out=tmp_path, settings=settings).records[0]
    assert record.status == "done", record.reason
    assert "validation_loss" not in record.training[0]["history"][0]


def test_the_validation_loss_of_a_supervised_method_uses_labels(tmp_path):
    settings = {**SETTINGS, "recipe": "none", "backbone.name": "micro-cnn", "train.epochs": 3, "train.patience": 2}
    record = sslbench.run("supervised", "digits", out=tmp_path, settings=settings).records[0]
    assert record.status == "done", record.reason
    losses = [epoch["validation_loss"] for epoch in record.training[0]["history"]]
    assert 0 < min(losses) < np.log(10)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train.patience": -1}, "train.patience=-1: must be 0 or more"),
        ({"train.patience": 2, "train.ema_decay": 0.9}, "train.patience=2: cannot be combined with train.ema_decay"),
        ({"train.patience": 2, "train.eval_epochs": [1]}, "cannot be combined with train.steps or train.patience"),
        ({"train.min_epochs": 9}, "train.min_epochs=9: is above train.epochs"),
        ({"train.holdout_fraction": 1.0}, "train.holdout_fraction=1.0: must be above 0, below 1"),
    ],
)
def test_impossible_settings_of_early_stopping_are_rejected(settings, message):
    with pytest.raises(RequestError, match=message.replace("(", r"\(")):
        sslbench.run("simclr", "digits", settings={**SETTINGS, "train.epochs": 3, **settings})


def test_a_run_without_validation_rows_fails_with_a_hint(tmp_path):
    settings = {**SETTINGS, "train.epochs": 2, "train.patience": 1, "splits.validation": 0.0, "pretrain.pool": "train"}
    record = sslbench.run("simclr", "digits", out=tmp_path, settings=settings).records[0]
    assert record.status == "failed"
    assert (
        "0 validation sample(s) are too few for a validation loss. Raise splits.validation or train.holdout_fraction"
        in record.reason
    )


def test_few_holdout_rows_form_a_batch_of_a_power_of_two(tmp_path):
    """One process then computes the same validation loss as two."""
    settings = {
        **SETTINGS,
        "train.epochs": 1,
        "train.patience": 1,
        "pretrain.pool": "all",
        "train.holdout_fraction": 0.02,
    }
    record = sslbench.run("simclr", "digits", out=tmp_path, settings=settings).records[0]
    assert record.training[0]["samples"] == 1797 - 36

    for rows, batch in ((2, 2), (17, 16), (127, 64), (128, 128), (300, 128)):
        method, spec = SimpleNamespace(config=None), SimpleNamespace(check=lambda *_: ())
        inputs = SimpleNamespace(method=method, spec=spec, modalities={}, training=None)
        data = SimpleNamespace(holdout=range(rows), holdout_labels=None, pool=range(5), target=Target(kind="none"))
        feed = SampleFeed(pool=[], views=None, roles={}, augmentations=[], batch_size=128, grad_accumulation=4, seed=0,
                          processes=SingleProcess())  # fmt: skip
        holdout = _make_holdout_feed(inputs, TrainSettings(), feed, data)
        assert (holdout.batch_size, holdout.grad_accumulation, holdout.first_index) == (batch, 1, 5)


def test_a_method_with_per_sample_state_has_no_validation_loss():
    settings = {**SETTINGS, "train.epochs": 3, "train.patience": 1}
    told = "needs a validation loss, which 'deepcluster-v2' does not have. Set train.monitor=training"
    with pytest.raises(RequestError, match=told):
        sslbench.run("deepcluster-v2", "digits", settings=settings)
