"""The uni-modal baseline of the bi-modal crop study as its code runs it: DEGENERATE. Spec only; see `scarf_model`.

The released code corrupts a vector in place and returns the same tensor as both views. Both views of a sample are therefore
identical: positives are trivially equal, and the loss only spreads samples apart. The method is kept because the published
comparison contains it. Use `scarf` for a fair one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sslbench.api import MethodSpec, NonNegativeInt, PlanContext, PositiveFloat, PositiveInt, Role, hookimpl, setting
from sslbench_crops.citations import BIMODAL_CROPS
from sslbench_crops.methods.recipes import crop_study


@dataclass(frozen=True, slots=True, kw_only=True)
class ScarfReleasedConfig:
    """Settings of the degenerate baseline; the corruption rate is a setting of the augmentation."""

    temperature: PositiveFloat = setting(0.07, "Temperature of the loss.")
    hidden: NonNegativeInt = setting(0, "Width of the projector's hidden layer; 0: the encoder's width.")
    out: PositiveInt = setting(256, "Width of the projector's output.")


def views(config: ScarfReleasedConfig) -> Mapping[str, Role]:
    """Return the roles of views: one, which is used as both."""
    return {"view": Role(count=1)}


def check(config: ScarfReleasedConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for a batch without negatives."""
    if context.batch_size < 2:
        yield "train.batch_size=1: 'scarf-released' contrasts the samples of a batch. Set it to 2 or more"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[ScarfReleasedConfig]]:
    yield MethodSpec(
        name="scarf-released",
        version=1,
        summary="DEGENERATE: one corrupted view of a vector is used as both views, as in the crop study's released code",
        citation=BIMODAL_CROPS,
        config=ScarfReleasedConfig,
        smoke=ScarfReleasedConfig(hidden=16, out=8),
        build="sslbench_crops.methods.scarf_model:ScarfReleased",
        check=check,
        views=views,
        family="contrastive",
        compares_views=True,
        identical_views=True,
        spaces=("projector",),
        recipes=(crop_study("batch-corruption"),),
    )
