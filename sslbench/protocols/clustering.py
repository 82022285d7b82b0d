"""Declare the clustering protocol: k-means on frozen features, compared with the labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

from sslbench.api import (
    Citation,
    Derivation,
    Metric,
    Need,
    NonNegativeInt,
    PositiveInt,
    ProtocolSpec,
    Range,
    Several,
    Varied,
    hookimpl,
)
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
        (),
        "Columns of the data to score the same clusterings against, in addition to the labels.",
        old_names=("against",),
    )
    bins: Annotated[int, Range(at_least=2)] = setting(
        10, "Equally filled bins for a numeric column of also_score_against that has more distinct values."
    )
    space: str = setting("", "Space whose features are clustered, such as 'joint'. Empty: the encoders' output.")


def reset_unused(config: ClusteringConfig) -> ClusteringConfig:
    """Reset `bins` if no column is scored against."""
    return config if config.also_score_against else replace(config, bins=ClusteringConfig().bins)


FUNCTIONS = "sslbench.api.adjusted_mutual_info"
SOURCE = "Vinh, Epps, Bailey (2010): Information Theoretic Measures for Clusterings Comparison, Table 2"
from_clusters = partial(Metric, low=0, high=1, derived_from=Derivation.CLUSTERS, source=SOURCE)
METRICS = (
    from_clusters(
        name="ami_max",
        low=-1,
        label="AMI max",
        compute=f"{FUNCTIONS}:ami_max",
        is_shown=True,
        is_main=True,
        summary="adjusted mutual information of clusters and classes, divided by the larger entropy",
    ),
    from_clusters(
        name="ami_arithmetic",
        low=-1,
        label="AMI",
        compute=f"{FUNCTIONS}:ami_arithmetic",
        summary="adjusted mutual information, divided by the mean of both entropies",
    ),
    from_clusters(
        name="ami_max_sd",
        label="AMI max sd",
        compute=f"{FUNCTIONS}:ami_max_deviation",
        higher_is_better=False,
        summary="standard deviation of AMI max over the seeds of the clustering",
    ),
    from_clusters(
        name="ami_max_null",
        low=-1,
        label="AMI max null",
        compute=f"{FUNCTIONS}:ami_max_by_chance",
        chance_of="ami_max",
        higher_is_better=False,
        summary="mean AMI max with permuted labels",
    ),
    Metric(
        name="ami_max_null_sd",
        low=0,
        high=1,
        label="AMI max null sd",
        higher_is_better=False,
        summary="standard deviation of AMI max with permuted labels",
        source=SOURCE,
    ),
)


def libraries(config: ClusteringConfig) -> tuple[str, ...]:
    """Name the libraries of k-means and mutual information."""
    return ("scikit-learn", "scipy")


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
        libraries=libraries,
        needs=frozenset({Need.FEATURES}),
        targets=frozenset({"class"}),
        is_default=True,
        varies=(
            Varied(name="clusters"),
            Varied(name="against", unset="class", default="unset", other_target=True),
        ),
        label_fractions=False,
        metrics=METRICS,
    )
