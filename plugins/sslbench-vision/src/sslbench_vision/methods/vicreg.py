"""VICReg: views agree, dimensions vary, and do not covary. Spec only; the implementation is `vicreg_model`.

The authors' code halves the variance terms of the two views; solo-learn adds them up, which doubles their pressure at the
same weight: `halved_variance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sslbench.api import MethodSpec, NonNegativeFloat, PlanContext, PositiveInt, Role, hookimpl, setting
from sslbench_vision.citations import VICREG
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class VicregConfig:
    """The projector (its last layer without bias) and the weights of invariance, variance and covariance."""

    hidden: PositiveInt = setting(8192, "Width of the projector's hidden layers.")
    out: PositiveInt = setting(8192, "Width of the projector's output.")
    invariance: NonNegativeFloat = setting(25.0, "Weight of the invariance term.")
    variance: NonNegativeFloat = setting(25.0, "Weight of the variance term.")
    covariance: NonNegativeFloat = setting(1.0, "Weight of the covariance term.")
    halved_variance: bool = setting(True, "Average the variance terms of the two views instead of adding them up.")


def views(config: VicregConfig) -> Mapping[str, Role]:
    """Two views."""
    return {"view": Role(count=2)}


def check(config: VicregConfig, facts: PlanContext) -> Iterable[str]:
    """Say which settings cannot work."""
    if facts.batch_size < 2:
        yield "train.batch_size = 1 has no batch statistics, which 'vicreg' needs; possible: 2 or more"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[VicregConfig]]:
    yield MethodSpec(
        name="vicreg",
        version=1,
        summary="redundancy reduction: views agree, every dimension varies, none covary",
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
