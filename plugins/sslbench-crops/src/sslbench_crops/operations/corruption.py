"""Corruption of vectors: some values are replaced by those of other samples. Specs only; see `corruption_operation`.

`feature-corruption` is SCARF's: every sample has a mask of its own, and every value comes from the marginal distribution of
its column in the training data. `batch-corruption` is that of the bi-modal crop study's code: the columns are the same for
the whole batch, and a sample takes all of them from one other sample of the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import OperationSpec, PlanContext, Range, Share, hookimpl, setting
from sslbench_crops.citations import BIMODAL_CROPS, SCARF

VECTOR: frozenset[str] = frozenset({"vector"})
Rate = Annotated[float, Range(above=0, at_most=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureCorruptionConfig:
    """Settings of the corruption of each sample by the marginals of the training data."""

    rate: Rate = setting(0.6, "Share of the values that are replaced, rounded down to whole columns.")
    rows: Annotated[int, Range(at_least=2)] = setting(16_384, "Training rows from which the values are drawn.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCorruptionConfig:
    """Settings of the joint corruption of a batch."""

    rate: Rate = setting(0.6, "Share of the values that are replaced, rounded down to whole columns.")
    p_batch: Share = setting(0.5, "Probability that a batch is corrupted.")


def count_corrupted(rate: float, columns: int) -> int:
    """Return the number of columns that a rate affects: int(rate * columns), without errors of floating point."""
    return math.floor(rate * columns + 1e-9)


def check(config: FeatureCorruptionConfig | BatchCorruptionConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every vector of which the rate would corrupt no value, and for data without vectors."""
    vectors = {name: m.channels for name, m in context.modalities.items() if m.layout in VECTOR}
    if not vectors:
        found = ", ".join(f"{name!r} ({m.layout})" for name, m in context.modalities.items())
        yield f"corrupts vectors, and the data has {found}. Choose another augmentation"
    for name, columns in vectors.items():
        if count_corrupted(config.rate, columns) == 0:
            least = math.ceil(100 / columns) / 100
            yield (
                f"rate={config.rate:g}: would corrupt int({config.rate:g} * {columns}) = 0 of the {columns} values of "
                f"{name!r}. Raise it to {least:g} or more, use data with longer vectors, or set augmentation.name=none"
            )


def reference(config: FeatureCorruptionConfig) -> int:
    """Return the number of training rows that it needs."""
    return config.rows


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec]:  # type: ignore[type-arg]
    yield OperationSpec(
        name="feature-corruption",
        version=1,
        summary="replace values of each sample by values that their columns have in the training data (SCARF)",
        citation=SCARF,
        config=FeatureCorruptionConfig,
        smoke=FeatureCorruptionConfig(rows=32),
        build="sslbench_crops.operations.corruption_operation:corrupt_features",
        layouts=VECTOR,
        check=check,
        reference=reference,
    )
    yield OperationSpec(
        name="batch-corruption",
        version=1,
        summary="replace the same columns of a whole batch, each row from one other row, in half of the batches",
        citation=BIMODAL_CROPS,
        config=BatchCorruptionConfig,
        smoke=BatchCorruptionConfig(),
        build="sslbench_crops.operations.corruption_operation:corrupt_batch",
        layouts=VECTOR,
        check=check,
        across_samples=True,
    )
