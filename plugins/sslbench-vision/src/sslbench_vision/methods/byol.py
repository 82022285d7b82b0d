"""BYOL: predict a momentum network's embedding of the other view. Spec only; see `byol_model`.

The paper adds up the losses of both directions; some libraries average them, which halves the gradient: `reduction`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sslbench.api import MethodSpec, Momentum, PlanContext, PositiveInt, Role, hookimpl, setting
from sslbench_vision.citations import BYOL
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class ByolConfig:
    """Settings of BYOL."""

    hidden: PositiveInt = setting(4096, "Width of the projector's hidden layers.")
    out: PositiveInt = setting(256, "Width of the projector's output.")
    predictor_hidden: PositiveInt = setting(4096, "Width of the predictor's hidden layer.")
    momentum: Momentum = setting(
        0.996, "Momentum of the momentum network at the start; it changes to `final_momentum` by a cosine."
    )
    final_momentum: Momentum = setting(1.0, "Momentum of the momentum network at the end of training.")
    reduction: Literal["sum", "mean"] = setting("sum", "Add up or average the losses of the two directions.")


def views(config: ByolConfig) -> Mapping[str, Role]:
    """Return the roles of views: two views of each sample."""
    return {"view": Role(count=2)}


def check(config: ByolConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if context.batch_size < 2:
        yield "train.batch_size=1: 'byol' needs batch statistics. Set it to 2 or more"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[ByolConfig]]:
    yield MethodSpec(
        name="byol",
        version=1,
        summary="distillation: predict a momentum network's embedding of the other view; no negatives",
        citation=BYOL,
        config=ByolConfig,
        smoke=ByolConfig(hidden=16, out=8, predictor_hidden=16),
        build="sslbench_vision.methods.byol_model:Byol",
        check=check,
        views=views,
        family="distillation",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__out=128, method__predictor_hidden=512, method__momentum=0.9,
                  method__final_momentum=0.99),
            original(
                "ResNet-50 at 224 px, LARS, batch 4,096, 1,000 epochs",
                "BYOL, section 3.3 and appendix B",
                augmentation__name="byol", train__epochs=1000,
                train__batch_size=4096, train__optimizer="lars", train__lr=0.2, train__weight_decay=1.5e-6,
                train__warmup_epochs=10,
            ),
            bias_study(lr=1.0, weight_decay=1e-5, method__momentum=0.99),
            solo_learn(lr=1.0, weight_decay=1e-5, augmentation="solo-learn-asymmetric", method__momentum=0.99),
        ),
    )  # fmt: skip
