"""How two modalities of one sample find each other in a shared space, as a spec. See `matching_evaluator`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import Citation, Metric, Need, NonNegativeInt, PositiveInt, ProtocolSpec, Range, hookimpl


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingConfig:
    """Among at most `most` query samples in the space `space`, each modality is asked for itself and for every other.

    Where the method lacks the space, each is asked for itself alone: how many of its neighbors are of its class.
    `neighbors` are looked at for the share of the same class. `points` samples are laid out by t-SNE (0: none), and for
    `examples` of them what is nearest is shown.
    """

    space: str = "joint"
    max_samples: Annotated[int, Range(at_least=2)] = 2048
    neighbors: PositiveInt = 10
    points: NonNegativeInt = 300
    examples: PositiveInt = 6


def max_test_samples(config: MatchingConfig) -> int:
    """Return the limit on the test samples."""
    return config.max_samples


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[MatchingConfig]]:
    yield ProtocolSpec(
        name="matching",
        version=2,
        summary="retrieval of a sample's other modality, share of its class among neighbors, and the modality gap",
        citation=Citation(
            title="Mind the Gap: Understanding the Modality Gap in Multi-modal Contrastive Representation Learning",
            authors="Liang, Zhang, Kwon, Yeung, Zou",
            year=2022,
            url="https://arxiv.org/abs/2203.02053",
        ),
        config=MatchingConfig,
        smoke=MatchingConfig(points=20),
        build="sslbench.protocols.matching_evaluator:Matching",
        needs=frozenset({Need.FEATURES}),
        targets=frozenset({"class", "none"}),
        label_fractions=False,
        max_test_samples=max_test_samples,
        metrics=(
            Metric(name="top_1", low=0, high=1),
            Metric(name="top_5", low=0, high=1),
            Metric(name="top_5_chance", low=0, high=1),
            Metric(name="same_class", low=0, high=1),
            Metric(name="intra_modal_precision", low=0, high=1),
            Metric(name="same_class_by_chance", low=0, high=1),
            Metric(name="modality_gap", low=0, high=2, higher_is_better=False),
        ),
        is_default=False,
    )
