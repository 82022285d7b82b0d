"""VIbCReg: VICReg with whitened embeddings and a covariance term that knows no scale. Spec only; see `vibcreg_model`.

solo-learn's covariance term takes the off-diagonal correlations; VICReg's covariances are `covariance_of='columns'`. The
schedule of the method's own paper was not at hand, so `original` takes the bias study's and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sslbench.api import MethodSpec, NonNegativeFloat, NonNegativeInt, PlanContext, PositiveInt, Role, hookimpl, setting
from sslbench_vision.citations import VIBCREG
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class VibcregConfig:
    """VICReg's settings, the whitening (groups of dimensions, Newton steps; no steps: none), and what may not covary."""

    hidden: PositiveInt = setting(2048, "Width of the projector's hidden layers.")
    out: PositiveInt = setting(2048, "Width of the projector's output.")
    invariance: NonNegativeFloat = setting(25.0, "Weight of the invariance term.")
    variance: NonNegativeFloat = setting(25.0, "Weight of the variance term.")
    covariance: NonNegativeFloat = setting(200.0, "Weight of the covariance term.")
    halved_variance: bool = setting(False, "Average the variance terms of the two views instead of adding them up.")
    covariance_of: Literal["correlations", "columns"] = setting(
        "correlations", "Penalize off-diagonal correlations, or covariances of columns as VICReg does."
    )
    groups: PositiveInt = setting(64, "Groups of dimensions that are whitened separately; a divisor of `out`.")
    iterations: NonNegativeInt = setting(5, "Newton iterations of the whitening; 0: no whitening.")


def views(config: VibcregConfig) -> Mapping[str, Role]:
    """Two views."""
    return {"view": Role(count=2)}


def check(config: VibcregConfig, facts: PlanContext) -> Iterable[str]:
    """Say which settings cannot work."""
    if facts.batch_size < 2:
        yield "train.batch_size = 1 has no batch statistics, which 'vibcreg' needs; possible: 2 or more"
    if config.out % config.groups:
        yield f"method.out = {config.out} is not a multiple of method.groups = {config.groups}"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[VibcregConfig]]:
    yield MethodSpec(
        name="vibcreg",
        version=1,
        summary="redundancy reduction: VICReg on iteratively whitened embeddings, with correlations in place of covariances",
        citation=VIBCREG,
        config=VibcregConfig,
        smoke=VibcregConfig(hidden=16, out=8, groups=2),
        build="sslbench_vision.methods.vibcreg_model:Vibcreg",
        check=check,
        views=views,
        family="redundancy",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__out=512, method__groups=16),
            original(
                "its weights; ResNet-18 and the bias study's schedule, for its own was not at hand",
                "weights: solo-learn; schedule: arXiv 2304.11718, appendix B.1",
                backbone__name="torchvision-resnet18", view__size=0, augmentation__name="bias-study-wide",
                train__epochs=1000, train__batch_size=512, train__optimizer="sgd", train__lr=0.3,
                train__weight_decay=1e-4,
                train__warmup_epochs=10,
            ),
            bias_study(lr=0.3, weight_decay=1e-4, augmentation="bias-study-wide"),
            solo_learn(lr=0.3, weight_decay=1e-4, augmentation="solo-learn-solarize", train__larc=False),
        ),
    )  # fmt: skip
