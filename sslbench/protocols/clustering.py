"""k-means on frozen features against the labels, as a spec. The implementation is `clustering_evaluator`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated

from sslbench.api import Citation, Metric, Need, NonNegativeInt, PositiveInt, ProtocolSpec, Range, Several, hookimpl


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteringConfig:
    """k-means on the query's features.

    `clusters` empty means as many as there are classes; `restarts` are tried for each of `seeds`, whose spread is
    reported; `permutations` of the labels make the null; `exemplars` are the samples nearest to each centroid. The same
    clusterings are also set against columns of the data: what was written beside a sample, numbers in `bins` equal shares.
    """

    clusters: Several[Annotated[int, Range(at_least=2)]] = ()
    restarts: PositiveInt = 3
    seeds: PositiveInt = 3
    permutations: NonNegativeInt = 20
    exemplars: NonNegativeInt = 8
    also_score_against: tuple[str, ...] = ()
    bins: Annotated[int, Range(at_least=2)] = 10
    space: str = ""


def reset_unused(config: ClusteringConfig) -> ClusteringConfig:
    """Reset the number of bins where no column is binned."""
    return config if config.also_score_against else replace(config, bins=ClusteringConfig().bins)


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[ClusteringConfig]]:
    yield ProtocolSpec(
        name="clustering",
        version=2,
        summary="k-means on test features; adjusted mutual information with the labels, beside its permutation null",
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
