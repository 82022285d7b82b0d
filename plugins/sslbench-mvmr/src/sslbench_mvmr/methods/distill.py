"""Distillation by one loss: predict a frozen teacher's features of the same view. Spec only; see `distill_model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sslbench.api import Dependency, MethodSpec, NonNegativeInt, Role, hookimpl, setting
from sslbench_mvmr.citations import KNOWLEDGE_DISTILLATION
from sslbench_mvmr.methods.teacher import SMOKE, TEACHER, TeacherConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillConfig(TeacherConfig):
    """Settings of the distillation."""

    loss: Literal["cosine", "squared"] = setting(
        "cosine", "Difference of the prediction and the teacher's features: 1 - cosine, or the mean squared error."
    )
    hidden: NonNegativeInt = setting(0, "Width of a hidden layer between features and prediction; 0: one linear layer.")


def roles(config: DistillConfig) -> Mapping[str, Role]:
    """Return the roles of views: one augmented view, which student and teacher both see."""
    return {"view": Role(count=1)}


def dependencies(config: DistillConfig) -> Mapping[str, Dependency]:
    """Return the teacher."""
    return {TEACHER: config.find_teacher()}


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[DistillConfig]]:
    yield MethodSpec(
        name="distill",
        version=1,
        summary="distillation: predict a frozen teacher's features, by cosine or squared error",
        citation=KNOWLEDGE_DISTILLATION,
        config=DistillConfig,
        smoke=DistillConfig(**SMOKE),
        build="sslbench_mvmr.methods.distill_model:Distill",
        views=roles,
        dependencies=dependencies,
        family="distillation",
        spaces=("projector",),
    )
