"""W-MSE: make whitened embeddings of the views of a sample equal. Spec only; see `w_mse_model`.

Differences from the paper: the authors divide the learning rate by five at 50 and 25 epochs before the end and warm up over
500 steps; here it is a cosine after one epoch of warm-up. The bias study does not include this method.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import MethodSpec, PlanContext, PositiveInt, Range, Role, hookimpl, setting
from sslbench_vision.citations import W_MSE
from sslbench_vision.joint.recipes import original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class WMseConfig:
    """Settings of W-MSE."""

    hidden: PositiveInt = setting(1024, "Width of the projector's hidden layer.")
    out: PositiveInt = setting(64, "Width of the projector's output; less than `whitening`.")
    views: Annotated[int, Range(at_least=2)] = setting(2, "Views of each sample.")
    whitening: Annotated[int, Range(at_least=2)] = setting(128, "Rows of each sub-batch that is whitened.")
    repetitions: PositiveInt = setting(1, "Random divisions into sub-batches per step, whose losses are averaged.")
    shrinkage: Annotated[float, Range(at_least=0, below=1)] = setting(
        0.0, "Weight of the identity in the covariance that is whitened; 0: the plain covariance."
    )


def views(config: WMseConfig) -> Mapping[str, Role]:
    """Return the roles of views: `views` views of each sample."""
    return {"view": Role(count=config.views)}


def check(config: WMseConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if config.views < 2:
        yield f"method.views={config.views}: must be 2 or more."
    if config.whitening <= config.out:
        yield f"method.whitening={config.whitening}: must be above method.out={config.out}. Set it higher"
    if context.batch_size < config.whitening:
        yield f"train.batch_size={context.batch_size}: less than method.whitening={config.whitening}. Set it higher"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[WMseConfig]]:
    yield MethodSpec(
        name="w-mse",
        version=2,
        summary="redundancy reduction: whiten every sub-batch, then make the views of a sample equal",
        citation=W_MSE,
        config=WMseConfig,
        smoke=WMseConfig(hidden=16, out=4, whitening=16),
        build="sslbench_vision.methods.w_mse_model:WMse",
        check=check,
        views=views,
        family="redundancy",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            quick(method__hidden=512, method__out=32, method__whitening=64),
            original(
                "CIFAR-10, ResNet-18, Adam, batch 512, 1,000 epochs",
                "W-MSE, section 5; htdt/self-supervised, README.md",
                backbone__name="torchvision-resnet18", backbone__stem="small", view__size=0, augmentation__name="w-mse",
                train__scale_lr=False, train__epochs=1000, train__batch_size=512, train__optimizer="adam",
                train__lr=3e-3,
                train__weight_decay=1e-6, train__warmup_epochs=1,
                train__decay_norms_and_biases=True,  # train.py: Adam on all parameters
            ),
            solo_learn(lr=2e-3, weight_decay=1e-6, optimizer="adam", augmentation="solo-learn-symmetric",
                       augmentation__crop__scale=(0.2, 1.0), augmentation__blur__p=0.0, train__warmup_lr=0.0),
        ),
    )  # fmt: skip
