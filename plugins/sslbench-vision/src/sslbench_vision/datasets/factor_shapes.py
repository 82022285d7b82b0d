"""SYNTHETIC shapes that differ in one factor, to measure which factor an augmentation removes.

Spec only; see `factor_shapes_drawing`. Every part (hue, orientation, scale, texture, shape) has two classes that differ in
this factor; all other factors vary at random. A method whose features lack a factor has a lower score on its part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import DatasetCard, DatasetSpec, Modality, NonNegativeInt, Range, hookimpl, setting
from sslbench_vision.citations import SSLBENCH

FACTORS = ("hue", "orientation", "scale", "texture", "shape")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorShapesConfig:
    """Settings of the synthetic shapes."""

    samples: Annotated[int, Range(at_least=2 * len(FACTORS))] = setting(2000, "Images over all parts.")
    side: Annotated[int, Range(at_least=16)] = setting(32, "Side of the images in pixels.")
    seed: NonNegativeInt = setting(0, "Seed of the drawing.")


def parts(config: FactorShapesConfig) -> tuple[str, ...]:
    """Return the parts, one for each factor."""
    return FACTORS


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[FactorShapesConfig]]:
    yield DatasetSpec(
        name="factor-shapes",
        version=4,
        summary="SYNTHETIC: colored shapes in five pairs of classes, each pair equal except for one factor",
        citation=SSLBENCH,
        config=FactorShapesConfig,
        smoke=FactorShapesConfig(samples=100, side=16),
        build="sslbench_vision.datasets.factor_shapes_drawing:open_part",
        parts=parts,
        card=DatasetCard(
            license="MIT",
            citation=SSLBENCH,
            source="synthetic: drawn by sslbench",
            obtain="it is drawn on demand",
            embedded=True,
            modalities={"image": Modality(layout="image", shape=(3, 0, 0))},
        ),
    )
