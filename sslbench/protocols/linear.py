"""The linear probe on frozen features, as a spec. The implementation is `linear_evaluator`."""

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
    hookimpl,
)
from sslbench.protocols.budget_warnings import warn_of_few_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearConfig:
    """A grid of probes, all trained at once on standardized features (batch norm without affine, arXiv 2111.06377, A.2).

    SGD with momentum and a cosine to 0, from zero weights; rate and decay are chosen on validation. Units that are constant
    in the bank are left out. `epochs` is raised until `min_steps` optimizer steps are taken, so that small banks are trained
    to convergence too. `decays` are those of the weights; biases do not decay. `seeds` probes per pretraining seed are
    averaged within it; they differ by the order of their batches.
    """

    lrs: NonEmpty[PositiveFloat] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    weight_decays: NonEmpty[NonNegativeFloat] = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)
    epochs: PositiveInt = 30
    min_steps: NonNegativeInt = 1200
    batch_size: PositiveInt = 256
    momentum: Annotated[float, Range(at_least=0, below=1)] = 0.9
    seeds: PositiveInt = 1
    space: str = ""


def count_epochs(config: LinearConfig, batches: int) -> int:
    """Return the epochs that a bank of so many batches is trained for: as many as `min_steps` asks for."""
    return max(config.epochs, math.ceil(config.min_steps / batches))


def samples_seen(config: LinearConfig, rows: int) -> int:
    """Return how many rows the probes of a bank of so many rows pass."""
    batch = min(config.batch_size, rows)
    batches = max(1, rows // batch)
    return count_epochs(config, batches) * batches * batch


def warn(config: LinearConfig, facts: PlanContext) -> Iterable[str]:
    """Warn of a budget that is too small for few labels."""
    consequence = "probes trained for so few steps score below a converged one"
    return warn_of_few_steps(config.min_steps, LinearConfig().min_steps, consequence)


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[LinearConfig]]:
    yield ProtocolSpec(
        name="linear",
        version=3,
        summary="linear probe on frozen features; rate and decay from a grid, chosen on validation",
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
        targets=frozenset({"class"}),
    )
