"""SimSiam: predict the other view's embedding, with a stopped gradient. Spec only; see `simsiam_model`.

In the paper the predictor's learning rate is constant and all others are scheduled: `constant_predictor_lr`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sslbench.api import MethodSpec, PlanContext, PositiveInt, Role, hookimpl, setting
from sslbench_vision.citations import SIMSIAM
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class SimsiamConfig:
    """Settings of SimSiam; the projector has three layers, and its last norm is not affine."""

    hidden: PositiveInt = setting(2048, "Width of the projector's hidden layers.")
    out: PositiveInt = setting(2048, "Width of the output of projector and predictor.")
    predictor_hidden: PositiveInt = setting(512, "Width of the predictor's bottleneck.")
    constant_predictor_lr: bool = setting(
        True,
        "Keep the predictor's learning rate constant instead of scheduling it.",
        old_names=("constant_predictor_rate",),
    )


def views(config: SimsiamConfig) -> Mapping[str, Role]:
    """Return the roles of views: two views of each sample."""
    return {"view": Role(count=2)}


def check(config: SimsiamConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if context.batch_size < 2:
        yield "train.batch_size=1: 'simsiam' needs batch statistics. Set it to 2 or more"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[SimsiamConfig]]:
    yield MethodSpec(
        name="simsiam",
        version=2,
        summary="distillation: predict the other view with a stopped gradient; no negatives, no momentum",
        citation=SIMSIAM,
        config=SimsiamConfig,
        smoke=SimsiamConfig(hidden=16, out=16, predictor_hidden=8),
        build="sslbench_vision.methods.simsiam_model:Simsiam",
        check=check,
        views=views,
        family="distillation",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__out=512, method__predictor_hidden=128),
            original(
                "ResNet-50 at 224 px, SGD, batch 512, 100 epochs", "SimSiam, section 3 (baseline settings) and its code",
                augmentation__name="moco-v2", train__epochs=100, train__batch_size=512, train__optimizer="sgd",
                train__lr=0.05, train__weight_decay=1e-4, train__decay_norms_and_biases=True,
            ),
            bias_study(lr=0.5, weight_decay=1e-5, backbone__zero_init=True),  # --zero_init_residual of its script
            solo_learn(lr=0.5, weight_decay=1e-5, optimizer="sgd", augmentation="moco-v2",
                       augmentation__crop__scale=(0.08, 1.0)),
        ),
    )  # fmt: skip
