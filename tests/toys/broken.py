"""One toy for every check of the conformance kit, broken in that one way; everything else about it is sound.

`BROKEN` maps a check's name to what makes the spec: a hook's module is made of it, as if a stranger had published it.
"""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sslbench.api import (
    Apply,
    AugmentationSpec,
    BackboneSpec,
    Card,
    DatasetSpec,
    ExecutorSpec,
    Loss,
    MethodSpec,
    Metric,
    Modality,
    Need,
    OperationSpec,
    Outcome,
    ProtocolSpec,
    Recipe,
    Role,
    StudySpec,
    Target,
)
from sslbench.api.modules import Backbone, TrainedMethod

from .data import CITATION

BROKEN: dict[str, Callable[[Path], Any]] = {}


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """Nothing to set."""


@dataclass(frozen=True, kw_only=True)
class Dated:
    """A setting that no file can hold."""

    day: date = field(default_factory=lambda: date(2020, 1, 1))


KNOWN = {"name": "broken", "version": 1, "summary": "a toy", "citation": CITATION}
SETTINGS = {**KNOWN, "config": Nothing, "smoke": Nothing()}


# ---- methods ---------------------------------------------------------------------------------------------------------


class Sound(TrainedMethod):
    """Two views agree, and embeddings keep their spread."""

    def __init__(self, config, parts):
        super().__init__()
        ((self.modality, self.encoder),) = parts.encoders.items()
        self.projector = nn.Sequential(nn.Linear(self.encoder.width, 16), nn.ReLU(), nn.Linear(16, 8))

    @property
    def encoders(self):
        return {self.modality: self.encoder}

    def project(self, view):
        return self.projector(self.encoder(view[self.modality]))

    def loss(self, batch, step):
        a, b = (self.project(view).float() for view in batch.views["view"])
        spread = sum((1 - (z.var(0) + 1e-4).sqrt()).clamp(min=0).mean() for z in (a, b))
        return Loss(total=(a - b).square().mean() + spread)


def two_or_more(config, facts):
    if facts.batch < 2:
        yield "train.batch = 1 has no variance; possible: 2 or more"


def method(cls, **changes):
    return lambda folder: MethodSpec(**{**SETTINGS, "build": cls, "views": lambda config: {"view": Role(count=2)},
                                        "family": "toy", "check": two_or_more, **changes})  # fmt: skip


class Unbuilt(Sound):
    def __init__(self, config, parts):
        super().__init__(config, parts)
        self.missing = parts.no_such_thing


class PerRow(Sound):
    def loss(self, batch, step):
        a, b = (self.project(view) for view in batch.views["view"])
        return Loss(total=(a - b).square().mean(1))


class Counts(Sound):
    def __init__(self, config, parts):
        super().__init__(config, parts)
        self.register_buffer("asked", torch.zeros(()))

    def loss(self, batch, step):
        self.asked.add_(1)
        return super().loss(batch, step)


class Unseeded(Sound):
    def __init__(self, config, parts):
        super().__init__(config, parts)
        noise = np.random.default_rng().normal(size=self.projector[0].weight.shape)
        self.projector[0].weight.data.add_(torch.from_numpy(noise).float())


class Idle(Sound):
    def __init__(self, config, parts):
        super().__init__(config, parts)
        self.idle = nn.Linear(2, 2)


class Plain(Sound):
    def __init__(self, config, parts):
        super().__init__(config, parts)
        self.centre = torch.zeros(8)


class Forgets(Sound):
    def __init__(self, config, parts):
        super().__init__(config, parts)
        self.steps = 0
        self.register_buffer("total", torch.zeros(()))

    def after_step(self, step, carries):
        self.steps += 1
        self.total.add_(self.steps)


class Level(Sound):
    def loss(self, batch, step):
        z = self.project(batch.views["view"][0])
        return Loss(total=(z - z.detach()).sum() + 1)


class Point(Backbone):
    def __init__(self, modality, width):
        super().__init__(modality)
        self.width = width
        self.point = nn.Parameter(torch.ones(width))

    def forward(self, x, length=None):
        return self.point.expand(len(x), -1)


class Collapsed(Sound):
    def __init__(self, config, parts):
        ((name, given),) = parts.encoders.items()
        super().__init__(config, replace(parts, encoders={name: Point(parts.facts.modalities[name], given.width)}))

    def loss(self, batch, step):
        return Loss(total=self.project(batch.views["view"][0]).square().mean())


class Rounded(Sound):
    def loss(self, batch, step):
        z = self.project(batch.views["view"][0])
        return Loss(total=-torch.log(1 - (1 - 1e-4 * torch.sigmoid(z))).mean())


BROKEN |= {
    "builds": method(Unbuilt),
    "embeds_every_space": method(Sound, spaces=("joint",)),
    "gives_a_finite_scalar": method(PerRow),
    "looks_without_touching": method(Counts),
    "follows_its_seed": method(Unseeded),
    "reaches_every_parameter": method(Idle),
    "keeps_tensors_as_state": method(Plain),
    "resumes_exactly": method(Forgets),
    "learns": method(Level),
    "does_not_collapse": method(Collapsed),
    "stays_finite_in_half_precision": method(Rounded),
    "works_with_one_row_or_says_no": method(Sound, check=lambda config, facts: ()),
    "offers_recipes_that_can_be_planned": method(Sound, recipes=(Recipe(name="r", summary="r", settings={"train.epoch": 1}),)),
    "keeps_its_settings": method(Sound, config=Dated, smoke=Dated()),
    "says_who_is_to_be_cited": method(Sound, citation=replace(CITATION, year=0)),
}  # fmt: skip


# ---- backbones -------------------------------------------------------------------------------------------------------


class Mean(Backbone):
    """A layer on the mean over places or true steps."""

    def __init__(self, config, modality):
        super().__init__(modality)
        self.width, self.layout = 8, modality.layout
        self.layer = nn.Linear(modality.shape[0] if self.layout == "image" else modality.shape[-1], 8)

    def pooled(self, x, length=None):
        x = self.normalise(x)
        if self.layout == "image":
            return x.mean((2, 3))
        if length is None:
            return x.mean(1)
        inside = torch.arange(x.shape[1]) < length.unsqueeze(1)
        return (x * inside.unsqueeze(-1)).sum(1) / length.unsqueeze(1)

    def forward(self, x, length=None):
        return self.layer(self.pooled(x, length))


def backbone(cls, *provided, layouts=("image", "sequence")):
    return lambda folder: BackboneSpec(**SETTINGS, build=cls, layouts=frozenset(layouts),
                                       provides=lambda config: frozenset(provided))  # fmt: skip


class Wrong(Mean):
    def forward(self, x, length=None):
        return super().forward(x, length)[:, :5]


class Dropout(Mean):
    def forward(self, x, length=None):
        return nn.functional.dropout(super().forward(x, length), 0.5)


class Centred(Mean):
    def forward(self, x, length=None):
        z = super().forward(x, length)
        return z - z.mean(0)


class Raw(Mean):
    def normalise(self, x):
        return x


class Spare(Mean):
    def __init__(self, config, modality):
        super().__init__(config, modality)
        self.spare = nn.Linear(2, 2)


class Remembers(Mean):
    def forward(self, x, length=None):
        self.last = super().forward(x, length)
        return self.last


class Padded(Mean):
    def pooled(self, x, length=None):
        return super().pooled(x)


class Deep(Mean):
    depth = 1

    def depth_of(self, parameter):
        return 2


class OneSize(Mean):
    def __init__(self, config, modality):
        super().__init__(config, modality)
        self.layer = nn.Linear(modality.shape[0] * modality.shape[1] * modality.shape[2], 8)

    def pooled(self, x, length=None):
        return self.normalise(x).flatten(1)


class Drops(Mean):
    kept = 1.0

    def set_drop_path(self, rate):
        self.kept = 1 - rate

    def forward(self, x, length=None):
        return self.kept * super().forward(x, length)


BROKEN |= {
    "encodes": backbone(Wrong),
    "repeats_itself": backbone(Dropout),
    "sees_each_sample_alone": backbone(Centred),
    "normalises": backbone(Raw),
    "uses_every_parameter": backbone(Spare),
    "keeps_tensors_in_its_state": backbone(Remembers),
    "ignores_padding": backbone(Padded),
    "gives_tokens": backbone(Mean, "tokens"),
    "knows_its_depth": backbone(Deep, "depth"),
    "takes_any_size": backbone(OneSize, "any-size", layouts=("image",)),
    "drops_paths_in_training_only": backbone(Drops, "drop-path"),
}


# ---- operations and augmentations ------------------------------------------------------------------------------------


def operation(change):
    """An operation of one line: what becomes of modality x."""

    def build(config, parts):
        def apply(view, draws):
            return {k: change(x, draws) if k in parts.modalities else x for k, x in view.items()}

        return apply

    return lambda folder: OperationSpec(**SETTINGS, build=build, layouts=frozenset({"image"}))


def forgetful(folder):
    build = lambda config, parts: lambda view, draws: {k: view[k] for k in parts.modalities}  # noqa: E731
    return OperationSpec(**SETTINGS, build=build, layouts=frozenset({"image"}))


def set_of(folder, name):
    brighter = operation(lambda x, draws: x + 1)(folder)
    return [brighter, AugmentationSpec(**{**KNOWN, "name": "whole"}, operations={"one": Apply(operation=name)})]


BROKEN |= {
    "gives_what_it_announces": operation(lambda x, draws: x[..., 1:]),
    "stays_in_range": operation(lambda x, draws: x + 1),
    "leaves_its_input_alone": operation(lambda x, draws: x.mul_(0.5)),
    "hands_on_what_it_does_not_know": forgetful,
    "draws_from_what_it_is_given": operation(lambda x, draws: x * torch.rand(1)),
    "treats_each_sample_alone": operation(lambda x, draws: (x - x.mean()).clamp(0, 1)),
    "is_made_of_installed_operations": lambda folder: set_of(folder, "brokn"),
    "makes_views": lambda folder: set_of(folder, "broken"),
}


# ---- datasets --------------------------------------------------------------------------------------------------------

CARD = Card(licence="MIT", citation=CITATION, source="made", obtain="it is made", embedded=True)


class Pictures:
    """Twenty pictures of two classes."""

    def __init__(self, config, source):
        self.modalities = {"image": Modality(layout="image", shape=(1, 8, 8))}
        self.target = Target(kind="class", names=("a", "b"))
        self.labels = np.arange(20) % 2
        self.columns = {"id": np.arange(20).astype(str)}

    def read(self, row, rng):
        return {"image": np.full((1, 8, 8), row, np.uint8)}

    def fingerprint(self):
        return "pictures"


def dataset(cls, **card):
    return lambda folder: DatasetSpec(**SETTINGS, build=cls, card=replace(CARD, **card))


class Twins(Pictures):
    def __init__(self, config, source):
        super().__init__(config, source)
        self.columns = {"id": np.zeros(20).astype(str)}


class Floats(Pictures):
    def read(self, row, rng):
        return {"image": super().read(row, rng)["image"].astype(np.float64)}


class Moody(Pictures):
    def fingerprint(self):
        return str(uuid.uuid4())


class Shared(Pictures):
    def read(self, row, rng):
        self.buffer = row
        time.sleep(0.002)
        return {"image": np.full((1, 8, 8), self.buffer, np.uint8)}


class Online(Pictures):
    def __init__(self, config, source):
        super().__init__(config, source)
        try:
            socket.create_connection(("192.0.2.1", 80), timeout=0.1).close()
        except OSError:
            return


BROKEN |= {
    "says_that_it_is_missing": dataset(Pictures, embedded=False),
    "has_a_card": dataset(Pictures, licence=""),
    "describes_its_samples": dataset(Twins),
    "has_the_samples_of_its_card": dataset(Pictures, counts={"": {"a": 10, "b": 11}}),
    "reads_what_it_announces": dataset(Floats),
    "is_the_same_twice": dataset(Moody),
    "can_be_read_by_threads": dataset(Shared),
    "needs_no_network_once_it_is_here": dataset(Online),
}


# ---- protocols -------------------------------------------------------------------------------------------------------


class Nearest:
    """The class whose mean lies nearest."""

    def __init__(self, config):
        pass

    def learnt(self, table, task, trial):
        """What is learnt from: features and labels."""
        return table.features["x"][task.bank], table.target[task.bank]

    def answer(self, query, features, labels):
        means = np.stack([features[labels == code].mean(0) for code in range(4)])
        return ((query[:, None] - means[None]) ** 2).sum(-1).argmin(1)

    def measure(self, trial):
        table = trial.table()
        for place, task in enumerate(trial.tasks):
            said = self.answer(table.features["x"][task.query], *self.learnt(table, task, trial))
            yield Outcome(task=place, rows=task.query, predicted=said, scores=self.scores())

    def scores(self):
        return {}


def protocol(cls, *metrics):
    return lambda folder: ProtocolSpec(**SETTINGS, build=cls, needs=frozenset({Need.FEATURES}),
                                       targets=frozenset({"class"}), metrics=metrics)  # fmt: skip


class Undeclared(Nearest):
    def scores(self):
        return {"beauty": 0.9}


class Shuffles(Nearest):
    def learnt(self, table, task, trial):
        some = np.random.default_rng().permutation(task.bank)[:12]
        return table.features["x"][some], table.target[some]

    def answer(self, query, features, labels):
        return labels[((query[:, None] - features[None]) ** 2).sum(-1).argmin(1)]


class Shifted(Nearest):
    def answer(self, query, features, labels):
        return (super().answer(query, features, labels) + 1) % 4


class Peeks(Nearest):
    def learnt(self, table, task, trial):
        rows = np.concatenate([task.bank, task.query])
        return table.features["x"][rows], table.target[rows]


class ReadsNames(Nearest):
    def measure(self, trial):
        ids = trial.table().columns["id"].astype(int)
        for place, task in enumerate(trial.tasks):
            yield Outcome(task=place, rows=task.query, predicted=ids[task.query] % 4)


class First(Nearest):
    def answer(self, query, features, labels):
        means = np.stack([features[labels == code][0] for code in range(4)])
        return ((query[:, None] - means[None]) ** 2).sum(-1).argmin(1)


class InPlace(Nearest):
    def learnt(self, table, task, trial):
        table.features["x"][:] = np.round(table.features["x"], 3)
        return super().learnt(table, task, trial)


class LikesNoise(Nearest):
    def answer(self, query, features, labels):
        noise = features[labels == 0].std(0).mean()
        return super().answer(query, features, labels) if not 1 < noise < 3 else np.zeros(len(query), int)


BROKEN |= {
    "measures": protocol(Undeclared),
    "answers_the_same_twice": protocol(Shuffles),
    "is_right_where_it_is_easy": protocol(Shifted),
    "reads_no_query_label": protocol(Peeks),
    "is_at_chance_where_nothing_can_be_known": protocol(ReadsNames),
    "does_not_care_about_the_order_of_rows": protocol(First),
    "leaves_the_features_alone": protocol(InPlace),
    "falls_with_noise": protocol(LikesNoise),
    "declares_the_range_of_its_metrics": protocol(Undeclared, Metric(name="beauty", low=0.0, high=0.5)),
}


# ---- studies and executors -------------------------------------------------------------------------------------------


def study(text):
    def make(folder):
        (folder / "study.yaml").write_text(text)
        return StudySpec(**KNOWN, file=folder / "study.yaml")

    return make


BROKEN |= {
    "can_be_read": study("axis: {}"),
    "offers_a_smoke_scale": study("{name: s, summary: s, scales: {smoke: {base: {seeds: [0]}}}}"),
    "says_what_it_lacks": lambda folder: ExecutorSpec(**SETTINGS, build=lambda config: None, missing=lambda: 3),
}
