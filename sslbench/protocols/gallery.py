"""Recognition by a small labeled gallery, across modalities, as a spec. The implementation is `gallery_evaluator`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from sslbench.api import Citation, Metric, Need, NonEmpty, PositiveInt, ProtocolSpec, hookimpl


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryConfig:
    """Galleries of `shots` samples a class, each drawn `draws` times; `neighbors` vote with 1/d, exact matches alone.

    A class that has fewer samples gives all it has. Each modality alone and all of them together (the union of their
    vectors) is a gallery, and a query: what is measured where nobody asks is all against all, with the largest gallery.
    A query of several modalities takes the neighbors of each. Modalities are compared in the space `space`; where the
    method lacks it, each only with itself.

    With `source` train a gallery comes from the bank and queries are the test part. With `all` it comes from all that is
    labeled and the rest are queries, of data that was not learned from; what a class does that a gallery would use up is then
    `exhausted`: `spare` one of it as a query, `absent` from the queries and so from every mean over classes (what happens
    where nobody looks), or `excluded` from the gallery too. How many such classes there were is a score, and which an
    artifact. Where samples have groups, a query of a group that is in the gallery is left out, and how many were is a score.
    `memory` bounds the work space in MB.
    """

    shots: NonEmpty[PositiveInt] = (1, 2, 4, 8, 16)
    draws: PositiveInt = 5
    neighbors: PositiveInt = 3
    source: Literal["train", "all"] = "train"
    small_classes: Literal["keep_one_query", "drop_queries", "drop_class"] = "keep_one_query"
    space: str = "joint"
    memory: PositiveInt = field(default=256, metadata={"identity": False})


def reset_unused(config: GalleryConfig) -> GalleryConfig:
    """Reset what becomes of classes that a gallery uses up, where queries are not taken from what it leaves."""
    return config if config.source == "all" else replace(config, small_classes=GalleryConfig().small_classes)


def asks_learned(config: GalleryConfig) -> bool:
    """Queries are only of the test part where galleries come from the bank."""
    return config.source == "all"


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[GalleryConfig]]:
    yield ProtocolSpec(
        name="gallery",
        version=3,
        summary="k-NN from 1 to 16 labeled samples a class, drawn again and again, in and across modalities",
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
        targets=frozenset({"class"}),
        metrics=(
            Metric(name="exhausted_classes", low=0, high=2**31, higher_is_better=False),
            Metric(name="queries_left_out", low=0, high=2**31, higher_is_better=False),
        ),
        is_default=False,
        tests_on_training_rows=asks_learned,
    )
