"""VIbCReg: VICReg with whitened embeddings and a covariance term without scale. Spec only; see `vibcreg_model`.

The covariance term of solo-learn uses off-diagonal correlations; `covariance_of='columns'` uses VICReg's covariances. The
schedule of the method's paper was not available, so `original` uses that of the bias study.
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
    """Settings of VIbCReg: those of VICReg, and the whitening."""

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
    """Return the roles of views: two views of each sample."""
    return {"view": Role(count=2)}


def check(config: VibcregConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if context.batch_size < 2:
        yield "train.batch_size=1: 'vibcreg' needs batch statistics. Set it to 2 or more"
    if config.out % config.groups:
        yield f"method.out={config.out}: not a multiple of method.groups={config.groups}. Change one of them"


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
                "its loss weights; ResNet-18 and the bias study's schedule, because its own was not available",
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
