"""Declare the k-NN protocol: weighted votes of nearest neighbors on frozen features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from sslbench.api import Citation, Need, NonEmpty, PositiveFloat, PositiveInt, ProtocolSpec, hookimpl
from sslbench.api.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class KnnConfig:
    """Settings of weighted k-NN classification."""

    neighbors: NonEmpty[PositiveInt] = setting(
        (1, 5, 10, 20, 50, 100, 200),
        "Candidate values of k, chosen on the validation set; limited to the training samples.",
        old_names=("neighbours",),
    )
    vote: Literal["exponential", "inverse"] = setting(
        "exponential",
        "Weight of a neighbor: exp(cosine / temperature), or 1 / cosine distance, where exact matches outvote all others.",
    )
    temperature: PositiveFloat = setting(0.07, "Temperature of vote=exponential.")
    space: str = setting("", "Space whose features are compared, such as 'joint'. Empty: the encoders' output.")
    memory: PositiveInt = setting(256, "Memory limit of the neighbor search in MB.", identity=False)


def reset_unused(config: KnnConfig) -> KnnConfig:
    """Reset `temperature` if no vote depends on it."""
    return config if config.vote == "exponential" else replace(config, temperature=KnnConfig().temperature)


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[KnnConfig]]:
    yield ProtocolSpec(
        name="knn",
        version=2,
        summary="weighted vote (mean of numbers) of the k nearest training samples by cosine; k chosen on validation",
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
        targets=frozenset({"class", "labels", "value"}),
        is_default=True,
        chooses=("k",),
    )
