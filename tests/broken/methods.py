"""Define toy methods, each with one defect. `BROKEN` maps a check to the function that makes the spec."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import torch
from torch import nn

from sslbench.api import (
    Dependency,
    Loss,
    MethodSpec,
    Recipe,
    Role,
)
from sslbench.api.modules import Backbone, TrainedMethod
from sslbench.api.target_losses import loss_of
from tests.toys.data import CITATION

from .known import SETTINGS


@dataclass(frozen=True, kw_only=True)
class Dated:
    """Settings that cannot be written to a file."""

    day: date = field(default_factory=lambda: date(2020, 1, 1))


class Sound(TrainedMethod):
    """A valid method: align two views, and keep the variance of embeddings."""

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


def needs_two_samples(config, context):
    if context.batch_size < 2:
        yield "train.batch_size=1 has no variance. Set it to 2 or more"


def method(cls, **changes):
    return lambda folder: MethodSpec(**{**SETTINGS, "build": cls, "views": lambda config: {"view": Role(count=2)},
                                        "family": "toy", "check": needs_two_samples, **changes})  # fmt: skip


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
        self.center = torch.zeros(8)


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
        super().__init__(config, replace(parts, encoders={name: Point(parts.context.modalities[name], given.width)}))

    def loss(self, batch, step):
        return Loss(total=self.project(batch.views["view"][0]).square().mean())


class Rounded(Sound):
    def loss(self, batch, step):
        z = self.project(batch.views["view"][0])
        return Loss(total=-torch.log(1 - (1 - 1e-4 * torch.sigmoid(z))).mean())


class Scaled(Sound):
    """Learn the weight of the variance term."""

    def __init__(self, config, parts):
        super().__init__(config, parts)
        self.scale = nn.Parameter(torch.tensor(1.0))

    def loss(self, batch, step):
        total = super().loss(batch, step).total
        return Loss(total=total + (self.scale - 2).square())


class Thaws(Sound):
    """Change an encoder that it uses."""

    def __init__(self, config, parts):
        super().__init__(config, parts)
        self.teacher = parts.dependencies["teacher"]

    def after_step(self, step, carries):
        self.teacher.encoder.second.weight.mul_(0.99)


TEACHER = Dependency(kind="backbone", name="kit-encoder", settings={"width": 8}, size=24)


class CountsInTraining(Counts):
    """Count the batches of the training only."""

    def loss(self, batch, step):
        return super().loss(batch, step) if self.training else Sound.loss(self, batch, step)


class MasksByPlace(Sound):
    """Mask the first rows of every batch, whichever samples these are."""

    def loss(self, batch, step):
        a = self.project(batch.views["view"][0])
        first = (torch.arange(len(a)) < len(a) // 4).unsqueeze(1)
        return Loss(total=super().loss(batch, step).total + 10 * (a * first).square().mean())


class DividesByNorm(Sound):
    def project(self, view):
        x = view[self.modality]
        scale = x.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))
        return self.projector(self.encoder(x / scale))


class EmbedsNoise(Sound):
    def embed(self, view):
        return {name: z + torch.randn_like(z) for name, z in super().embed(view).items()}


class EmbedsDifferences(Sound):
    def embed(self, view):
        return {name: z - z.mean(0) for name, z in super().embed(view).items()}


class IgnoresLength(Sound):
    def embed(self, view):
        return {self.modality: self.encoder(view[self.modality])}


class Several(TrainedMethod):
    """A valid method of one or two modalities."""

    def __init__(self, config, parts):
        super().__init__()
        self.kept = nn.ModuleDict(dict(parts.encoders))

    @property
    def encoders(self):
        return dict(self.kept.items())

    def loss(self, batch, step):
        a, b = (torch.cat([e(view[m]) for m, e in self.kept.items()], 1) for view in batch.views["view"])
        return Loss(total=(a - b).square().mean() + (1 - a.var(0)).square().mean())


class InventsModalities(Several):
    """Return zeros for a modality that a view lacks."""

    def embed(self, view):
        found = super().embed(view)
        rows = len(next(iter(view.values())))
        return {m: found.get(m, torch.zeros(rows, e.width)) for m, e in self.kept.items()}


class KnowsAll(Sound):
    """Learn classes, and numbers that are all known."""

    def __init__(self, config, parts):
        super().__init__(config, parts)
        self.target = parts.context.target
        self.head = nn.Linear(self.encoder.width, len(self.target.names))
        self.projector = nn.Identity()

    def loss(self, batch, step):
        found = self.head(self.encoder(batch.views["view"][0][self.modality]))
        if batch.target.ndim == 1:
            return Loss(total=nn.functional.cross_entropy(found, batch.target))
        return Loss(total=(found - batch.target).square().mean())


class Labeled(KnowsAll):
    """A valid method that uses labels."""

    def loss(self, batch, step):
        found = self.head(self.encoder(batch.views["view"][0][self.modality]))
        return Loss(total=loss_of(self.target).loss(found, batch.target, 0.0))


SOUND, SEVERAL = method(Sound), method(Several, modalities=(1, 2))
LABELED = method(Labeled, uses_labels=True, targets=frozenset({"class", "labels", "value"}))
BROKEN = {
    "builds": method(Unbuilt),
    "keeps_dependencies_frozen": method(Thaws, dependencies=lambda config: {"teacher": TEACHER}),
    "embeds_every_space": method(Sound, spaces=("joint",)),
    "returns_a_finite_loss": method(PerRow),
    "loss_changes_no_state": method(Counts),
    "is_determined_by_its_seed": method(Unseeded),
    "trains_every_parameter": method(Idle),
    "registers_method_tensors": method(Plain),
    "resumes_exactly": method(Forgets),
    "learns": method(Level),
    "does_not_collapse": method(Collapsed),
    "stays_finite_in_half_precision": method(Rounded),
    "has_no_scalar_parameters": method(Scaled),
    "ignores_the_order_of_a_batch": method(MasksByPlace),
    "stays_finite_on_constant_samples": method(DividesByNorm),
    "embeds_what_is_present": method(InventsModalities, modalities=(1, 2)),
    "ignores_padding_of_series": method(IgnoresLength),
    "learns_from_every_target": method(KnowsAll, uses_labels=True, targets=frozenset({"class", "value"})),
    "accepts_or_rejects_a_batch_of_one": method(Sound, check=lambda config, context: ()),
    "has_valid_recipes": method(Sound, recipes=(Recipe(name="r", summary="r", settings={"train.epoch": 1}),)),
    "settings_survive_a_round_trip": method(Sound, config=Dated, smoke=Dated()),
    "has_a_citation": method(Sound, citation=replace(CITATION, year=0)),
}  # fmt: skip
FAULTS = [
    ("loss_changes_no_state", "'asked' changes in loss()", method(CountsInTraining)),
    ("embeds_every_space", "different features of 'image' for the same samples", method(EmbedsNoise)),
    ("embeds_every_space", "depend on the other samples of a batch", method(EmbedsDifferences)),
    ("uses_known_names", "targets: unknown value 'classes'", method(Sound, targets=frozenset({"class", "classes"}))),
]
"""Checks and what they find in methods with another defect than those of `BROKEN`."""
