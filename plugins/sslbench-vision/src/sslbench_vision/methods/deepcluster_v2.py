"""DeepCluster-v2: classify views by k-means clusters of the last epoch's embeddings. Spec only; see `deepcluster_v2_model`.

Before the first epoch one pass over the unaugmented samples fills the memory; solo-learn leaves it empty and ignores the
targets of the first epoch: `first_epoch`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sslbench.api import MethodSpec, NonNegativeInt, PlanContext, PositiveFloat, PositiveInt, Role, hookimpl, setting
from sslbench_vision.citations import SWAV
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepclusterV2Config:
    """Settings of DeepCluster-v2."""

    hidden: PositiveInt = setting(2048, "Width of the projector's hidden layers.")
    out: PositiveInt = setting(128, "Width of the projector's output.")
    clusters: PositiveInt = setting(3000, "Clusters of each head.")
    heads: PositiveInt = setting(3, "Heads, each with a clustering of its own.")
    iterations: PositiveInt = setting(10, "Iterations of k-means before each epoch.")
    temperature: PositiveFloat = setting(0.1, "Temperature of the softmax over clusters.")
    local: NonNegativeInt = setting(0, "Small local views of each sample, in addition to two global views.")
    first_epoch: Literal["survey", "ignored"] = setting(
        "survey", "Before the first epoch: embed all samples and cluster them, or ignore targets for one epoch."
    )


def views(config: DeepclusterV2Config) -> Mapping[str, Role]:
    """Return the roles of views: two global views and `local` local views of each sample."""
    return {"global": Role(count=2), **({"local": Role(count=config.local)} if config.local else {})}


def check(config: DeepclusterV2Config, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if config.clusters > context.samples:
        yield f"method.clusters={config.clusters}: more than the {context.samples} training samples. Set it lower"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[DeepclusterV2Config]]:
    yield MethodSpec(
        name="deepcluster-v2",
        version=2,
        summary="clustering: classify views by k-means clusters of the last epoch's embeddings",
        citation=SWAV,
        config=DeepclusterV2Config,
        smoke=DeepclusterV2Config(hidden=16, out=8, clusters=12, heads=2, iterations=2),
        build="sslbench_vision.methods.deepcluster_v2_model:DeepclusterV2",
        check=check,
        views=views,
        family="clustering",
        compares_views=True,
        has_per_sample_state=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__clusters=256),
            original(
                "ResNet-50 at 224 px with six local views, LARS, batch 4,096, 800 epochs",
                "SwAV, appendix A; facebookresearch/swav, scripts/deepclusterv2_800ep_pretrain.sh",
                augmentation__name="swav", method__local=6, train__epochs=800, train__batch_size=4096,
                train__optimizer="lars", train__lr=0.3, train__min_lr=4.8e-3, train__weight_decay=1e-6,
                train__warmup_epochs=10, train__warmup_lr=0.3,
            ),
            bias_study(lr=0.6, weight_decay=1e-6, train__warmup_epochs=11, method__first_epoch="ignored"),
            bias_study(lr=0.6, weight_decay=1e-6, name="bias-study-script", train__warmup_epochs=11,
                       train__warmup_lr=0.0,
                       train__min_lr=6e-4, method__first_epoch="ignored"),
            solo_learn(lr=0.6, weight_decay=1e-6, augmentation="solo-learn-symmetric", train__warmup_epochs=11,
                       train__warmup_lr=0.0, train__min_lr=6e-4, method__first_epoch="ignored"),
        ),
    )  # fmt: skip
