"""SimCLR: attract two views of an image and repel all others. Spec only; see `simclr_model`.

`original` does not differ from the paper. Negatives are the rows of one pass, so gradient accumulation does not enlarge
the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sslbench.api import MethodSpec, NonNegativeInt, PlanContext, PositiveFloat, PositiveInt, Role, hookimpl, setting
from sslbench_vision.citations import SIMCLR
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class SimclrConfig:
    """Settings of SimCLR; the projector has one hidden layer, as in the paper."""

    hidden: NonNegativeInt = setting(0, "Width of the projector's hidden layer; 0: the encoder's width.")
    out: PositiveInt = setting(128, "Width of the projector's output.")
    batch_norm: bool = setting(False, "Use batch norm in the projector.")
    temperature: PositiveFloat = setting(0.1, "Temperature of the contrastive loss.")


def views(config: SimclrConfig) -> Mapping[str, Role]:
    """Return the roles of views: two views of each sample."""
    return {"view": Role(count=2)}


def check(config: SimclrConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if context.batch_size < 2:
        yield "train.batch_size=1: 'simclr' contrasts the samples of a batch. Set it to 2 or more"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[SimclrConfig]]:
    yield MethodSpec(
        name="simclr",
        version=1,
        summary="contrastive: two views of a sample attract each other and repel the batch",
        citation=SIMCLR,
        config=SimclrConfig,
        smoke=SimclrConfig(hidden=16, out=8),
        build="sslbench_vision.methods.simclr_model:Simclr",
        check=check,
        views=views,
        family="contrastive",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__batch_norm=True),
            original(
                "ResNet-50 at 224 px, LARS, batch 4,096, 1,000 epochs",
                "SimCLR, section 2.3 and appendix B",
                augmentation__name="simclr", train__epochs=1000,
                train__batch_size=4096, train__optimizer="lars", train__lr=0.3, train__weight_decay=1e-6,
                train__warmup_epochs=10,
            ),
            bias_study(lr=0.4, weight_decay=1e-5, method__hidden=2048, method__out=256, method__temperature=0.2),
            solo_learn(lr=0.4, weight_decay=1e-4, augmentation="solo-learn-symmetric", method__hidden=2048,
                       method__out=256,
                       method__temperature=0.2),
        ),
    )  # fmt: skip
