"""Declare the gallery protocol: recognition from a few labeled samples, also across modalities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from sslbench.api import Citation, Metric, Need, NonEmpty, PositiveInt, ProtocolSpec, Varied, hookimpl
from sslbench.api.settings import setting
from sslbench.protocols.modality_pairs import MODALITY_PAIR


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryConfig:
    """Settings of recognition from small galleries.

    Each modality alone and all modalities together (the union of their vectors) serve as gallery and as query; a query of
    several modalities uses the neighbors of each. A query whose group is in the gallery is left out. The number of such
    queries and the number of classes that a gallery uses up are scores; these classes are saved as an artifact.

    With several labels per sample, a gallery has at least that many positive samples of every label, and as many without any
    label; the score of a label is the weighted share of the neighbors that have it. Numbers have no classes to draw from.
    """

    shots: NonEmpty[PositiveInt] = setting(
        (1, 2, 4, 8, 16), "Gallery sizes in samples per class or label; a class with fewer samples gives all it has."
    )
    draws: PositiveInt = setting(5, "Random galleries per size.")
    neighbors: PositiveInt = setting(
        3,
        "Nearest neighbors that vote, each with weight 1/distance; if any match exactly, only those vote.",
        old_names=("neighbours",),
    )
    source: Literal["train", "all"] = setting(
        "train", "train: gallery from training samples, queries from the test set. all: both from all labeled samples."
    )
    small_classes: Literal["keep_one_query", "drop_queries", "drop_class"] = setting(
        "keep_one_query",
        "With source=all, for classes that a gallery would use up: keep one query, test no query, or drop the class.",
        old_names=("exhausted",),
        old_values={"spare": "keep_one_query", "absent": "drop_queries", "excluded": "drop_class"},
    )
    space: str = setting(
        "joint", "Space in which modalities are compared; without it, each modality is compared only with itself."
    )
    memory: PositiveInt = setting(256, "Memory limit of the neighbor search in MB.", identity=False)


def reset_unused(config: GalleryConfig) -> GalleryConfig:
    """Reset `small_classes` if queries come from the test set."""
    return config if config.source == "all" else replace(config, small_classes=GalleryConfig().small_classes)


def tests_on_training_rows(config: GalleryConfig) -> bool:
    """Return True if queries may be training samples."""
    return config.source == "all"


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[GalleryConfig]]:
    yield ProtocolSpec(
        name="gallery",
        version=3,
        summary="k-NN from 1 to 16 labeled samples per class or label, repeatedly drawn, within and across modalities",
        citation=Citation(
            title="The Distance-Weighted k-Nearest-Neighbor Rule",
            authors="Dudani",
            year=1976,
            url="https://doi.org/10.1109/TSMC.1976.5408784",
        ),
        config=GalleryConfig,
        smoke=GalleryConfig(shots=(1, 2), draws=2),
        build="sslbench.protocols.gallery_evaluator:Gallery",
        reset_unused=reset_unused,
        needs=frozenset({Need.FEATURES}),
        targets=frozenset({"class", "labels"}),
        varies=(*MODALITY_PAIR, Varied(name="shots", default="largest")),
        metrics=(
            Metric(
                name="exhausted_classes",
                low=0,
                high=2**31,
                digits=0,
                higher_is_better=False,
                summary="classes or labels with fewer samples than the gallery takes",
            ),
            Metric(
                name="queries_left_out",
                low=0,
                high=2**31,
                digits=0,
                higher_is_better=False,
                summary="samples that are not tested because their group is in the gallery",
            ),
        ),
        tests_on_training_rows=tests_on_training_rows,
    )
