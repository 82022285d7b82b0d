"""Declare the clustering protocol: k-means on frozen features, compared with the labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated

from sslbench.api import Citation, Metric, Need, NonNegativeInt, PositiveInt, ProtocolSpec, Range, Several, hookimpl
from sslbench.api.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteringConfig:
    """Settings of k-means on the features of the test samples."""

    clusters: Several[Annotated[int, Range(at_least=2)]] = setting(
        (), "Numbers of clusters to fit. Empty: the number of classes."
    )
    restarts: PositiveInt = setting(3, "k-means restarts per seed; the fit with the smallest inertia is used.")
    seeds: PositiveInt = setting(3, "Random seeds; scores are means over them, and their spread is reported.")
    permutations: NonNegativeInt = setting(20, "Random permutations of the labels that estimate the score of chance.")
    exemplars: NonNegativeInt = setting(8, "Samples nearest to each centroid to save for the figures. 0: none.")
    also_score_against: tuple[str, ...] = setting(
        (), "Columns of the data to score the same clusterings against, in addition to the labels."
    )
    bins: Annotated[int, Range(at_least=2)] = setting(
        10, "Equally filled bins for a numeric column of also_score_against that has more distinct values."
    )
    space: str = setting("", "Space whose features are clustered, such as 'joint'. Empty: the encoders' output.")


def reset_unused(config: ClusteringConfig) -> ClusteringConfig:
    """Reset `bins` if no column is scored against."""
    return config if config.also_score_against else replace(config, bins=ClusteringConfig().bins)


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[ClusteringConfig]]:
    yield ProtocolSpec(
        name="clustering",
        version=2,
        summary="k-means on test features; adjusted mutual information with the labels, and its permutation null",
        citation=Citation(
            title="Information Theoretic Measures for Clusterings Comparison",
            authors="Vinh, Epps, Bailey",
            year=2010,
            url="https://jmlr.org/papers/v11/vinh10a.html",
        ),
        config=ClusteringConfig,
        smoke=ClusteringConfig(restarts=1, seeds=1, permutations=2),
        build="sslbench.protocols.clustering_evaluator:Clustering",
        reset_unused=reset_unused,
        needs=frozenset({Need.FEATURES}),
        targets=frozenset({"class"}),
        label_fractions=False,
        metrics=(
            Metric(name="ami_max", low=-1, high=1),
            Metric(name="ami_arithmetic", low=-1, high=1),
            Metric(name="ami_max_sd", low=0, high=1, higher_is_better=False),
            Metric(name="ami_max_null", low=-1, high=1, higher_is_better=False),
            Metric(name="ami_max_null_sd", low=0, high=1, higher_is_better=False),
        ),
    )
