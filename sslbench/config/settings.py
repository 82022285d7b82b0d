"""Define the settings of training, views, the pretraining pool and modalities."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from sslbench.api.ranges import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Range, Several
from sslbench.api.settings import setting, setting_from
from sslbench.convert import to_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """Settings of pretraining: its length, optimizer, schedule, early stopping, precision and processes."""

    epochs: PositiveInt = setting(100, "Passes over the pretraining samples.")
    steps: NonNegativeInt = setting(
        0,
        "Optimizer steps: train for the closest number of whole epochs instead of `epochs` (0: use `epochs`).",
    )
    batch_size: PositiveInt = setting(256, "Samples of one optimizer step, over all processes.", old_names=("batch",))
    grad_accumulation: PositiveInt = setting(
        1, "Passes into which the batch of one step is split to save memory.", old_names=("accumulate",)
    )
    optimizer: Literal["sgd", "adam", "adamw", "lars"] = setting("adamw", "Optimizer.", old_names=("optimiser",))
    lr: PositiveFloat = setting(
        1e-3, "Peak learning rate; with `scale_lr` per 256 samples of the batch.", old_names=("rate",)
    )
    scale_lr: bool = setting(False, "Multiply `lr` by batch_size / 256.", old_names=("scale_rate",))
    weight_decay: NonNegativeFloat = setting(0.05, "Weight decay at the start of training.", old_names=("decay",))
    final_weight_decay: NonNegativeFloat | None = setting(
        None, "Weight decay at the end, reached along a cosine (null: constant).", old_names=("final_decay",)
    )
    decay_norms_and_biases: bool = setting(
        False, "Apply weight decay (and the scaling of LARS) to parameters of fewer than two dimensions too."
    )
    momentum: Annotated[float, Range(at_least=0, below=1)] = setting(0.9, "Momentum of sgd and lars.")
    nesterov: bool = setting(False, "Use Nesterov momentum with sgd.")
    betas: tuple[Annotated[float, Range(at_least=0, below=1)], Annotated[float, Range(at_least=0, below=1)]] = setting(
        (0.9, 0.999), "Decay rates of the moments of adam and adamw."
    )
    lars_trust_coefficient: PositiveFloat = setting(1e-3, "Trust coefficient of lars.", old_names=("trust",))
    larc: bool = setting(
        False,
        "Never let lars raise the learning rate of a tensor above the scheduled one (LARC).",
        old_names=("trust_clip",),
    )
    schedule: Literal["cosine", "linear", "one-cycle", "constant"] = setting(
        "cosine", "Course of the learning rate after warm-up."
    )
    warmup_epochs: NonNegativeFloat = setting(
        0.0, "Epochs of linear warm-up, at most half of the training.", old_names=("warmup",)
    )
    warmup_lr: NonNegativeFloat = setting(0.0, "Learning rate at the start of the warm-up.", old_names=("warmup_from",))
    min_lr: NonNegativeFloat = setting(0.0, "Learning rate at the end of the schedule.", old_names=("final_rate",))
    layer_decay: Annotated[float, Range(above=0, at_most=1)] = setting(
        1.0, "Factor of the learning rate per layer from the head down (1: the same for all layers)."
    )
    grad_clip: NonNegativeFloat = setting(0.0, "Largest norm of the gradients (0: no limit).", old_names=("clip",))
    grad_clip_by: Literal["global", "parameter"] = setting(
        "global",
        "Norm that `grad_clip` limits: of all gradients together, or of each parameter's gradient.",
        old_names=("clip_by",),
    )
    ema_decay: Annotated[float, Range(at_least=0, below=1)] = setting(
        0.0,
        "Decay of a moving average of the weights, which is evaluated instead of them (0: none).",
        old_names=("average",),
    )
    patience: NonNegativeInt = setting(
        0, "Stop after this number of epochs without a lower loss, and keep the weights of the best epoch (0: never)."
    )
    min_epochs: NonNegativeInt = setting(
        0, "Epochs before which `patience` never stops the training.", old_names=("least_epochs",)
    )
    monitor: Literal["validation", "training"] = setting(
        "validation",
        "Loss that `patience` compares: on samples held out of training, or on the training samples.",
        old_names=("watched",),
    )
    holdout_fraction: Annotated[float, Range(above=0, below=1)] = setting(
        0.05,
        "Share of the pool that is held out for `monitor`, where the split has no validation part for it.",
        old_names=("held_out",),
    )
    precision: Literal["auto", "float32", "bfloat16"] = setting(
        "auto", "Precision of training; auto uses bfloat16 where the device is faster with it."
    )
    eval_epochs: Several[PositiveInt] = setting(
        (), "Epochs after which the encoder is evaluated, in addition to the last.", old_names=("snapshots",)
    )
    checkpoint_seconds: NonNegativeFloat = setting(
        60.0, "Seconds between checkpoints; changes no number.", identity=False
    )
    devices: PositiveInt = setting(1, "Devices per machine that share every step.")
    nodes: PositiveInt = setting(1, "Machines that share every step.")
    strategy: Literal["ddp", "fsdp"] = setting(
        "ddp",
        "What each process holds: a copy of everything (ddp), or a part of weights, gradients and moments (fsdp).",
    )
    compile: bool = setting(
        False, "Compile the encoders with torch.compile: faster on GPUs, but takes minutes to start."
    )

    @property
    def processes(self) -> int:
        """Return the number of processes that share a step."""
        return self.devices * self.nodes

    @property
    def has_holdout(self) -> bool:
        """Return whether samples are held out of training to monitor the loss on them."""
        return self.patience > 0 and self.monitor == "validation"

    def with_epochs(self, steps: int) -> TrainSettings:
        """Return settings whose `steps` are converted to epochs of the given number of steps."""
        if not self.steps:
            return self
        epochs = max(1, round(self.steps / steps))
        return replace(self, epochs=epochs, steps=0, warmup_epochs=self.warmup_epochs * epochs / self.epochs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSettings:
    """Settings of the views that encoders receive."""

    size: NonNegativeInt = setting(
        0,
        "Side in pixels of the images that encoders receive (0: the images' own, at most 64; see docs/own-images.md).",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainSettings:
    """Settings of the pretraining data."""

    pool: str = setting(
        "train", "Pretraining data: train (no test image), all (every image, without labels), or the name of a dataset."
    )
    settings: Mapping[str, Any] = setting_from(dict, "Settings of the dataset that `pool` names, as `data` has them.")

    def pool_name(self, title: str, content: Any) -> str:
        """Return the name of the pool in tables; with settings, its title and a digest of its content."""
        digest = hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=3).hexdigest()
        name = "/".join([title, *self.pool.split("/")[1:]])
        return f"{name}-{digest}" if self.is_other_dataset and self.settings else self.pool

    @property
    def is_other_dataset(self) -> bool:
        """Return whether the pool is another dataset than the evaluated one."""
        return self.pool not in ("train", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalitySettings:
    """Settings of one modality."""

    facts: tuple[str, ...] | None = setting(None, "Facts of the modality that reach the method (null: all).")


def problems_of(train: TrainSettings) -> list[str]:
    """Return one message per invalid combination of training settings."""
    shared = train.devices * train.nodes * train.grad_accumulation
    rules = [
        (train.grad_accumulation > train.batch_size, "train.grad_accumulation", "is above train.batch_size. Lower it"),
        (
            train.grad_clip_by == "parameter" and train.strategy == "fsdp",
            "train.grad_clip_by",
            "cannot be combined with train.strategy=fsdp: no process holds a whole gradient. Use train.grad_clip_by=global",
        ),
        (
            train.patience > 0 and (train.ema_decay > 0 or train.strategy == "fsdp"),
            "train.patience",
            f"cannot be combined with {'train.ema_decay' if train.ema_decay else 'train.strategy=fsdp'}: the best weights "
            "could not be restored. Unset one of them",
        ),
        (train.min_epochs > train.epochs, "train.min_epochs", "is above train.epochs. Lower it"),
        (
            train.nesterov and (train.optimizer != "sgd" or train.momentum == 0),
            "train.nesterov",
            "needs train.optimizer=sgd and train.momentum above 0. Set them, or train.nesterov=false",
        ),
        (
            train.strategy == "fsdp" and train.processes == 1,
            "train.strategy",
            "needs several processes. Set train.devices or train.nodes, or use train.strategy=ddp",
        ),
        (
            train.strategy == "fsdp" and train.ema_decay > 0,
            "train.strategy",
            "cannot be combined with train.ema_decay. Use train.strategy=ddp, or train.ema_decay=0",
        ),
        (
            train.processes > 1 and train.batch_size % shared != 0,
            "train.batch_size",
            f"is not a multiple of train.devices x train.nodes x train.grad_accumulation = {shared}. Use a multiple",
        ),
        (
            any(epoch > train.epochs for epoch in train.eval_epochs),
            "train.eval_epochs",
            "has epochs after train.epochs. Remove them",
        ),
        (
            bool(train.eval_epochs) and (train.steps > 0 or train.patience > 0),
            "train.eval_epochs",
            "cannot be combined with train.steps or train.patience: the number of epochs is not fixed. Unset one of them",
        ),
    ]
    values = {path: to_plain(getattr(train, path.removeprefix("train."))) for _, path, _ in rules}
    return [f"{path}={values[path]}: {problem}" for is_wrong, path, problem in rules if is_wrong]
