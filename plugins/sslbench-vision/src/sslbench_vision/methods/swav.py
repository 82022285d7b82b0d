"""SwAV: predict one view's cluster assignment from another view. Spec only; see `swav_model`.

Assignments are balanced over the batch of all processes and, from epoch `queue_from` and once it is full, over a queue of
earlier embeddings of each global view. The authors divide the queue among processes; here all processes share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sslbench.api import MethodSpec, NonNegativeInt, PlanContext, PositiveFloat, PositiveInt, Role, hookimpl, setting
from sslbench_vision.citations import SWAV
from sslbench_vision.joint.recipes import bias_study, original, quick, solo_learn


@dataclass(frozen=True, slots=True, kw_only=True)
class SwavConfig:
    """Settings of SwAV."""

    hidden: PositiveInt = setting(2048, "Width of the projector's hidden layer.")
    out: PositiveInt = setting(128, "Width of the projector's output.")
    prototypes: PositiveInt = setting(3000, "Prototypes, each the center of a cluster.")
    temperature: PositiveFloat = setting(0.1, "Temperature of the softmax over prototypes.")
    epsilon: PositiveFloat = setting(0.05, "Entropy regularization of the Sinkhorn-Knopp algorithm; lower is sharper.")
    iterations: PositiveInt = setting(3, "Iterations of the Sinkhorn-Knopp algorithm.")
    queue: NonNegativeInt = setting(3840, "Size of each global view's queue in embeddings; 0: no queue.")
    queue_from: NonNegativeInt = setting(15, "Epoch from which the queue is used.")
    freeze: NonNegativeInt = setting(1, "Epochs at the start in which prototypes are frozen.")
    local: NonNegativeInt = setting(0, "Small local views of each sample, in addition to two global views.")


def views(config: SwavConfig) -> Mapping[str, Role]:
    """Return the roles of views: two global views and `local` local views of each sample."""
    return {"global": Role(count=2), **({"local": Role(count=config.local)} if config.local else {})}


def reset_unused(config: SwavConfig) -> SwavConfig:
    """Reset `queue_from` if there is no queue."""
    return config if config.queue else replace(config, queue_from=SwavConfig().queue_from)


def check(config: SwavConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every setting that cannot work."""
    if config.freeze >= context.epochs:
        yield (
            f"method.freeze={config.freeze}: prototypes would stay frozen in all train.epochs={context.epochs} epochs. "
            "Set it lower"
        )
    if context.batch_size < 2:
        yield "train.batch_size=1: 'swav' needs batch statistics. Set it to 2 or more"


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[SwavConfig]]:
    yield MethodSpec(
        name="swav",
        version=2,
        summary="clustering: predict a view's balanced cluster assignment from another view",
        citation=SWAV,
        config=SwavConfig,
        smoke=SwavConfig(hidden=16, out=8, prototypes=12, queue=64, queue_from=1, freeze=0),
        build="sslbench_vision.methods.swav_model:Swav",
        check=check,
        reset_unused=reset_unused,
        views=views,
        family="clustering",
        compares_views=True,
        spaces=("projector",),
        recipes=(
            # no queue: at the peak of one-cycle its rows are outdated, the loss jumps to log(prototypes), and the rank halves
            quick(method__hidden=512, method__prototypes=256, method__queue=0),
            original(
                "ResNet-50 at 224 px with six local views, LARS, batch 256, 400 epochs",
                "SwAV, appendix A; facebookresearch/swav, scripts/swav_400ep_bs256_pretrain.sh",
                augmentation__name="swav", method__local=6, train__epochs=400, train__batch_size=256,
                train__optimizer="lars", train__lr=0.6, train__min_lr=6e-4, train__weight_decay=1e-6,
            ),
            bias_study(lr=0.6, weight_decay=1e-6, method__queue_from=50, method__freeze=2),
            bias_study(lr=0.6, weight_decay=1e-6, name="bias-study-script", train__min_lr=6e-4, method__queue_from=50,
                       method__freeze=2),
            solo_learn(lr=0.6, weight_decay=1e-6, augmentation="solo-learn-symmetric", method__queue_from=50,
                       method__freeze=2),
        ),
    )  # fmt: skip
