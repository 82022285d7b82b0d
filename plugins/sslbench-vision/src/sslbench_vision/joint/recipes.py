"""Recipes that many methods share but for a few numbers: those of two published studies, and ours for two cores.

Bias study: Bendidi et al., "No Free Lunch in Self Supervised Representation Learning" (arXiv 2304.11718), appendix B.1:
CIFAR, ResNet-18, plain SGD, 1,000 epochs. solo-learn: its current CIFAR configurations (da Costa et al. 2022).
"""

from __future__ import annotations

from collections.abc import Mapping

from sslbench.api import Recipe, Setting

Settings = Mapping[str, Setting]

CIFAR: Settings = {
    "backbone.name": "torchvision-resnet18",
    "backbone.stem": "small",
    "backbone.stem_padding": 2,
    "train.epochs": 1000,
    "train.scale_rate": True,
    "train.warmup": 10,
    "train.warmup_from": 3e-5,
}


def bias_study(
    *, rate: float, decay: float, batch: int = 512, augmentation: str = "bias-study", name: str = "bias-study",
    **more: Setting,
) -> Recipe:  # fmt: skip
    """The appendix's column; in `more`, two underscores stand for the dot of a setting's path."""
    return Recipe(
        name=name,
        summary="CIFAR, ResNet-18, SGD, 1,000 epochs (arXiv 2304.11718, appendix B.1)"
        + ("; with what its scripts set instead" if name != "bias-study" else ""),
        settings={
            **CIFAR,
            "augmentation.name": augmentation,
            "train.batch": batch,
            "train.optimiser": "sgd",
            "train.rate": rate,
            "train.decay": decay,
            **dotted(more),
        },
    )


def solo_learn(
    *, rate: float, decay: float, augmentation: str, optimiser: str = "lars", batch: int = 256, **more: Setting
) -> Recipe:
    """solo-learn's CIFAR configuration; its LARS trusts 0.02 and never exceeds the global rate."""
    lars: Settings = {"train.trust": 0.02, "train.trust_clip": True} if optimiser == "lars" else {}
    return Recipe(
        name="solo-learn",
        summary=f"solo-learn's CIFAR configuration: ResNet-18, {optimiser.upper()}, 1,000 epochs",
        settings={
            **CIFAR,
            "augmentation.name": augmentation,
            "train.batch": batch,
            "train.optimiser": optimiser,
            "train.rate": rate,
            "train.decay": decay,
            **lars,
            **dotted(more),
        },
    )


def quick(**more: Setting) -> Recipe:
    """Two cores, small pictures: a micro CNN and one cycle of AdamW.

    Small batches, because a few minutes hold few steps: in 8 epochs on 6,000 pictures all seven methods that were tried both
    ways learnt more from 64 rows a step than from 256.
    """
    return Recipe(
        name="quick",
        summary="two cores, small pictures: a micro CNN, one-cycle; picked on validation data of NDSB plankton",
        settings={
            "backbone.name": "micro-cnn",
            "augmentation.name": "small-objects",
            "train.epochs": 20,
            "train.batch": 64,
            "train.optimiser": "adamw",
            "train.rate": 2e-3,
            "train.decay": 1e-2,
            "train.schedule": "one-cycle",
            **dotted(more),
        },
        samples=(0, 200_000),
        pixels=(0, 96 * 96),
    )


def original(summary: str, **more: Setting) -> Recipe:
    """A method's own paper: ResNet-50 at 224 px unless it says otherwise, with the rate per 256 rows."""
    return Recipe(
        name="original",
        summary=f"the paper's: {summary}",
        settings={
            "backbone.name": "resnet50",
            "view.size": 224,
            "train.scale_rate": True,
            **dotted(more),
        },
    )


def dotted(settings: Settings) -> dict[str, Setting]:
    """`train__rate` -> `train.rate`."""
    return {name.replace("__", "."): value for name, value in settings.items()}
