"""Barlow Twins: train the cross-correlation of two views toward the identity. Spec only; see `barlow_twins_model`.

The paper trains biases and norms with a learning rate of 0.0048, and weights with 0.2: `bias_lr` is the ratio. solo-learn
scales the loss by 0.1: `scale`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sslbench.api import MethodSpec, NonNegativeFloat, PlanContext, PositiveFloat, PositiveInt, Role, hookimpl, setting
from sslbench_vision.citations import BARLOW_TWINS
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class BarlowTwinsConfig:
    """Settings of Barlow Twins."""

    hidden: PositiveInt = setting(8192, "Width of the projector's hidden layers.")
    out: PositiveInt = setting(8192, "Width of the projector's output.")
    off_diagonal: NonNegativeFloat = setting(0.005, "Weight of the off-diagonal terms of the loss.")
    scale: PositiveFloat = setting(1.0, "Factor of the whole loss.")
    bias_lr: NonNegativeFloat = setting(
        1.0, "Learning rate of biases and norms, as a multiple of that of weights.", old_names=("bias_rate",)
    )


def views(config: BarlowTwinsConfig) -> Mapping[str, Role]:
    """Return the roles of views: two views of each sample."""
    return {"view": Role(count=2)}


def check(config: BarlowTwinsConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if context.batch_size < 2:
        yield "train.batch_size=1: 'barlow-twins' needs batch statistics. Set it to 2 or more"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[BarlowTwinsConfig]]:
    yield MethodSpec(
        name="barlow-twins",
        version=1,
        summary="redundancy reduction: make the cross-correlation of two views the identity",
        citation=BARLOW_TWINS,
        config=BarlowTwinsConfig,
        smoke=BarlowTwinsConfig(hidden=16, out=8),
        build="sslbench_vision.methods.barlow_twins_model:BarlowTwins",
        check=check,
        views=views,
        family="redundancy",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__out=512, method__off_diagonal=0.0051, method__scale=0.1),
            original(
                "ResNet-50 at 224 px, LARS, batch 2,048, 1,000 epochs",
                "Barlow Twins, section 2.2",
                augmentation__name="byol", train__epochs=1000,
                train__batch_size=2048, train__optimizer="lars", train__lr=0.2, train__weight_decay=1.5e-6,
                train__warmup_epochs=10,
                train__min_lr=1.6e-3, method__bias_lr=0.024,
            ),
            bias_study(lr=0.3, weight_decay=1e-4, method__hidden=2048, method__out=2048, method__off_diagonal=0.0051,
                       method__scale=0.1),
            solo_learn(lr=0.3, weight_decay=1e-4, augmentation="solo-learn-asymmetric", method__hidden=2048,
                       method__out=2048, method__off_diagonal=0.0051, method__scale=0.1),
        ),
    )  # fmt: skip
