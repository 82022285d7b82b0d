"""A plugin outside the repository whose method and protocol use a teacher of another size, without a line in the core."""

from __future__ import annotations

import re

import pytest

import sslbench
from tests.installed_plugin import install_plugin

DECLARED = """
from dataclasses import dataclass

from sslbench.api import Citation, Dependency, MethodSpec, Need, PositiveInt, ProtocolSpec, Role, hookimpl, setting

KNOWN = dict(version=1, citation=Citation(title="Teachers", authors="They", year=2026, url="https://example.org"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherConfig:
    \"\"\"Settings of what uses a teacher.\"\"\"

    teacher: str = setting("micro-cnn", "Backbone of the teacher.")
    size: PositiveInt = setting(32, "Side in pixels of the images of the teacher.")


def dependencies(config):
    return {"teacher": Dependency(kind="backbone", name=config.teacher, size=config.size)}


def views(config):
    return {"view": Role(count=1)}


@hookimpl
def sslbench_methods():
    yield MethodSpec(
        name="their-distill", summary="predict a teacher", config=TeacherConfig, smoke=TeacherConfig(), views=views,
        build="their_teachers_code:Distilled", family="distillation", dependencies=dependencies, **KNOWN,
    )


@hookimpl
def sslbench_protocols():
    yield ProtocolSpec(
        name="their-joined-probe", summary="a head on features and those of a teacher", config=TeacherConfig,
        smoke=TeacherConfig(), build="their_teachers_code:JoinedProbe", needs=frozenset({Need.FEATURES}),
        targets=frozenset({"class"}), dependencies=dependencies, **KNOWN,
    )
"""
CODE = """
import numpy as np
import torch
from torch import nn

from sslbench.api import Loss, Outcome
from sslbench.api.modules import TrainedMethod


class Distilled(TrainedMethod):
    \"\"\"An encoder that learns to predict the features of a teacher.\"\"\"

    def __init__(self, config, parts):
        super().__init__()
        ((self.modality, self.student),) = parts.encoders.items()
        self.teacher = parts.dependencies["teacher"]
        self.head = nn.Linear(self.student.width, self.teacher.width)

    @property
    def encoders(self):
        return {self.modality: self.student}

    def loss(self, batch, step):
        view = batch.views["view"][0]
        predicted = self.head(self.student(view[self.modality]))
        return Loss(total=(predicted - self.teacher(view)).square().mean())


class JoinedProbe:
    \"\"\"A ridge regression on the features of an encoder and of a teacher.\"\"\"

    def __init__(self, config):
        pass

    def measure(self, trial):
        features, everything = trial.table().vectors(), np.arange(trial.table().rows())
        taught = trial.bench.answer(trial.dependency("teacher"), everything, source="samples").numpy()
        joined = torch.from_numpy(np.concatenate([features, taught, np.ones((len(features), 1), np.float32)], axis=1))
        for place, task in enumerate(trial.tasks):
            x, labels = joined[task.bank].double(), torch.from_numpy(trial.table().target[task.bank])
            wanted = nn.functional.one_hot(labels, len(trial.target.names)).double()
            weights = torch.linalg.solve(x.T @ x + torch.eye(x.shape[1]), x.T @ wanted)
            predicted = (joined[task.query].double() @ weights).float().numpy()
            yield Outcome(task=place, rows=task.query, predicted=predicted)
"""
SETTINGS = {
    "backbone.name": "micro-cnn", "augmentation.name": "digits", "protocols": ["knn", "their-joined-probe"], "seeds": [0],
    "baselines": "none", "train.epochs": 1, "prepare.samples": 300,
}  # fmt: skip


@pytest.fixture
def installed(tmp_path):
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "their_teachers_code.py").write_text(CODE)
    return install_plugin(folder, "their_teachers", DECLARED)


def test_a_method_and_a_protocol_use_a_teacher_of_another_size(tmp_path, installed, monkeypatch):
    monkeypatch.syspath_prepend(installed["PYTHONPATH"])
    results = sslbench.run("their-distill", "digits", out=tmp_path / "runs", settings=SETTINGS)
    scores = results.scores.query("metric == 'micro_accuracy'").set_index("protocol")["value"]
    assert scores["their-joined-probe"] > 0.6
    (record,) = results.records
    assert record.status == "done", record.reason
    teachers = [one["dependencies"]["teacher"] for one in (record.method, record.protocols[1])]
    assert [(one["name"], one["size"]) for one in teachers] == [("micro-cnn", 32)] * 2


@pytest.mark.slow
def test_components_with_dependencies_pass_the_conformance_kit(cli, installed):
    checked = cli("plugin", "check", "their-teachers", env=installed)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert len(re.findall(r"passed +has_usable_dependencies", checked.stdout)) == 2
    assert re.search(r"passed +keeps_dependencies_frozen", checked.stdout)
