"""Declare the fine-tuning protocol: encoder and head trained together on the labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from sslbench.api import (
    Citation,
    Fit,
    Need,
    NonNegativeFloat,
    NonNegativeInt,
    PlanContext,
    PositiveFloat,
    PositiveInt,
    ProtocolSpec,
    Range,
    hookimpl,
)
from sslbench.api.settings import setting
from sslbench.protocols.budget_warnings import warn_of_few_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneConfig:
    """Settings of fine-tuning (arXiv 2503.11341, section 3).

    The paper trains with epochs=50, warmup_epochs=5, lr=2e-3; the default schedule is a fifth as long.
    """

    epochs: PositiveInt = setting(10, "Epochs; raised until min_steps optimizer steps are taken.")
    min_steps: NonNegativeInt = setting(
        400, "Fewest optimizer steps. 0: no minimum, which with few labels leaves accuracy near chance."
    )
    batch_size: PositiveInt = setting(
        128, "Samples per optimizer step; reduced to reach min_batches.", old_names=("batch",)
    )
    min_batches: PositiveInt = setting(
        4, "Fewest batches per epoch; the batch size is reduced to reach it, but not below 8 samples. 1: no minimum."
    )
    lr: PositiveFloat = setting(1e-3, "Peak learning rate; not scaled by the batch size.", old_names=("rate",))
    weight_decay: NonNegativeFloat = setting(0.01, "Weight decay.", old_names=("decay",))
    warmup_epochs: NonNegativeFloat = setting(
        1.0,
        "Epochs of linear warm-up, at most half of epochs; stretched with epochs if min_steps raises them.",
        old_names=("warmup",),
    )
    head: Literal["linear", "bottleneck"] = setting(
        "bottleneck", "linear: one linear layer. bottleneck: linear, norm, activation, linear."
    )
    bottleneck: PositiveInt = setting(512, "Hidden width of head=bottleneck.")
    layer_decay: Annotated[float, Range(above=0, at_most=1)] = setting(
        0.75, "Factor on the learning rate per layer below the top, in encoders that know their depth. 1: no decay."
    )
    drop_path: Annotated[float, Range(at_least=0, below=1)] = setting(
        0.2, "Stochastic depth rate, in encoders that support it."
    )
    label_smoothing: Annotated[float, Range(at_least=0, below=1)] = setting(
        0.1, "Label smoothing of the cross-entropy; none for numbers.", old_names=("smoothing",)
    )
    augment: bool = setting(True, "Augment the training images.")
    keep: Literal["last", "best"] = setting(
        "last",
        "Tested weights: last epoch, or best validation score, computed at most `epochs` times, evenly spaced.",
    )


def make_fit(config: FinetuneConfig) -> Fit:
    """Return the requested training, before it is scaled to the number of training samples."""
    return Fit(
        epochs=config.epochs, min_steps=config.min_steps, batch_size=config.batch_size, min_batches=config.min_batches,
        lr=config.lr, weight_decay=config.weight_decay, warmup_epochs=min(config.warmup_epochs, config.epochs / 2),
        layer_decay=config.layer_decay, augment=config.augment,
    )  # fmt: skip


def samples_seen(config: FinetuneConfig, rows: int) -> int:
    """Return how many images pass through the encoder when fine-tuning on `rows` training samples."""
    return make_fit(config).count_samples(rows)


def reset_unused(config: FinetuneConfig) -> FinetuneConfig:
    """Reset `bottleneck` if the head has no bottleneck."""
    return config if config.head == "bottleneck" else replace(config, bottleneck=FinetuneConfig().bottleneck)


def augments(config: FinetuneConfig) -> bool:
    """Return True if training images are augmented."""
    return config.augment


def warn(config: FinetuneConfig, facts: PlanContext) -> Iterable[str]:
    """Warn about a budget that is too small for few labels."""
    consequence = "encoders fine-tuned for so few steps stay near chance"
    return warn_of_few_steps(config.min_steps, FinetuneConfig().min_steps, consequence)


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[FinetuneConfig]]:
    yield ProtocolSpec(
        name="finetune",
        version=2,
        summary="encoder and head trained together on the labels, with layer decay, drop path and smoothing",
        citation=Citation(
            title="How transferable are features in deep neural networks?",
            authors="Yosinski, Clune, Bengio, Lipson",
            year=2014,
            url="https://arxiv.org/abs/1411.1792",
        ),
        config=FinetuneConfig,
        smoke=FinetuneConfig(epochs=1, min_steps=0, warmup_epochs=0, bottleneck=16),
        build="sslbench.protocols.finetune_evaluator:Finetune",
        warnings=warn,
        reset_unused=reset_unused,
        augments=augments,
        samples_seen=samples_seen,
        needs=frozenset({Need.ENCODERS}),
        targets=frozenset({"class", "labels", "value"}),
        is_default=True,
        chooses=("epoch",),
    )
