"""Recipes that many methods share but for a few numbers: those of two published studies, and ours for two cores.

Bias study: Bendidi et al., "No Free Lunch in Self Supervised Representation Learning" (arXiv 2304.11718), appendix B.1:
CIFAR, ResNet-18, plain SGD, 1,000 epochs. solo-learn: its current CIFAR configurations (da Costa et al. 2022).

Every recipe names its source; a constant from elsewhere says so in a comment. `tests/test_recipe_sources.py` holds a table
of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from sslbench.api import Recipe, Setting

Settings = Mapping[str, Setting]

SCRIPTS = "IhabBendidi/original_solo, bash_files/cifar10"
"""The bias study's own scripts, which also say what its appendix leaves out: projectors, queues, temperatures."""
CONFIGURATION = "vturrisi/solo-learn, scripts/pretrain/cifar"

# what solo-learn's CIFAR configurations and the bias study's scripts have in common
CIFAR: Settings = {
    "backbone.name": "torchvision-resnet18",  # solo-learn, backbones/resnet: a first convolution of 3x3, padding 2, no pool
    "backbone.stem": "small",
    "backbone.stem_padding": 2,
    "train.epochs": 1000,
    "train.scale_lr": True,  # solo-learn, args: lr times batch / 256
    "train.warmup_epochs": 10,  # solo-learn's defaults, as the next
    "train.warmup_lr": 3e-5,
}


def bias_study(
    *, lr: float, weight_decay: float, batch_size: int = 512, augmentation: str = "bias-study", name: str = "bias-study",
    **more: Setting,
) -> Recipe:  # fmt: skip
    """Return the appendix's column, or what the scripts set instead under another name.

    In `more`, two underscores stand for the dot of a setting's path.
    """
    from_scripts = name != "bias-study"
    # the scripts train by torch's SGD with its weight decay on every parameter; the appendix does not say
    decays_all: Settings = {"train.decay_norms_and_biases": True} if from_scripts else {}
    return Recipe(
        name=name,
        summary="CIFAR, ResNet-18, SGD, 1,000 epochs (arXiv 2304.11718, appendix B.1)"
        + ("; with what its scripts set instead" if from_scripts else ""),
        source=SCRIPTS if from_scripts else f"arXiv 2304.11718, appendix B.1; what that leaves out: {SCRIPTS}",
        settings={
            **CIFAR,
            "augmentation.name": augmentation,
            "train.batch_size": batch_size,
            "train.optimizer": "sgd",  # the parser discards the scripts' LARS flags for SGD
            "train.lr": lr,
            "train.weight_decay": weight_decay,
            **decays_all,
            **to_paths(more),
        },
    )


def solo_learn(
    *,
    lr: float,
    weight_decay: float,
    augmentation: str,
    optimizer: str = "lars",
    batch_size: int = 256,
    **more: Setting,
) -> Recipe:
    """Return solo-learn's CIFAR configuration of a method.

    Its LARS trusts 0.02, never exceeds the global rate, and leaves norms and biases out (eta, clip_lr,
    exclude_bias_n_norm); its SGD decays them like all else.
    """
    own: Mapping[str, Settings] = {
        "lars": {"train.lars_trust_coefficient": 0.02, "train.larc": True},
        "sgd": {"train.decay_norms_and_biases": True},
    }
    return Recipe(
        name="solo-learn",
        summary=f"solo-learn's CIFAR configuration: ResNet-18, {optimizer.upper()}, 1,000 epochs",
        source=CONFIGURATION,
        settings={
            **CIFAR,
            "augmentation.name": augmentation,
            "train.batch_size": batch_size,
            "train.optimizer": optimizer,
            "train.lr": lr,
            "train.weight_decay": weight_decay,
            **own.get(optimizer, {}),
            **to_paths(more),
        },
    )


def quick(**more: Setting) -> Recipe:
    """Two cores, small images: a micro CNN and one cycle of AdamW.

    Small batches, because a few minutes hold few steps: in 8 epochs on 6,000 images all seven methods that were tried both
    ways learned more from 64 rows a step than from 256.
    """
    return Recipe(
        name="quick",
        summary="two cores, small images: a micro CNN, one-cycle; picked on validation data of NDSB plankton",
        source="sslbench: picked on validation data of NDSB plankton",
        settings={
            "backbone.name": "micro-cnn",
            "augmentation.name": "small-objects",
            "train.epochs": 20,
            "train.batch_size": 64,
            "train.optimizer": "adamw",
            "train.lr": 2e-3,
            "train.weight_decay": 1e-2,
            "train.schedule": "one-cycle",
            **to_paths(more),
        },
        samples=(0, 200_000),
        pixels=(0, 96 * 96),
    )


def original(summary: str, source: str, **more: Setting) -> Recipe:
    """Return the recipe of a method's own paper: ResNet-50 at 224 px unless it says otherwise, with the rate per 256 rows."""
    return Recipe(
        name="original",
        summary=f"the paper's: {summary}",
        source=source,
        settings={
            "backbone.name": "resnet50",
            "view.size": 224,
            "train.scale_lr": True,
            **to_paths(more),
        },
    )


def to_paths(settings: Settings) -> dict[str, Setting]:
    """`train__lr` -> `train.lr`."""
    return {name.replace("__", "."): value for name, value in settings.items()}
