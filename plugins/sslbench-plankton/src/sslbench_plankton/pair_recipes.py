"""The recipes of the cross-modal plankton study (arXiv 2603.16427, its released code): data, no code.

Departures: encoders normalize by the data's own statistics instead of to [-1, 1]; the baseline has no layer of 512
between encoder and head, is measured by its encoder, and drops paths in the student alone (in a ViT; timm's ConvNeXt and
EfficientNet drop none here).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sslbench.api import RecipeSpec, Setting, hookimpl
from sslbench_plankton.citations import CROSS_MODAL
from sslbench_plankton.methods.pair_rules import quick

RELEASED = "Jookare/cross-modal-plankton, its configurations"
PAIRS = ("cytosense", "pulse-pairs")
SMALL, LARGE = (0, 96 * 96), (96 * 96 + 1, 2**62)
IMAGES: Mapping[str, Setting] = {"view.size": 224, "prepare.size": 236}
MICRO: Mapping[str, Setting] = {"backbones.image.name": "micro-cnn", "backbones.profile.name": "profile-cnn"}
PATIENCE: Mapping[str, Setting] = {
    "train.batch_size": 512,
    "train.min_epochs": 30,
    "train.patience": 30,
    "train.min_lr": 1e-5,
}
CONTRAST: Mapping[str, Setting] = {
    **IMAGES,
    **PATIENCE,
    "augmentation.name": "cross-modal",
    "backbones.image.name": "convnext_femto",
    "backbones.image.published": True,
    "backbones.profile.name": "profile-cnn",
    "train.optimizer": "sgd",
    "train.momentum": 0.9,
    "train.nesterov": True,
    "train.lr": 5e-3,
    "train.weight_decay": 1e-3,
    "train.decay_norms_and_biases": True,  # src/model.py: one SGD for all parameters, the learned scale among them
    "train.warmup_epochs": 5,
    "train.warmup_lr": 5e-5,  # 1 % of the rate
    "train.epochs": 100,
}
HEAD: Mapping[str, Setting] = {"method.hidden": 256, "method.bottleneck": 64, "method.prototypes": 512}
DINO: Mapping[str, Setting] = {
    **IMAGES,
    **PATIENCE,
    **HEAD,
    "augmentation.name": "cross-modal-dino",
    "backbones.image.name": "convnext_femto",
    "backbones.image.published": True,
    "method.drop_path": 0.1,  # src/model_dino.py, drop_path_rate
    "method.local": 6,
    "train.monitor": "training",
    "train.optimizer": "adamw",
    "train.lr": 1e-4,
    "train.weight_decay": 0.04,
    "train.final_weight_decay": 0.4,
    "train.decay_norms_and_biases": True,  # src/model_dino.py: one AdamW for all parameters
    "train.warmup_epochs": 10,
    "train.warmup_lr": 1e-6,  # 1 % of the rate
    "train.epochs": 300,
}
SMALL_DINO: Mapping[str, Setting] = {
    **HEAD,
    "backbones.image.name": "micro-cnn",
    "augmentation.name": "cross-modal-dino",
    "method.teacher_warmup_epochs": 0,
    "method.teacher_temperature": 0.04,
    "method.momentum": 0.98,
    "method.drop_path": 0.0,
    "method.local": 6,
    "train.epochs": 30,
    "train.batch_size": 128,
    "train.optimizer": "adamw",
    "train.lr": 1e-3,
    "train.weight_decay": 1e-2,
    "train.schedule": "one-cycle",
}


def recipe(method: str, summary: str, settings: Mapping[str, Setting], *, small: bool) -> RecipeSpec:
    """A recipe for pairs of an image and a profile."""
    return RecipeSpec(
        name=f"{method.removesuffix('-pairs')}-cross-modal{'-small' if small else ''}", version=1 if small else 2,
        summary=summary, source=RELEASED + ("; sizes and schedule: sslbench, for two cores" if small else ""),
        citation=CROSS_MODAL, method=method, datasets=PAIRS, pixels=SMALL if small else LARGE, settings=settings,
    )  # fmt: skip


@hookimpl
def sslbench_recipes() -> Iterable[RecipeSpec]:
    micro = "small encoders and images, one cycle of AdamW: two cores"
    study = "the cross-modal plankton study's: ConvNeXt-femto and a profile CNN at 224 px, SGD, early stopping"
    for method, own in (("clip-pairs", {"method.columns": "released"}), ("siglip-pairs", {})):
        yield recipe(method, micro, {**quick(), **MICRO}, small=True)
        yield recipe(method, study, {**CONTRAST, **own}, small=False)
    yield recipe(
        "dino", "the image-only baseline on a small encoder, one cycle of AdamW: two cores", SMALL_DINO, small=True
    )
    yield recipe("dino", "the cross-modal plankton study's image-only baseline, early stopping", DINO, small=False)
