"""Distillation of MV-MR: a teacher's embedding takes the place of descriptors. Spec only; see `mv_mr_distill_model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sslbench.api import Dependency, MethodSpec, PlanContext, Recipe, Role, hookimpl, setting
from sslbench_mvmr.citations import MV_MR
from sslbench_mvmr.methods.agreement import AgreementConfig, check_agreement, resolve
from sslbench_mvmr.methods.teacher import SMOKE, TEACHER, TeacherConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class MvMrDistillConfig(AgreementConfig, TeacherConfig):
    """Settings of the distillation."""

    teacher_normalization: bool = setting(
        True,
        "Normalize the teacher's images by its own statistics; else by those of the student, as in the released code.",
    )


def reset_unused(config: MvMrDistillConfig) -> MvMrDistillConfig:
    """State every part of the objective, so that equal losses share results."""
    return replace(resolve(config), objective="paper")


def roles(config: MvMrDistillConfig) -> Mapping[str, Role]:
    """Return the roles of views: the original and an augmented view."""
    return {"original": Role(count=1, augment=False), "view": Role(count=1)}


def dependencies(config: MvMrDistillConfig) -> Mapping[str, Dependency]:
    """Return the teacher."""
    return {TEACHER: config.find_teacher()}


def check(config: MvMrDistillConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    return check_agreement(config, context, "mv-mr-distill", has_partners=True)


ORIGINAL = Recipe(
    name="original",
    summary="Adam, batch 512, 200 epochs",
    source="MV-MR, section 4.3, and the released configuration (weight decay)",
    settings={
        "augmentation.name": "mv-mr", "train.epochs": 200, "train.batch_size": 512, "train.optimizer": "adam",
        "train.lr": 1e-4, "train.weight_decay": 1e-6,
    },
)  # fmt: skip


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[MvMrDistillConfig]]:
    yield MethodSpec(
        name="mv-mr-distill",
        version=1,
        summary="distillation: make two views agree, and depend on a frozen teacher's embedding of the image",
        citation=MV_MR,
        config=MvMrDistillConfig,
        smoke=MvMrDistillConfig(projector=(8, 8), **SMOKE),
        build="sslbench_mvmr.methods.mv_mr_distill_model:MvMrDistill",
        check=check,
        views=roles,
        dependencies=dependencies,
        reset_unused=reset_unused,
        family="distillation",
        compares_views=True,
        spaces=("projector",),
        recipes=(ORIGINAL,),
    )
