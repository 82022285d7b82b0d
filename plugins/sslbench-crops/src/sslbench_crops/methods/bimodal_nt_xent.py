"""Bi-modal NT-Xent: the two sensors' vectors of one place and date attract each other and repel the batch. Spec only.

The paper prints another loss than its code computes, and `form` selects one. `printed`: anchors of the first modality only
(in alphabetical order), and the positive pair is not in the denominator. `released`: NT-Xent over both modalities. The
implementation is `bimodal_nt_xent_model`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sslbench.api import MethodSpec, NonNegativeInt, PlanContext, PositiveFloat, PositiveInt, Role, hookimpl, setting
from sslbench_crops.citations import BIMODAL_CROPS
from sslbench_crops.methods.recipes import crop_study


@dataclass(frozen=True, slots=True, kw_only=True)
class BimodalNtXentConfig:
    """Settings of bi-modal NT-Xent."""

    form: Literal["printed", "released"] = setting(
        "released",
        "Loss: equation 1 of the paper, with one side as anchors and without the positive pair in the denominator (printed), "
        "or that of its code, NT-Xent over both sides (released).",
    )
    temperature: PositiveFloat = setting(0.07, "Temperature of the loss.")
    hidden: NonNegativeInt = setting(0, "Width of the projectors' hidden layer; 0: the encoder's width.")
    out: PositiveInt = setting(256, "Width of the projectors' output.")


def views(config: BimodalNtXentConfig) -> Mapping[str, Role]:
    """Return the roles of views: one view of both modalities."""
    return {"view": Role(count=1)}


def check(config: BimodalNtXentConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for a batch without negatives."""
    if context.batch_size < 2:
        yield "train.batch_size=1: 'bimodal-nt-xent' contrasts the samples of a batch. Set it to 2 or more"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[BimodalNtXentConfig]]:
    yield MethodSpec(
        name="bimodal-nt-xent",
        version=1,
        summary="contrastive, two modalities: NT-Xent of two sensors' vectors, as printed or as released by the crop study",
        citation=BIMODAL_CROPS,
        config=BimodalNtXentConfig,
        smoke=BimodalNtXentConfig(hidden=16, out=8),
        build="sslbench_crops.methods.bimodal_nt_xent_model:BimodalNtXent",
        check=check,
        views=views,
        family="cross-modal",
        modalities=(2, 2),
        spaces=("projector",),
        recipes=(crop_study("batch-corruption"),),
    )
