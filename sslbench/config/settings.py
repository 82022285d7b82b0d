"""The harness's own settings: how it trains, shows, pools, and which rows it makes. The schema is these dataclasses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from sslbench.api.ranges import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Range, Several
from sslbench.convert import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How a method is trained.

    `batch` counts rows of one optimiser step over all processes; `accumulate` splits it into that many passes.
    With `steps` it is trained for as many whole epochs as come nearest to so many optimiser steps, whatever `epochs` says,
    and `warmup` keeps its share of them: trainings on pools of different sizes are then equally long.
    `rate` is the peak learning rate; with `scale_rate` it is per 256 rows. `warmup` counts epochs, and is at most half of
    them however short the training; it begins at `warmup_from`. Weight decay moves by a cosine to `final_decay` where that
    is given. It leaves out norms and biases, that is, parameters of fewer than two dimensions, unless
    `decay_norms_and_biases` includes them (LARS then scales them as well). `clip` is the largest norm of the gradients (0:
    no limit): with `clip_by` 'global' that of all gradients together, with 'parameter' that of each parameter's own
    gradient. `trust` is LARS's coefficient; with `trust_clip` no tensor's rate rises above the scheduled one. `average` is
    the decay of a moving average of the weights that is measured instead of them (0: none). `snapshots` are epochs whose
    encoders are measured beside the last. `checkpoint_seconds` changes no number and enters no key. `devices` on each of
    `nodes` machines share every step; more than one process splits `batch` evenly, and sees the views of one. With
    `strategy` 'ddp' each holds a copy of everything, with 'fsdp' an equal part of weights, gradients and their moments.
    With `patience` it stops after so many epochs without a smaller loss, though not before `least_epochs`, and the weights of
    the epoch of least loss are kept. The loss is that of `watched`: `validation`, rows that are not learnt from (with pool
    `train` the split's validation part, else a share `held_out` of the pool), always in the same views; or `training`.
    With `compile` torch.compile makes kernels of the encoders' forward passes: faster on GPUs, minutes
    later to start, and no use to a method that encodes patches one by one.
    """

    epochs: PositiveInt = 100
    steps: NonNegativeInt = 0
    batch: PositiveInt = 256
    accumulate: PositiveInt = 1
    optimiser: Literal["sgd", "adam", "adamw", "lars"] = "adamw"
    rate: PositiveFloat = 1e-3
    scale_rate: bool = False
    decay: NonNegativeFloat = 0.05
    final_decay: NonNegativeFloat | None = None
    decay_norms_and_biases: bool = False
    momentum: Annotated[float, Range(at_least=0, below=1)] = 0.9
    nesterov: bool = False
    betas: tuple[Annotated[float, Range(at_least=0, below=1)], Annotated[float, Range(at_least=0, below=1)]] = (
        0.9,
        0.999,
    )
    trust: PositiveFloat = 1e-3
    trust_clip: bool = False
    schedule: Literal["cosine", "one-cycle", "constant"] = "cosine"
    warmup: NonNegativeFloat = 0.0
    warmup_from: NonNegativeFloat = 0.0
    final_rate: NonNegativeFloat = 0.0
    layer_decay: Annotated[float, Range(above=0, at_most=1)] = 1.0
    clip: NonNegativeFloat = 0.0
    clip_by: Literal["global", "parameter"] = "global"
    average: Annotated[float, Range(at_least=0, below=1)] = 0.0
    patience: NonNegativeInt = 0
    least_epochs: NonNegativeInt = 0
    watched: Literal["validation", "training"] = "validation"
    held_out: Annotated[float, Range(above=0, below=1)] = 0.05
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    snapshots: Several[PositiveInt] = ()
    checkpoint_seconds: NonNegativeFloat = field(default=60.0, metadata={"identity": False})
    devices: PositiveInt = 1
    nodes: PositiveInt = 1
    strategy: Literal["ddp", "fsdp"] = "ddp"
    compile: bool = False

    @property
    def processes(self) -> int:
        """How many processes share a step."""
        return self.devices * self.nodes

    @property
    def holds_out(self) -> bool:
        """Whether rows are kept from training to watch its loss on them."""
        return self.patience > 0 and self.watched == "validation"

    def lasting(self, steps: int) -> TrainSettings:
        """The same in epochs, where an epoch has so many steps."""
        if not self.steps:
            return self
        epochs = max(1, round(self.steps / steps))
        return replace(self, epochs=epochs, steps=0, warmup=self.warmup * epochs / self.epochs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSettings:
    """The side in pixels at which images are encoded.

    0: their own where all have one square shape, else the median of their longer sides, at most 64, so that none is
    enlarged without a request.
    """

    size: NonNegativeInt = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainSettings:
    """What a method learns from: `train` (never a test image), `all` (every image without its label), or a dataset.

    `settings` are that dataset's own, as `data` has them.
    """

    pool: str = "train"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def called(self, title: str, content: Any) -> str:
        """Name what rows learned from it have in common: its name; with settings its title and a mark of its content."""
        mark = hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=3).hexdigest()
        name = "/".join([title, *self.pool.split("/")[1:]])
        return f"{name}-{mark}" if self.elsewhere and self.settings else self.pool

    @property
    def elsewhere(self) -> bool:
        """Whether a dataset of its own is learnt from."""
        return self.pool not in ("train", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalitySettings:
    """What is used of a modality; `facts` restricts those that reach the method."""

    facts: tuple[str, ...] | None = None


def problems_of(train: TrainSettings) -> list[str]:
    """Say which training settings do not fit together, one sentence each; each is within its own range."""
    rules = {
        "train.accumulate": (train.accumulate <= train.batch, "from 1 to train.batch"),
        "train.clip_by": (
            train.clip_by == "global" or train.strategy == "ddp",
            "'global' with train.strategy=fsdp, where no process holds a parameter's whole gradient",
        ),
        "train.patience": (
            train.patience == 0 or (not train.average and train.strategy == "ddp"),
            "0 with train.average or train.strategy=fsdp, whose weights cannot be put back",
        ),
        "train.least_epochs": (train.least_epochs <= train.epochs, "from 0 to train.epochs"),
        "train.nesterov": (
            not train.nesterov or (train.optimiser == "sgd" and train.momentum > 0),
            "false but with train.optimiser=sgd and train.momentum above 0",
        ),
        "train.strategy": (
            train.strategy == "ddp" or (train.processes > 1 and train.average == 0),
            "'ddp' with one process or with train.average",
        ),
        "train.batch": (
            train.processes <= 1 or train.batch % (train.processes * train.accumulate) == 0,
            "a multiple of train.devices x train.nodes x train.accumulate",
        ),
        "train.snapshots": (
            all(epoch <= train.epochs for epoch in train.snapshots)
            and not (train.snapshots and (train.steps or train.patience)),
            "from 1 to train.epochs, and none with train.steps or train.patience",
        ),
    }
    values = {path: plain(getattr(train, path.removeprefix("train."))) for path in rules}
    return [
        f"{path}: {values[path]!r} is not possible. Possible: {want}" for path, (ok, want) in rules.items() if not ok
    ]
