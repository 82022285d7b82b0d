"""Fine-tuning the whole encoder, as a spec. The implementation is `finetune_evaluator`."""

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
from sslbench.protocols.budget_warnings import warn_of_few_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneConfig:
    """How encoder and head are trained together (arXiv 2503.11341, section 3).

    The paper's schedule is epochs=50, warmup=5, rate=2e-3; the default is a fifth of it. `warmup` counts epochs. `epochs` is
    raised until `min_steps` optimizer steps are taken, and `warmup` keeps its share of them; `batch` is reduced until an
    epoch has `min_batches` batches, though not below 8 samples: min_steps=0 and min_batches=1 take the schedule as it is
    written, which with few labels leaves every row near chance. `rate` does not depend on the batch. `head` is a linear
    layer, or width -> `bottleneck` -> norm -> activation -> classes (LayerNorm and GELU after encoders that offer tokens,
    BatchNorm and ReLU after others). `layer_decay` and `drop_path` act where an encoder knows its depth. The last epoch
    counts, or with `keep=best` the best on validation, of as many as `epochs` says, evenly spread.
    """

    epochs: PositiveInt = 10
    min_steps: NonNegativeInt = 400
    batch_size: PositiveInt = 128
    min_batches: PositiveInt = 4
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01
    warmup_epochs: NonNegativeFloat = 1.0
    head: Literal["linear", "bottleneck"] = "bottleneck"
    bottleneck: PositiveInt = 512
    layer_decay: Annotated[float, Range(above=0, at_most=1)] = 0.75
    drop_path: Annotated[float, Range(at_least=0, below=1)] = 0.2
    label_smoothing: Annotated[float, Range(at_least=0, below=1)] = 0.1
    augment: bool = True
    keep: Literal["last", "best"] = "last"


def make_fit(config: FinetuneConfig) -> Fit:
    """Return the training that the settings ask for, before it is scaled to a bank."""
    return Fit(
        epochs=config.epochs, min_steps=config.min_steps, batch_size=config.batch_size, min_batches=config.min_batches,
        lr=config.lr, weight_decay=config.weight_decay, warmup_epochs=min(config.warmup_epochs, config.epochs / 2),
        layer_decay=config.layer_decay, augment=config.augment,
    )  # fmt: skip


def samples_seen(config: FinetuneConfig, rows: int) -> int:
    """Return how many images fine-tuning on so many rows passes."""
    return make_fit(config).count_samples(rows)


def reset_unused(config: FinetuneConfig) -> FinetuneConfig:
    """Reset the width of a bottleneck that the head does not have."""
    return config if config.head == "bottleneck" else replace(config, bottleneck=FinetuneConfig().bottleneck)


def augments(config: FinetuneConfig) -> bool:
    """Tell whether training images are augmented."""
    return config.augment


def warn(config: FinetuneConfig, facts: PlanContext) -> Iterable[str]:
    """Warn of a budget that is too small for few labels."""
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
        targets=frozenset({"class"}),
    )
