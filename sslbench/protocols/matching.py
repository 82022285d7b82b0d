"""Declare the matching protocol: retrieval between the modalities of a sample in a shared space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import Citation, Metric, Need, NonNegativeInt, PositiveInt, ProtocolSpec, Range, hookimpl
from sslbench.api.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingConfig:
    """Settings of retrieval within and across modalities."""

    space: str = setting(
        "joint", "Space in which modalities are compared; without it, each modality is compared only with itself."
    )
    max_samples: Annotated[int, Range(at_least=2)] = setting(
        2048, "Largest number of test samples used; of more, evenly spaced ones are taken."
    )
    neighbors: PositiveInt = setting(10, "Nearest neighbors in which the share of the same class is counted.")
    points: NonNegativeInt = setting(300, "Samples in the t-SNE figure. 0: no figure.")
    examples: PositiveInt = setting(6, "Samples whose nearest neighbors are saved for the figures.")


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
