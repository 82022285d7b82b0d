"""NNBYOL: BYOL with the nearest neighbor in a queue as target. Spec only; see `nnbyol_model`.

It has no paper: it combines BYOL's loss (Grill et al. 2020) with NNCLR's neighbors (Dwibedi et al. 2021), as in solo-learn.
`original` is therefore BYOL's recipe with NNCLR's queue. Earlier embeddings of a sample are not its neighbors unless
`include_self` is set, as in solo-learn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from sslbench.api import MethodSpec, Momentum, PlanContext, PositiveInt, Range, Role, hookimpl, setting
from sslbench_vision.citations import NNCLR
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class NnbyolConfig:
    """Settings of NNBYOL: those of BYOL, and the queue."""

    hidden: PositiveInt = setting(4096, "Width of the projector's hidden layers.")
    out: PositiveInt = setting(256, "Width of the projector's output.")
    predictor_hidden: PositiveInt = setting(4096, "Width of the predictor's hidden layer.")
    momentum: Momentum = setting(
        0.996, "Momentum of the momentum network at the start; it changes to `final_momentum` by a cosine."
    )
    final_momentum: Momentum = setting(1.0, "Momentum of the momentum network at the end of training.")
    reduction: Literal["sum", "mean"] = setting("sum", "Add up or average the losses of the two directions.")
    queue: Annotated[int, Range(at_least=2)] = setting(98_304, "Size of the queue in embeddings.")
    include_self: bool = setting(
        False, "Accept earlier embeddings of the same sample as its neighbor.", old_names=("own_neighbour",)
    )


def views(config: NnbyolConfig) -> Mapping[str, Role]:
    """Return the roles of views: two views of each sample."""
    return {"view": Role(count=2)}


def check(config: NnbyolConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if context.batch_size < 2:
        yield "train.batch_size=1: 'nnbyol' needs batch statistics. Set it to 2 or more"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[NnbyolConfig]]:
    yield MethodSpec(
        name="nnbyol",
        version=1,
        summary="distillation: predict the nearest neighbor of a momentum network's embedding of the other view",
        citation=NNCLR,
        config=NnbyolConfig,
        smoke=NnbyolConfig(hidden=16, out=8, predictor_hidden=16, queue=64),
        build="sslbench_vision.methods.nnbyol_model:Nnbyol",
        check=check,
        views=views,
        family="distillation",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__out=128, method__predictor_hidden=512, method__momentum=0.9,
                  method__final_momentum=0.99, method__queue=4096),
            original(
                "BYOL's, with NNCLR's queue; it has no paper",
                "BYOL, section 3.3 and appendix B; the queue: NNCLR, section 4.1",
                augmentation__name="byol", train__epochs=1000,
                train__batch_size=4096, train__optimizer="lars", train__lr=0.2, train__weight_decay=1.5e-6,
                train__warmup_epochs=10,
            ),
            bias_study(lr=1.0, weight_decay=1e-5, method__momentum=0.99, method__queue=65_536,
                       method__include_self=True),
            solo_learn(lr=1.0, weight_decay=1e-5, augmentation="solo-learn-asymmetric", method__momentum=0.99,
                       method__queue=65_536, method__include_self=True),
        ),
    )  # fmt: skip
