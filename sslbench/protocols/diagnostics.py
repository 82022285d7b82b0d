"""Declare the diagnostics protocol: properties of features, computed without labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import Citation, Metric, Need, ProtocolSpec, Range, RenamedMetric, hookimpl
from sslbench.api.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticsConfig:
    """Settings of the diagnostics of features."""

    max_samples: Annotated[int, Range(at_least=2)] = setting(
        2048, "Largest number of test samples used; of more, evenly spaced ones are taken."
    )
    space: str = setting("", "Space whose features are described, such as 'joint'. Empty: the encoders' output.")


def two_views(config: DiagnosticsConfig) -> int:
    """Return the number of views that alignment compares."""
    return 2


def max_test_samples(config: DiagnosticsConfig) -> int:
    """Return the limit on the test samples."""
    return config.max_samples


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[DiagnosticsConfig]]:
    yield ProtocolSpec(
        name="diagnostics",
        version=2,
        summary="rank, alignment, uniformity and spread of the features, and whether they have collapsed",
        citation=Citation(
            title="RankMe: Assessing the Downstream Performance of Pretrained Self-Supervised Representations",
            authors="Garrido, Balestriero, Najman, LeCun",
            year=2023,
            url="https://arxiv.org/abs/2210.02885",
        ),
        config=DiagnosticsConfig,
        smoke=DiagnosticsConfig(max_samples=256),
        build="sslbench.protocols.diagnostics_evaluator:Diagnostics",
        needs=frozenset({Need.FEATURES}),
        targets=frozenset({"class", "labels", "value", "none"}),
        views=two_views,
        label_fractions=False,
        max_test_samples=max_test_samples,
        metrics=(
            Metric(name="rank_me", low=1, high=2**31),
            Metric(name="centered_effective_rank", low=1, high=2**31),
            Metric(name="centered_rank_ceiling", low=0, high=2**31),
            Metric(name="spread", low=0, high=2),
            Metric(name="collapsed", low=0, high=1, higher_is_better=False),
            Metric(name="alignment", low=0, high=4, higher_is_better=False),
            Metric(name="uniformity", low=-8, high=0, higher_is_better=False),
        ),
        renamed_metrics=(
            RenamedMetric(old="rank_me", new="centered_effective_rank", until=1),
            RenamedMetric(old="rank_ceiling", new="centered_rank_ceiling", until=1),
        ),
    )
