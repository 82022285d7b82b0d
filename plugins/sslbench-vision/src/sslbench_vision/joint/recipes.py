"""Make recipes that many methods share: those of two published studies, and ours for two cores.

Bias study: Bendidi et al., "No Free Lunch in Self Supervised Representation Learning" (arXiv 2304.11718), appendix B.1:
CIFAR, ResNet-18, plain SGD, 1,000 epochs. solo-learn: its current CIFAR configurations (da Costa et al. 2022).

Every recipe names its source; a comment marks each constant from another source.
`tests/unit/config/test_recipe_sources.py` compares all of them with a table.
"""

from __future__ import annotations

from collections.abc import Mapping

from sslbench.api import Recipe, Setting

Settings = Mapping[str, Setting]

SCRIPTS = "IhabBendidi/original_solo, bash_files/cifar10"
"""The bias study's scripts, which also state what its appendix omits: projectors, queues, temperatures."""
CONFIGURATION = "vturrisi/solo-learn, scripts/pretrain/cifar"

# what solo-learn's CIFAR configurations and the bias study's scripts have in common
CIFAR: Settings = {
    "backbone.name": "torchvision-resnet18",  # solo-learn, backbones/resnet: a first convolution of 3x3, padding 2, no pool
    "backbone.stem": "small",
    "backbone.stem_padding": 2,
    "train.epochs": 1000,
    "train.scale_lr": True,  # solo-learn, args: lr times batch / 256
    "train.warmup_epochs": 10,  # solo-learn's default, like the next
    "train.warmup_lr": 3e-5,
}


def bias_study(
    *, lr: float, weight_decay: float, batch_size: int = 512, augmentation: str = "bias-study", name: str = "bias-study",
    **more: Setting,
) -> Recipe:  # fmt: skip
    """Return the recipe of the bias study's appendix, or with another `name` that of its scripts.

    In `more`, two underscores replace the dot of a setting's path.
    """
    from_scripts = name != "bias-study"
    # the scripts use torch's SGD, with weight decay on every parameter; the appendix does not state it
    decays_all: Settings = {"train.decay_norms_and_biases": True} if from_scripts else {}
    return Recipe(
        name=name,
        summary="CIFAR, ResNet-18, SGD, 1,000 epochs (arXiv 2304.11718, appendix B.1)"
        + ("; with the settings of its scripts" if from_scripts else ""),
        source=SCRIPTS if from_scripts else f"arXiv 2304.11718, appendix B.1; other settings: {SCRIPTS}",
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

    Its LARS has a trust coefficient of 0.02, never exceeds the global learning rate and excludes norms and biases (eta,
    clip_lr, exclude_bias_n_norm); its SGD applies weight decay to all parameters.
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
    """Return the recipe for small images on two cores: a micro CNN and one cycle of AdamW.

    Batches are small, because training for a few minutes has few steps: in 8 epochs on 6,000 images, all seven methods that
    were compared had better features with batches of 64 than of 256.
    """
    return Recipe(
        name="quick",
        summary="two cores, small images: a micro CNN, one-cycle; selected on validation data of NDSB plankton",
        source="sslbench: selected on validation data of NDSB plankton",
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
    """Return the recipe of a method's own paper: ResNet-50 at 224 px by default, with the learning rate per 256 rows."""
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
    """Turn keyword arguments into paths of settings: `train__lr` -> `train.lr`."""
    return {name.replace("__", "."): value for name, value in settings.items()}
