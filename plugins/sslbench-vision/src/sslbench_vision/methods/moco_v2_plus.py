"""MoCo v2+: classify the key of a sample among a queue of keys of other samples. Spec only; see `moco_v2_plus_model`.

Differences from the paper: all processes share batch statistics, where the paper shuffles keys between GPUs. The '+' is the
symmetric loss (Chen and He 2021, table 4), so each view has a queue. `out` is 128 in the paper and in the scripts of the
bias study, and 256 in the text of that study.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sslbench.api import (
    MethodSpec,
    Momentum,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Role,
    hookimpl,
    setting,
)
from sslbench_vision.citations import MOCO_V2
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class MocoV2PlusConfig:
    """Settings of MoCo v2+."""

    hidden: NonNegativeInt = setting(0, "Width of the projector's hidden layer; 0: the encoder's width.")
    out: PositiveInt = setting(128, "Width of the projector's output.")
    batch_norm: bool = setting(False, "Use batch norm in the projector.")
    temperature: PositiveFloat = setting(0.2, "Temperature of the contrastive loss.")
    queue: PositiveInt = setting(65_536, "Size of each view's queue in keys.")
    momentum: Momentum = setting(
        0.999, "Momentum of the momentum network at the start; it changes to `final_momentum` by a cosine."
    )
    final_momentum: Momentum = setting(0.999, "Momentum of the momentum network at the end of training.")


def views(config: MocoV2PlusConfig) -> Mapping[str, Role]:
    """Return the roles of views: two views of each sample."""
    return {"view": Role(count=2)}


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[MocoV2PlusConfig]]:
    yield MethodSpec(
        name="moco-v2-plus",
        version=2,
        summary="contrastive: classify the momentum network's key of a sample among a queue of other keys",
        citation=MOCO_V2,
        config=MocoV2PlusConfig,
        smoke=MocoV2PlusConfig(hidden=16, out=8, queue=64),
        build="sslbench_vision.methods.moco_v2_plus_model:MocoV2Plus",
        views=views,
        family="contrastive",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__batch_norm=True, method__queue=2048, method__momentum=0.99,
                  method__final_momentum=1.0, method__temperature=0.1),
            original(
                "ResNet-50 at 224 px, SGD, batch 256, 200 epochs", "MoCo v2, section 3; MoCo, section 4, and its code",
                augmentation__name="moco-v2", train__epochs=200, train__batch_size=256, train__optimizer="sgd",
                train__lr=0.03, train__weight_decay=1e-4, train__decay_norms_and_biases=True, method__hidden=2048,
            ),
            bias_study(lr=0.3, weight_decay=1e-4, method__hidden=2048, method__out=256, method__queue=32_768,
                       method__momentum=0.99),
            bias_study(lr=0.3, weight_decay=1e-4, name="bias-study-script", method__hidden=2048, method__queue=32_768,
                       method__momentum=0.99),
            solo_learn(lr=0.3, weight_decay=1e-4, optimizer="sgd", augmentation="moco-v2",
                       augmentation__crop__scale=(0.08, 1.0), method__hidden=2048, method__out=256,
                       method__queue=32_768, method__momentum=0.99),
        ),
    )  # fmt: skip
