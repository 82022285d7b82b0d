"""Declare the matching protocol: retrieval between the modalities of a sample in a shared space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
    hookimpl,
)
from sslbench.api.settings import setting
from sslbench.protocols.modality_pairs import MODALITY_PAIR


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingConfig:
    """Settings of retrieval within and across modalities."""

    space: str = setting(
        "joint", "Space in which modalities are compared; without it, each modality is compared only with itself."
    )
    max_samples: Annotated[int, Range(at_least=2)] = setting(
        2048, "Largest number of test samples used; of more, evenly spaced ones are taken.", old_names=("most",)
    )
    neighbors: PositiveInt = setting(
        10, "Nearest neighbors in which the share of the same class is counted.", old_names=("neighbours",)
    )
    points: NonNegativeInt = setting(300, "Samples in the t-SNE figure. 0: no figure.")
    examples: PositiveInt = setting(6, "Samples whose nearest neighbors are saved for the figures.")


def max_test_samples(config: MatchingConfig) -> int:
    """Return the limit on the test samples."""
    return config.max_samples


of_features = partial(Metric, low=0, high=1, derived_from=Derivation.FEATURES)
METRICS = (
    of_features(name="top_1", summary="share of samples whose other modality is their nearest neighbor"),
    of_features(name="top_5", is_shown=True, summary="share of samples whose other modality is among the five nearest"),
    of_features(
        name="top_5_chance",
        label="chance",
        is_shown=True,
        summary="top 5 of a random order",
        old_names=("top_5_by_chance",),
    ),
    of_features(name="same_class", summary="share of the same class among neighbors in the other modality"),
    of_features(
        name="intra_modal_precision",
        summary="share of the same class among neighbors in one modality",
        old_names=("same_class_within",),
    ),
    of_features(name="same_class_by_chance", summary="share of the same class among random other samples"),
    of_features(
        name="modality_gap",
        high=2,
        higher_is_better=False,
        summary="distance of the centers of two modalities",
        source="Liang et al. (2022): Mind the Gap, section 2",
    ),
)


def libraries(config: MatchingConfig) -> tuple[str, ...]:
    """Name the library that places samples in a plane."""
    return ("scikit-learn",)


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
        libraries=libraries,
        needs=frozenset({Need.FEATURES}),
        targets=frozenset({"class", "none"}),
        varies=MODALITY_PAIR,
        label_fractions=False,
        max_test_samples=max_test_samples,
        metrics=METRICS,
    )
