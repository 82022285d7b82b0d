"""scikit-learn's digits at random positions on a larger canvas and with random contrast, which raw pixels separate badly.

Spec and recipe only; see `shifted_digits_drawing`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import DatasetCard, DatasetSpec, Modality, NonNegativeInt, Range, RecipeSpec, hookimpl, setting
from sslbench_vision.citations import SSLBENCH
from sslbench_vision.datasets.digits import CITATION


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftedDigitsConfig:
    """Settings of the shifted digits."""

    side: Annotated[int, Range(at_least=8)] = setting(16, "Side of the canvas in pixels.")
    contrast: Annotated[float, Range(above=0, at_most=1)] = setting(
        0.4, "Smallest contrast of a digit; 1: that of the scan."
    )
    seed: NonNegativeInt = setting(0, "Seed of positions and contrasts.")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[ShiftedDigitsConfig]]:
    yield DatasetSpec(
        name="shifted-digits",
        version=1,
        summary="the 1,797 scans of digits, each at a random position on a canvas of 16x16 and with a random contrast",
        citation=CITATION,
        config=ShiftedDigitsConfig,
        smoke=ShiftedDigitsConfig(),
        build="sslbench_vision.datasets.shifted_digits_drawing:open_shifted_digits",
        label_preserving="digits",
        card=DatasetCard(
            license="as shipped by scikit-learn (BSD-3)",
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
        summary="two cores, two minutes: a micro CNN of 8 to 64 channels, with views for written digits",
        citation=SSLBENCH,
        source="sslbench: epochs and fine-tuning selected on validation data of shifted-digits; others as in simclr/quick",
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
            "train.batch_size": 64,
            "train.optimizer": "adamw",
            "train.lr": 2e-3,
            "train.weight_decay": 1e-2,
            "train.schedule": "one-cycle",
            "protocol_settings.finetune.batch_size": 64,  # as many steps as by default, with half the samples
            "protocol_settings.finetune.lr": 2e-3,
            "protocol_settings.finetune.drop_path": 0.0,  # there are three blocks
            "protocol_settings.finetune.augment": False,
        },
    )
