"""Toy encoders, operations, augmentations and a protocol that trains a head in the harness's loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from sslbench.api import (
    AugmentationSpec,
    BackboneSpec,
    Loss,
    Need,
    OperationSpec,
    OperationStep,
    Outcome,
    ProtocolSpec,
    hookimpl,
)
from sslbench.api.modules import Backbone, Fit, Objective

from .data import CITATION


@dataclass(frozen=True, kw_only=True)
class Width:
    width: int = 8


class Mean(Backbone):
    """A linear layer on the mean over places or true steps: takes any layout, any size."""

    def __init__(self, config, modality):
        super().__init__(modality)
        self.width, self.layout = config.width, modality.layout
        self.linear = nn.Linear(modality.shape[0] if self.layout != "sequence" else modality.shape[1], config.width)
        self.seen_lengths = None

    def forward(self, x, length=None):
        x = self.normalize(x)
        if self.layout == "image":
            x = x.mean((2, 3))
        elif self.layout == "sequence":
            self.seen_lengths = length
            inside = torch.arange(x.shape[1]).unsqueeze(0) < length.unsqueeze(1)
            x = (x * inside.unsqueeze(-1)).sum(1) / length.unsqueeze(1)
        return self.linear(x)


@hookimpl
def sslbench_backbones():
    yield BackboneSpec(
        name="toy-mean", version=1, summary="a linear layer on the mean", citation=CITATION, config=Width, smoke=Width(),
        build=Mean, layouts=frozenset({"image", "sequence", "vector"}), provides=lambda config: frozenset({"any-size"}),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Noise:
    amount: float = 0.1


def noise(config, parts):
    def change(view, draws):
        return {
            name: x + config.amount * draws.normal(name, *[1] * (x.ndim - 1)) if name in parts.modalities else x
            for name, x in view.items()
        }

    return change


@dataclass(frozen=True, kw_only=True)
class Swap:
    share: float = 0.5


def swap(config, parts):
    """Corrupt with values of a fixed reference set of training rows, as SCARF does."""
    reference = parts.reference["spectrum"]

    def change(view, draws):
        x = view["spectrum"]
        places = (draws.uniform("which", x.shape[1]) * len(reference)).long()
        other = reference.gather(0, places)
        return {**view, "spectrum": torch.where(draws.uniform("where", x.shape[1]) < config.share, other, x)}

    return change


@hookimpl
def sslbench_operations():
    layouts = frozenset({"image", "sequence", "vector"})
    yield OperationSpec(
        name="toy-noise", version=1, summary="shift a sample", citation=CITATION, config=Noise, smoke=Noise(),
        build=noise, layouts=layouts,
    )  # fmt: skip
    yield OperationSpec(
        name="toy-swap", version=1, summary="values of other rows", citation=CITATION, config=Swap, smoke=Swap(),
        build=swap, layouts=frozenset({"vector"}), reference=lambda config: 16,
    )  # fmt: skip


@hookimpl
def sslbench_augmentations():
    shift = {"noise": OperationStep(operation="toy-noise")}
    yield AugmentationSpec(name="toy-shift", version=1, summary="noise", citation=CITATION, operations=shift)
    yield AugmentationSpec(
        name="toy-strong", version=1, summary="more noise", citation=CITATION,
        operations={"noise": OperationStep(operation="toy-noise", settings={"amount": 0.5})},
    )  # fmt: skip
    yield AugmentationSpec(
        name="toy-scarf", version=1, summary="swapped values", citation=CITATION,
        operations={"swap": OperationStep(operation="toy-swap")},
    )  # fmt: skip
    yield AugmentationSpec(
        name="toy-two-sizes", version=1, summary="large and small crops", citation=CITATION,
        operations={"crop": OperationStep(operation="random-resized-crop")}, roles={"local": {"crop": {"size": 8}}},
    )  # fmt: skip


class Head(Objective):
    """A linear head on features, for the harness's loop."""

    def __init__(self, width, classes):
        super().__init__()
        self.linear = nn.Linear(width, classes)

    def scores(self, view):
        return self.linear(torch.cat([x for _, x in sorted(view.items())], dim=1))

    def loss(self, batch, step):
        return Loss(total=nn.functional.cross_entropy(self.scores(batch.views["view"][0]), batch.target))


class TrainedHead:
    """Trains a head on frozen features in the loop, keeps the best epoch on validation, and reports its draw."""

    def __init__(self, config):
        self.config = config

    def measure(self, trial):
        table = trial.table()
        width = sum(v.shape[1] for v in table.features.values())
        for place, task in enumerate(trial.tasks):
            torch.manual_seed(int(trial.rng("head").integers(1 << 30)))
            head = Head(width, len(trial.target.names))

            def score(head=head, task=task):
                said = trial.bench.answer(head.scores, task.validation, source="features").argmax(1).numpy()
                return float((said == np.asarray(table.target)[task.validation]).mean())

            fit = Fit(epochs=5, batch_size=16, lr=0.05)
            trial.bench.fit(head, task.bank, fit, source="features", name=f"head{place}", validate=score)
            said = trial.bench.answer(head.scores, task.query, source="features").numpy()
            draw = float(trial.rng("shared").random())
            yield Outcome(task=place, chosen_on="validation", rows=task.query, predicted=said, scores={"draw": draw})


@hookimpl
def sslbench_protocols():
    yield ProtocolSpec(
        name="toy-head", version=1, summary="a head trained in the loop", citation=CITATION, config=Width, smoke=Width(),
        build=TrainedHead, needs=frozenset({Need.FEATURES}), targets=frozenset({"class"}),
    )  # fmt: skip
