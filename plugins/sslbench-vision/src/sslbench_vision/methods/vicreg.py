"""VICReg: make views agree and dimensions vary without covariance. Spec only; see `vicreg_model`.

The authors' code averages the variance terms of the two views; solo-learn adds them up, which doubles them at the same
weight: `halved_variance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sslbench.api import MethodSpec, NonNegativeFloat, PlanContext, PositiveInt, Role, hookimpl, setting
from sslbench_vision.citations import VICREG
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class VicregConfig:
    """Settings of VICReg; the projector's last layer has no bias."""

    hidden: PositiveInt = setting(8192, "Width of the projector's hidden layers.")
    out: PositiveInt = setting(8192, "Width of the projector's output.")
    invariance: NonNegativeFloat = setting(25.0, "Weight of the invariance term.")
    variance: NonNegativeFloat = setting(25.0, "Weight of the variance term.")
    covariance: NonNegativeFloat = setting(1.0, "Weight of the covariance term.")
    halved_variance: bool = setting(True, "Average the variance terms of the two views instead of adding them up.")


def views(config: VicregConfig) -> Mapping[str, Role]:
    """Return the roles of views: two views of each sample."""
    return {"view": Role(count=2)}


def check(config: VicregConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if context.batch_size < 2:
        yield "train.batch_size=1: 'vicreg' needs batch statistics. Set it to 2 or more"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[VicregConfig]]:
    yield MethodSpec(
        name="vicreg",
        version=1,
        summary="redundancy reduction: make views agree, and every dimension vary without covariance",
        citation=VICREG,
        config=VicregConfig,
        smoke=VicregConfig(hidden=16, out=8),
        build="sslbench_vision.methods.vicreg_model:Vicreg",
        check=check,
        views=views,
        family="redundancy",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__out=512),
            original(
                "ResNet-50 at 224 px, LARS, batch 2,048, 1,000 epochs",
                "VICReg, section 4.2; facebookresearch/vicreg, main_vicreg.py",
                augmentation__name="byol", train__epochs=1000,
                train__batch_size=2048, train__optimizer="lars", train__lr=0.2, train__weight_decay=1e-6,
                train__warmup_epochs=10,
                train__min_lr=1.6e-3,
            ),
            bias_study(lr=0.3, weight_decay=1e-4, batch_size=256, augmentation="bias-study-wide", method__hidden=2048,
                       method__out=2048, method__halved_variance=False),
            solo_learn(lr=0.3, weight_decay=1e-4, augmentation="solo-learn-solarize", method__hidden=2048,
                       method__out=2048, method__halved_variance=False),
        ),
    )  # fmt: skip
