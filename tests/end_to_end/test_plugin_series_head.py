"""A protocol of a plugin outside the repository trains heads over the steps of a series, next to a teacher of another size."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from sslbench import load_results
from tests.installed_plugin import install_plugin

SPECS = """
from dataclasses import dataclass

from sslbench.api import (
    Citation, DatasetCard, DatasetSpec, Dependency, Need, PositiveInt, ProtocolSpec, Varied, hookimpl, setting,
)

KNOWN = dict(version=1, citation=Citation(title="Lines", authors="They", year=2026, url="https://example.org"))
CARD = DatasetCard(license="MIT", citation=KNOWN["citation"], source="s", obtain="it is installed", embedded=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesConfig:
    \"\"\"No settings.\"\"\"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadsConfig:
    \"\"\"Settings of the heads.\"\"\"

    epochs: PositiveInt = setting(3, "Epochs of each head.")
    size: PositiveInt = setting(16, "Side in pixels of the images of the teacher.")


def parts(config):
    return ("lines", "scans")


def dependencies(config):
    return {"teacher": Dependency(kind="backbone", name="micro-cnn", modality="scan", size=config.size)}


@hookimpl
def sslbench_datasets():
    yield DatasetSpec(name="their-scans", summary="scans as series of lines", **KNOWN, config=LinesConfig,
                      smoke=LinesConfig(), build="their_lines_code:open_scans", card=CARD, parts=parts)


@hookimpl
def sslbench_protocols():
    yield ProtocolSpec(
        name="their-heads", summary="heads over steps, and a teacher", config=HeadsConfig, smoke=HeadsConfig(epochs=1),
        build="their_lines_code:Heads", needs=frozenset({Need.FEATURES}), targets=frozenset({"class"}),
        dependencies=dependencies, varies=(Varied(name="head"),), label_fractions=False, **KNOWN,
    )
"""
CODE = """
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from sslbench.api import Fit, Loss, Modality, Outcome, Target
from sslbench.api.modules import Objective


class Scans:
    \"\"\"Scans of 8 x 8 pixels, each next to the series of its lines without the last blank ones.\"\"\"

    def __init__(self):
        found = load_digits()
        self.images, self.labels = (found.images / 16).astype(np.float32)[:600], found.target[:600].astype(np.int64)
        self.lengths = [int(np.flatnonzero(one.any(1)).max()) + 1 for one in self.images]
        self.columns = {"id": np.arange(600).astype(str), "split": np.array(["train"] * 400 + ["test"] * 200)}
        self.target = Target(kind="class", names=tuple("0123456789"))
        self.modalities = {
            "lines": Modality(layout="sequence", shape=(0, 8), sequence_of="line"),
            "scan": Modality(layout="image", shape=(1, 8, 8)),
        }

    def read(self, row, rng):
        image = self.images[row]
        return {"lines": image[: self.lengths[row]], "scan": (image[None] * 255).astype(np.uint8)}

    def fingerprint(self):
        return type(self).__name__


class Lines(Scans):
    def __init__(self):
        super().__init__()
        self.steps = [line for row in range(400) for line in self.images[row][: self.lengths[row]]]
        self.labels = np.full(len(self.steps), -1)
        self.columns = {"id": np.arange(len(self.steps)).astype(str)}
        self.target = Target(kind="none")
        self.modalities = {"line": Modality(layout="vector", shape=(8,))}

    def read(self, row, rng):
        return {"line": self.steps[row]}


def open_scans(config, source):
    return {"lines": Lines, "scans": Scans}[source.part]()


class Head(Objective):
    \"\"\"Classes from the features of the steps: their mean, or the last state of a recurrent network.\"\"\"

    def __init__(self, name, width, classes):
        super().__init__()
        self.recurrent = nn.GRU(width, 32, batch_first=True) if name == "recurrent" else None
        self.out = nn.Linear(32 if self.recurrent else width, classes)

    def forward(self, view):
        steps, length = view["lines"], view["lines.length"]
        if self.recurrent is None:
            inside = (torch.arange(steps.shape[1], device=steps.device)[None] < length[:, None]).unsqueeze(2)
            return self.out((steps * inside).sum(1) / length[:, None])
        states = self.recurrent(steps)[0]
        return self.out(states[torch.arange(len(steps)), length.long() - 1])

    def loss(self, batch, step):
        return Loss(total=nn.functional.cross_entropy(self(batch.views["view"][0]), batch.target))


class Heads:
    def __init__(self, config):
        self.config = config

    def measure(self, trial):
        table = trial.table()
        teacher = trial.dependency("teacher")
        for place, task in enumerate(trial.tasks):
            taught = [trial.bench.answer(teacher, rows, source="samples") for rows in (task.bank, task.query)]
            centers = torch.stack([taught[0][table.target[task.bank] == code].mean(0) for code in range(10)])
            hint = -torch.cdist(taught[1], centers).softmax(1)
            for name in ("mean", "recurrent"):
                head = Head(name, table.features["lines"].shape[2], len(trial.target.names))
                fit = Fit(epochs=self.config.epochs, batch_size=64, lr=1e-2)
                trial.bench.fit(head, task.bank, fit, source="features", name=f"{name}-{place}")
                scores = trial.bench.answer(head.forward, task.query, source="features").softmax(1)
                yield Outcome(task=place, setting={"head": name}, rows=task.query, predicted=(scores + hint).numpy())
"""
STUDY = """
name: heads
summary: heads over lines
base:
  method: {name: vicreg, hidden: 64, out: 64}
  data: their-scans/scans
  pretrain.pool: their-scans/lines
  backbones.line.name: vector-mlp
  augmentation: none
  recipe: none
  baselines: [random-init]
  protocols: [their-heads]
  train: {epochs: 1, batch_size: 256}
  seeds: [0]
  threads: 1
axes: {method: [vicreg]}
tables: [{name: heads, rows: [method], columns: [metric], where: {metric: micro_accuracy}}]
"""


@pytest.fixture(scope="module")
def made(cli, tmp_path_factory):
    """Run a request with the plugin, and return its folder, its environment and what it printed."""
    plugin, folder = tmp_path_factory.mktemp("plugin"), tmp_path_factory.mktemp("heads")
    environment = install_plugin(plugin, "their_lines", SPECS)
    (plugin / "their_lines_code.py").write_text(CODE)
    answer = cli(
        "run", "--method", "vicreg", "--dataset", "their-scans/scans", "pretrain.pool=their-scans/lines",
        "backbones.line.name=vector-mlp", "--augmentation", "none", "--protocols", "their-heads", "--seeds", "0",
        "--baselines", "random-init", "recipe=none", "train.epochs=1", "train.batch_size=256", "threads=1", "--out", "runs",
        "method.hidden=64", "method.out=64",
        cwd=folder, env={**environment, "COLUMNS": "160"},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, environment, answer.stdout


def means_of(folder):
    scores = load_results(folder / "runs").scores.query("metric == 'micro_accuracy'")
    heads = scores["setting"].map(lambda text: json.loads(text)["head"])
    return scores.groupby(["method", heads])["value"].mean()


def test_heads_learn_from_the_steps_of_series_and_have_columns_of_their_own(made):
    folder, _, printed = made
    means = means_of(folder)
    assert set(means.index) == {(m, h) for m in ("vicreg", "random-init") for h in ("mean", "recurrent")}
    assert means["random-init", "recurrent"] > 0.4, "a tenth by chance"
    assert re.search(r"their-heads:head=mean\s.*their-heads:head=recurrent\s", printed), printed


@pytest.mark.slow
def test_a_study_has_a_row_for_every_head(cli, made):
    folder, environment, _ = made
    (folder / "heads.yaml").write_text(STUDY)
    answer = cli("study", "run", "heads.yaml", "--out", "runs", cwd=folder, env=environment)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (path,) = folder.glob("runs/studies/heads*/tables/heads.csv")
    table = pd.read_csv(path).set_index(["method", "head"])["mean"]
    assert table.to_dict() == pytest.approx(means_of(folder).to_dict())
