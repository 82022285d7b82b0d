"""Declare the diagnostics protocol: properties of features, computed without labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from sslbench.api import Citation, Derivation, Metric, Need, ProtocolSpec, Range, RenamedMetric, hookimpl
from sslbench.api.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticsConfig:
    """Settings of the diagnostics of features."""

    max_samples: Annotated[int, Range(at_least=2)] = setting(
        2048, "Largest number of test samples used; of more, evenly spaced ones are taken.", old_names=("most",)
    )
    space: str = setting("", "Space whose features are described, such as 'joint'. Empty: the encoders' output.")


def two_views(config: DiagnosticsConfig) -> int:
    """Return the number of views that alignment compares."""
    return 2


def max_test_samples(config: DiagnosticsConfig) -> int:
    """Return the limit on the test samples."""
    return config.max_samples


RANK_ME = "Garrido et al. (2023): RankMe, section 3"
ON_SPHERE = "Wang, Isola (2020): Understanding Contrastive Representation Learning through Alignment and Uniformity"
of_features = partial(Metric, derived_from=Derivation.FEATURES)
METRICS = (
    of_features(
        name="rank_me",
        low=1,
        high=2**31,
        label="RankMe",
        digits=1,
        is_shown=True,
        source=RANK_ME,
        summary="exponential of the entropy of the normalized singular values",
    ),
    of_features(
        name="centered_effective_rank",
        low=1,
        high=2**31,
        digits=1,
        source="Roy, Vetterli (2007): The effective rank: a measure of effective dimensionality",
        summary="effective rank of the features less their mean",
    ),
    of_features(
        name="centered_rank_ceiling",
        low=0,
        high=2**31,
        digits=0,
        summary="largest possible rank of the features less their mean",
    ),
    of_features(
        name="spread",
        low=0,
        high=2,
        summary="mean deviation per dimension of unit features: 1 if isotropic, 0 for a point",
    ),
    of_features(
        name="collapsed",
        low=0,
        high=1,
        digits=0,
        higher_is_better=False,
        means_collapse=True,
        summary="1 if the features have collapsed, else 0",
    ),
    of_features(
        name="alignment",
        low=0,
        high=4,
        higher_is_better=False,
        source=ON_SPHERE,
        summary="mean squared distance of the features of two views of a sample",
    ),
    of_features(
        name="uniformity",
        low=-8,
        high=0,
        higher_is_better=False,
        source=ON_SPHERE,
        summary="logarithm of the mean Gaussian potential of two samples",
    ),
)


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
        is_default=True,
        views=two_views,
        label_fractions=False,
        max_test_samples=max_test_samples,
        metrics=METRICS,
        renamed_metrics=(
            RenamedMetric(old="rank_me", new="centered_effective_rank", until=1),
            RenamedMetric(old="rank_ceiling", new="centered_rank_ceiling", until=1),
        ),
    )
