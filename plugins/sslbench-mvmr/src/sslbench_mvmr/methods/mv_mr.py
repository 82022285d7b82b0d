"""MV-MR: make two views agree, and depend on descriptors of the original image. Spec only; see `mv_mr_model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sslbench.api import Dependency, MethodSpec, PlanContext, Recipe, Role, Several, hookimpl, setting
from sslbench_mvmr.citations import MV_MR
from sslbench_mvmr.methods import agreement
from sslbench_mvmr.methods.agreement import AgreementConfig, Objective, check_agreement

AUGMENTED = "augmented"
"""Descriptor that is another augmented view of the image, as pixels."""
DIRECTIONS: Mapping[Objective, str] = {"paper": "raise", "released": "lower", "corrected": "raise"}
FORMS: Mapping[Objective, Mapping[str, Any]] = {
    name: {**form, "direction": DIRECTIONS[name]} for name, form in agreement.FORMS.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MvMrConfig(AgreementConfig):
    """Settings of MV-MR."""

    descriptors: Several[str] = setting(
        ("pixels", "scattering", AUGMENTED, "hog", "local-deviation"),
        f"Descriptors of the original image: backbones without training, or '{AUGMENTED}' for another augmented view.",
    )
    direction: Literal["auto", "raise", "lower"] = setting(
        "auto", "Change of the dependence on descriptors: the paper raises it, the released code lowers it."
    )


def resolve(config: MvMrConfig) -> MvMrConfig:
    """Return the settings with the objective's own values for those that are not set."""
    return agreement.resolve(config, FORMS)


def reset_unused(config: MvMrConfig) -> MvMrConfig:
    """State every part of the objective, so that equal losses share results, and drop descriptors without weight."""
    used = config.descriptors if config.representations else ()
    return replace(resolve(config), objective="paper", descriptors=used)


def roles(config: MvMrConfig) -> Mapping[str, Role]:
    """Return the roles of views: the original, an augmented view, and another one if it is a descriptor."""
    found = {"original": Role(count=1, augment=False), "view": Role(count=1)}
    if AUGMENTED in config.descriptors and config.representations:
        found["descriptor"] = Role(count=1)
    return found


def dependencies(config: MvMrConfig) -> Mapping[str, Dependency]:
    """Return the descriptors that are backbones; their slots are their names."""
    names = config.descriptors if config.representations else ()
    return {name: Dependency(kind="backbone", name=name) for name in names if name != AUGMENTED}


def check(config: MvMrConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    return check_agreement(config, context, "mv-mr", has_partners=bool(config.descriptors))


STL10 = Recipe(
    name="original",
    summary="ResNet-50 at 96 px, Adam, batch 256, 1,000 epochs",
    source="MV-MR, section 4.1, and the released configuration for STL10 (weight decay, warm-up, final rate)",
    settings={
        "augmentation.name": "mv-mr", "train.epochs": 1000, "train.batch_size": 256, "train.optimizer": "adam",
        "train.lr": 1e-4, "train.weight_decay": 1e-6, "train.warmup_epochs": 10, "train.min_lr": 1e-6,
    },
)  # fmt: skip


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[MvMrConfig]]:
    yield MethodSpec(
        name="mv-mr",
        version=1,
        summary="dependence: make two views agree, and depend on hand-crafted descriptors of the image",
        citation=MV_MR,
        config=MvMrConfig,
        smoke=MvMrConfig(projector=(8, 8), descriptors=("pixels", AUGMENTED)),
        build="sslbench_mvmr.methods.mv_mr_model:MvMr",
        check=check,
        views=roles,
        dependencies=dependencies,
        reset_unused=reset_unused,
        family="redundancy",
        compares_views=True,
        spaces=("projector",),
        recipes=(STL10,),
    )
