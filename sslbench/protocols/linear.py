"""Declare the linear probe protocol: a linear classifier on frozen features."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import (
    Citation,
    Need,
    NonEmpty,
    NonNegativeFloat,
    NonNegativeInt,
    PlanContext,
    PositiveFloat,
    PositiveInt,
    ProtocolSpec,
    Range,
    Varied,
    hookimpl,
)
from sslbench.api.settings import setting
from sslbench.protocols.budget_warnings import warn_of_few_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearConfig:
    """Settings of the linear probes, trained with SGD, momentum and a cosine schedule to 0 from zero weights.

    Several labels have a binary cross-entropy each; numbers are standardized, with squared error. Features are standardized
    (batch norm without affine, arXiv 2111.06377, A.2); constant units are left out.
    """

    lrs: NonEmpty[PositiveFloat] = setting(
        (0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
        "Peak learning rates of the grid, chosen on the validation set.",
        old_names=("rates",),
    )
    weight_decays: NonEmpty[NonNegativeFloat] = setting(
        (0.0, 1e-4, 1e-3, 1e-2, 1e-1),
        "Weight decays of the grid, chosen on the validation set; biases do not decay.",
        old_names=("decays",),
    )
    epochs: PositiveInt = setting(30, "Epochs; raised until min_steps optimizer steps are taken.")
    min_steps: NonNegativeInt = setting(
        1200, "Fewest optimizer steps, so that probes on few labels converge too. 0: no minimum."
    )
    batch_size: PositiveInt = setting(
        256, "Samples per optimizer step; limited to the training samples.", old_names=("batch",)
    )
    momentum: Annotated[float, Range(at_least=0, below=1)] = setting(0.9, "SGD momentum.")
    seeds: PositiveInt = setting(
        1, "Probes per pretraining seed, which differ by the order of their batches; their scores are averaged."
    )
    space: str = setting("", "Space whose features are classified, such as 'joint'. Empty: the encoders' output.")


def count_epochs(config: LinearConfig, batches: int) -> int:
    """Return the number of epochs of `batches` steps each, raised to reach `min_steps`."""
    return max(config.epochs, math.ceil(config.min_steps / batches))


def samples_seen(config: LinearConfig, rows: int) -> int:
    """Return how many rows a probe on `rows` training samples passes."""
    batch = min(config.batch_size, rows)
    batches = max(1, rows // batch)
    return count_epochs(config, batches) * batches * batch


def warn(config: LinearConfig, facts: PlanContext) -> Iterable[str]:
    """Warn about a budget that is too small for few labels."""
    consequence = "probes trained for so few steps score below a converged one"
    return warn_of_few_steps(config.min_steps, LinearConfig().min_steps, consequence)


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[LinearConfig]]:
    yield ProtocolSpec(
        name="linear",
        version=3,
        summary="linear probe on frozen features; learning rate and weight decay chosen on validation",
        citation=Citation(
            title="Understanding intermediate layers using linear classifier probes",
            authors="Alain, Bengio",
            year=2016,
            url="https://arxiv.org/abs/1610.01644",
        ),
        config=LinearConfig,
        smoke=LinearConfig(epochs=3, min_steps=0, lrs=(0.1, 1.0), weight_decays=(0.0,)),
        build="sslbench.protocols.linear_evaluator:Linear",
        warnings=warn,
        samples_seen=samples_seen,
        needs=frozenset({Need.FEATURES}),
        targets=frozenset({"class", "labels", "value"}),
        is_default=True,
        varies=(Varied(name="probe_seed", default="mean"),),
        chooses=("rate", "decay"),
    )
