"""scikit-learn's digits: 1,797 real scans of 8x8 pixels that come with a dependency. The data that always runs.

`digits` has them as they are. `shifted-digits` places each on a larger canvas in a contrast of its own, where
pixels alone tell little: the same digit lies elsewhere in every image. That is in `digits_canvas`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from sslbench.api import (
    Card,
    Citation,
    Dataset,
    DatasetSpec,
    Modality,
    NonNegativeInt,
    Range,
    RecipeSpec,
    Source,
    hookimpl,
)
from sslbench_vision.citations import SSLBENCH

CITATION = Citation(
    title="Optical Recognition of Handwritten Digits",
    authors="Alpaydin, Kaynak",
    year=1998,
    url="https://doi.org/10.24432/C50P49",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsConfig:
    """Nothing to set."""


def build(config: DigitsConfig, source: Source) -> Dataset:
    """Load the scans, 0 to 16 stretched to 0 to 255."""
    from sklearn.datasets import load_digits

    from sslbench_vision.datasets.labelled import ArrayPictures

    loaded = load_digits()
    pictures = np.round(loaded.images * (255 / 16)).astype(np.uint8)[:, None]
    return ArrayPictures(pictures, loaded.target.astype(np.int64), tuple("0123456789"), {})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftedDigitsConfig:
    """Side of the canvas in pixels, the lowest contrast (1: that of the scans), and the seed of places and contrasts."""

    side: Annotated[int, Range(at_least=8)] = 16
    contrast: Annotated[float, Range(above=0, at_most=1)] = 0.4
    seed: NonNegativeInt = 0


def build_shifted(config: ShiftedDigitsConfig, source: Source) -> Dataset:
    """Draw every image."""
    from sslbench_vision.datasets.digits_canvas import draw_shifted_digits

    return draw_shifted_digits(config)


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[DigitsConfig] | DatasetSpec[ShiftedDigitsConfig]]:
    yield DatasetSpec(
        name="digits",
        version=1,
        summary="1,797 scans of written digits, 8x8 grey, 10 classes; ships with scikit-learn",
        citation=CITATION,
        config=DigitsConfig,
        smoke=DigitsConfig(),
        build=build,
        label_preserving="crop",
        card=Card(
            licence="as shipped by scikit-learn (BSD-3)",
            citation=CITATION,
            source="scikit-learn's load_digits (the test part of UCI's set)",
            obtain="it comes with scikit-learn",
            embedded=True,
            modalities={"image": Modality(layout="image", shape=(1, 8, 8))},
        ),
    )
    yield DatasetSpec(
        name="shifted-digits",
        version=1,
        summary="the same 1,797 scans, each at a random place on a canvas of 16x16 and in a random contrast",
        citation=CITATION,
        config=ShiftedDigitsConfig,
        smoke=ShiftedDigitsConfig(),
        build=build_shifted,
        label_preserving="digits",
        card=Card(
            licence="as shipped by scikit-learn (BSD-3)",
            citation=CITATION,
            source="scikit-learn's load_digits, placed on a synthetic canvas",
            obtain="it comes with scikit-learn",
            embedded=True,
            modalities={"image": Modality(layout="image", shape=(1, 0, 0))},
        ),
    )


@hookimpl
def sslbench_recipes() -> Iterable[RecipeSpec]:
    yield RecipeSpec(
        name="shifted-digits",
        version=1,
        summary="two cores, two minutes: a micro CNN of 8 to 64 channels, its views those of written digits",
        citation=SSLBENCH,
        source="sslbench: epochs and fine-tuning picked on validation data of shifted-digits; the rest as in simclr/quick",
        method="simclr",
        datasets=("shifted-digits",),
        samples=(0, 5_000),
        pixels=(0, 32 * 32),
        settings={
            "backbone.name": "micro-cnn",
            "backbone.widths": (8, 16, 32, 64),
            "augmentation.name": "digits",
            "method.hidden": 512,
            "method.batch_norm": True,
            "train.epochs": 40,
            "train.batch": 64,
            "train.optimiser": "adamw",
            "train.rate": 2e-3,
            "train.decay": 1e-2,
            "train.schedule": "one-cycle",
            "protocols.finetune.batch": 64,  # as many steps as the default, of half the samples
            "protocols.finetune.rate": 2e-3,
            "protocols.finetune.drop_path": 0.0,  # there are three blocks
            "protocols.finetune.augment": False,
        },
    )
