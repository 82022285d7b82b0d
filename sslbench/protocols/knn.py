"""k nearest neighbors on frozen features, as a spec. The implementation is `knn_evaluator`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from sslbench.api import Citation, Need, NonEmpty, PositiveFloat, PositiveInt, ProtocolSpec, hookimpl


@dataclass(frozen=True, slots=True, kw_only=True)
class KnnConfig:
    """How neighbors are found and vote.

    k is chosen from `neighbors` on validation (values beyond the bank mean all of it). Votes: exp(cosine / T), or 1/d
    with d the cosine distance, where exact matches alone vote if there are any. `memory` bounds the work space in MB
    and changes no answer.
    """

    neighbors: NonEmpty[PositiveInt] = (1, 5, 10, 20, 50, 100, 200)
    vote: Literal["exponential", "inverse"] = "exponential"
    temperature: PositiveFloat = 0.07
    space: str = ""
    memory: PositiveInt = field(default=256, metadata={"identity": False})


def reset_unused(config: KnnConfig) -> KnnConfig:
    """Reset the temperature where no vote depends on it."""
    return config if config.vote == "exponential" else replace(config, temperature=KnnConfig().temperature)


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[KnnConfig]]:
    yield ProtocolSpec(
        name="knn",
        version=2,
        summary="weighted vote of the k nearest training samples by cosine; k chosen on validation",
        citation=Citation(
            title="Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
            authors="Wu, Xiong, Yu, Lin",
            year=2018,
            url="https://arxiv.org/abs/1805.01978",
        ),
        config=KnnConfig,
        smoke=KnnConfig(neighbors=(1, 3)),
        reset_unused=reset_unused,
        build="sslbench.protocols.knn_evaluator:Knn",
        needs=frozenset({Need.FEATURES}),
        targets=frozenset({"class"}),
    )
