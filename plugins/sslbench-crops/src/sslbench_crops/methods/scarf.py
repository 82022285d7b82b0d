"""SCARF: a vector and its corrupted version attract each other and repel the batch. Spec only; see `scarf_model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sslbench.api import MethodSpec, NonNegativeInt, PlanContext, PositiveFloat, PositiveInt, Role, hookimpl, setting
from sslbench_crops.citations import SCARF
from sslbench_crops.methods.recipes import crop_study


@dataclass(frozen=True, slots=True, kw_only=True)
class ScarfConfig:
    """Settings of SCARF; the corruption rate is a setting of the augmentation."""

    temperature: PositiveFloat = setting(1.0, "Temperature of the loss.")
    hidden: NonNegativeInt = setting(0, "Width of the projector's hidden layer; 0: the encoder's width.")
    out: PositiveInt = setting(256, "Width of the projector's output.")


def views(config: ScarfConfig) -> Mapping[str, Role]:
    """Return the roles of views: one without corruption, and one with."""
    return {"clean": Role(count=1, augment=False), "corrupted": Role(count=1)}


def check(config: ScarfConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for a batch without negatives."""
    if context.batch_size < 2:
        yield "train.batch_size=1: 'scarf' contrasts the samples of a batch. Set it to 2 or more"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[ScarfConfig]]:
    yield MethodSpec(
        name="scarf",
        version=1,
        summary="contrastive: a clean and a corrupted view of a vector attract each other and repel the batch",
        citation=SCARF,
        config=ScarfConfig,
        smoke=ScarfConfig(hidden=16, out=8),
        build="sslbench_crops.methods.scarf_model:Scarf",
        check=check,
        views=views,
        family="contrastive",
        compares_views=True,
        spaces=("projector",),
        recipes=(crop_study("feature-corruption", temperature=0.07),),
    )
