"""MoCo v3: contrast predictions with a momentum network's keys of the same batch. Spec only; see `moco_v3_model`.

For a ViT the paper freezes the random patch projection (`freeze_stem`) and has fixed sine-cosine positions
(`fixed_positions`). For a ResNet it has two projector layers, no norm after the predictor and temperature 1. The bias study
does not include this method.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import MethodSpec, Momentum, PlanContext, PositiveFloat, PositiveInt, Range, Role, hookimpl, setting
from sslbench_vision.citations import MOCO_V3
from sslbench_vision.joint.recipes import original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class MocoV3Config:
    """Settings of MoCo v3."""

    hidden: PositiveInt = setting(4096, "Width of the hidden layers of projector and predictor.")
    out: PositiveInt = setting(256, "Width of the output of projector and predictor.")
    projector_layers: Annotated[int, Range(at_least=2)] = setting(3, "Linear layers of the projector.")
    predictor_norm: bool = setting(True, "Use batch norm after the predictor's last layer.")
    temperature: PositiveFloat = setting(0.2, "Temperature of the contrastive loss.")
    momentum: Momentum = setting(
        0.99, "Momentum of the momentum network at the start; it changes to `final_momentum` by a cosine."
    )
    final_momentum: Momentum = setting(1.0, "Momentum of the momentum network at the end of training.")
    freeze_stem: bool = setting(False, "Keep the encoder's first projection at its random weights.")
    fixed_positions: bool = setting(False, "Replace learned positions of the encoder by fixed sine-cosine positions.")


def views(config: MocoV3Config) -> Mapping[str, Role]:
    """Return the roles of views: two views of each sample."""
    return {"view": Role(count=2)}


def check(config: MocoV3Config, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if context.batch_size < 2:
        yield "train.batch_size=1: 'moco-v3' contrasts the samples of a batch. Set it to 2 or more"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[MocoV3Config]]:
    yield MethodSpec(
        name="moco-v3",
        version=2,
        summary="contrastive: predict a momentum network's key of the other view among the batch's keys",
        citation=MOCO_V3,
        config=MocoV3Config,
        smoke=MocoV3Config(hidden=16, out=8),
        build="sslbench_vision.methods.moco_v3_model:MocoV3",
        check=check,
        views=views,
        family="contrastive",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__out=128, method__momentum=0.98),
            original(
                "ViT-B/16 at 224 px, AdamW, batch 4,096, 300 epochs", "MoCo v3, section 5; facebookresearch/moco-v3",
                backbone__name="vit_base_patch16_224", augmentation__name="byol", train__epochs=300, train__batch_size=4096,
                train__optimizer="adamw", train__lr=1.5e-4, train__weight_decay=0.1, train__warmup_epochs=40,
                train__decay_norms_and_biases=True,  # main_moco.py: AdamW on all parameters
                method__freeze_stem=True,  # section 4.2
                method__fixed_positions=True,  # vits.py, build_2d_sincos_position_embedding
            ),
            solo_learn(lr=0.3, weight_decay=1e-6, augmentation="solo-learn-asymmetric", method__projector_layers=2,
                       method__predictor_norm=False),
        ),
    )  # fmt: skip
