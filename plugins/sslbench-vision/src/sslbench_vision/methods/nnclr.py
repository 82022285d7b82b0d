"""NNCLR: contrast the nearest neighbor of one view with the prediction of the other. Spec only; see `nnclr_model`.

Difference from the paper: earlier embeddings of a sample are not its neighbors unless `include_self` is set. The paper does
not exclude them: with a queue shorter than an epoch they are rare, with a longer one every sample would find itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import MethodSpec, PlanContext, PositiveFloat, PositiveInt, Range, Role, hookimpl, setting
from sslbench_vision.citations import NNCLR
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class NnclrConfig:
    """Settings of NNCLR."""

    hidden: PositiveInt = setting(2048, "Width of the projector's hidden layers.")
    out: PositiveInt = setting(256, "Width of the projector's output.")
    predictor_hidden: PositiveInt = setting(4096, "Width of the predictor's hidden layer.")
    temperature: PositiveFloat = setting(0.1, "Temperature of the contrastive loss.")
    queue: Annotated[int, Range(at_least=2)] = setting(98_304, "Size of the queue in embeddings.")
    include_self: bool = setting(
        False, "Accept earlier embeddings of the same sample as its neighbor.", old_names=("own_neighbour",)
    )


def views(config: NnclrConfig) -> Mapping[str, Role]:
    """Return the roles of views: two views of each sample."""
    return {"view": Role(count=2)}


def check(config: NnclrConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if context.batch_size < 2:
        yield "train.batch_size=1: 'nnclr' contrasts the samples of a batch. Set it to 2 or more"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[NnclrConfig]]:
    yield MethodSpec(
        name="nnclr",
        version=1,
        summary="contrastive: a sample's nearest neighbor is the positive of its other view",
        citation=NNCLR,
        config=NnclrConfig,
        smoke=NnclrConfig(hidden=16, out=8, predictor_hidden=16, queue=64),
        build="sslbench_vision.methods.nnclr_model:Nnclr",
        check=check,
        views=views,
        family="contrastive",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__out=128, method__predictor_hidden=512, method__queue=2048,
                  method__temperature=0.2),
            original(
                "ResNet-50 at 224 px, LARS, batch 4,096, 1,000 epochs",
                "NNCLR, section 4.1",
                augmentation__name="byol", train__epochs=1000,
                train__batch_size=4096, train__optimizer="lars", train__lr=0.3, train__weight_decay=1e-6,
                train__warmup_epochs=10,
            ),
            bias_study(lr=0.4, weight_decay=1e-5, method__temperature=0.2, method__queue=65_536,
                       method__include_self=True),
            solo_learn(lr=0.4, weight_decay=1e-5, augmentation="solo-learn-asymmetric", method__temperature=0.2,
                       method__queue=65_536, method__include_self=True),
        ),
    )  # fmt: skip
