"""Pair each sample's first modality with another sample's second one: a negative control. Spec only.

A falsification: what a method for pairs finds across modalities must be gone when it is trained on such pairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import OperationSpec, PlanContext, Range, hookimpl, setting
from sslbench_plankton.citations import SSLBENCH

LAYOUTS: frozenset[str] = frozenset({"image", "sequence", "vector"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MismatchedPairsConfig:
    """Settings of pairing modalities of different samples."""

    rows: Annotated[int, Range(at_least=2)] = setting(4096, "Training rows from which the other sample is drawn.")


def check(config: MismatchedPairsConfig, facts: PlanContext) -> Iterable[str]:
    """Yield a problem if the data has one modality only."""
    if len(facts.modalities) < 2:
        yield "'mismatched-pairs' swaps the second modality, and the data that is used has one"


def reference(config: MismatchedPairsConfig) -> int:
    """Training rows that it needs."""
    return config.rows


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec[MismatchedPairsConfig]]:
    yield OperationSpec(
        name="mismatched-pairs", version=1, summary="all modalities but the first are those of a random training row",
        citation=SSLBENCH, config=MismatchedPairsConfig, smoke=MismatchedPairsConfig(rows=8),
        build="sslbench_plankton.operations.mismatched_pairs_operation:mismatch_pairs", layouts=LAYOUTS,
        reference=reference, check=check, places="unknown", old_names=("strangers",)
    )  # fmt: skip
