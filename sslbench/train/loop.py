"""Run the training loop, which methods and the heads of protocols share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sslbench import environment
from sslbench.api.errors import Diverged
from sslbench.api.modules import Backbone, Objective
from sslbench.api.values import Batch, Loss, Step
from sslbench.config.settings import TrainSettings
from sslbench.data.keyed_random import CounterRandom
from sslbench.progress import TrainingStep
from sslbench.train import interrupt
from sslbench.train.checkpoint import Progress, load_checkpoint, save_checkpoint
from sslbench.train.distributed.lightning import Fabric
from sslbench.train.distributed.process_group import Processes
from sslbench.train.feeds import Feed, Pass
from sslbench.train.malloc import retain_freed_memory
from sslbench.train.optimizers import build_optimizer, clip_each_gradient, set_lr_and_decay


def ignore_step(step: TrainingStep) -> None:
    """Do nothing after a step."""


def ignore_epoch_end(epoch: int) -> None:
    """Do nothing after an epoch."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Training:
    """One training: the objective, its data, settings, checkpoint and callbacks.

    `holdout` feeds the rows on which the validation loss for early stopping is computed.
    """

    objective: Objective
    feed: Feed
    settings: TrainSettings
    fabric: Fabric
    processes: Processes
    seed: int
    holdout: Feed | None = None
    checkpoint: Path | None = None
    checkpoint_seconds: float = TrainSettings().checkpoint_seconds
    on_step: Callable[[TrainingStep], None] = ignore_step
    on_epoch_end: Callable[[int], None] = ignore_epoch_end


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """The results of a training other than its weights: epoch averages, cost, and the epoch whose weights were kept."""

    history: Sequence[Mapping[str, float]]
    seconds: float
    samples_per_second: float
    kept_epoch: int


class FabricModule(nn.Module):
    """A module around an objective for Fabric, which accepts closures and tensors but not frozen dataclasses."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, call: Callable[[Objective], Tensor]) -> Tensor:
        """Call a closure with the objective, so that a loss passes through the wrappers of Fabric."""
        return call(self.objective)


def should_stop(settings: TrainSettings, progress: Progress) -> bool:
    """Return True if the loss has not fallen for `patience` epochs and `min_epochs` are over."""
    epochs_since_best = progress.epoch - progress.best_epoch
    return 0 < settings.patience <= epochs_since_best and progress.epoch >= settings.min_epochs


def train(training: Training) -> TrainingResult:
    """Train to the last epoch, or until the loss stops falling, from the checkpoint if there is one.

    Raises Diverged at the first loss that is not finite.
    """
    with (
        retain_freed_memory() if training.fabric.device.type == "cpu" else nullcontext(),
        interrupt.finish_step_first(),
    ):
        return _Loop(training).run()


@dataclass(slots=True)
class _Loop:
    training: Training
    module: Any = field(init=False)
    torch_optimizer: torch.optim.Optimizer = field(init=False)
    optimizer: Any = field(init=False)
    average: AveragedModel | None = field(init=False)
    progress: Progress = field(init=False)
    saved_at: float = field(init=False)
    started_at: float = field(init=False)
    earlier_seconds: float = field(init=False)
    samples_done: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        training = self.training
        if training.settings.compile:
            for encoder in [module for module in training.objective.modules() if isinstance(module, Backbone)]:
                encoder.compile()
        self.module = training.fabric.setup_module(FabricModule(training.objective))
        self.torch_optimizer = build_optimizer(training.objective, training.settings)
        self.optimizer = training.fabric.setup_optimizers(self.torch_optimizer)
        decay = training.settings.ema_decay
        make_average: Any = get_ema_multi_avg_fn
        self.average = AveragedModel(training.objective, multi_avg_fn=make_average(decay)) if decay else None
        self.progress = Progress()
        if training.checkpoint is not None:
            self.progress = load_checkpoint(
                training.checkpoint, training.objective, self.torch_optimizer, self.average, training.processes
            )
        self.saved_at = self.started_at = environment.stopwatch()
        self.earlier_seconds = self.progress.seconds

    def run(self) -> TrainingResult:
        training, progress = self.training, self.progress
        while progress.epoch < training.settings.epochs and not should_stop(training.settings, progress):
            self._epoch()
        if self.average is not None:
            training.objective.load_state_dict(self.average.module.state_dict())
        if progress.best:
            training.objective.load_state_dict(progress.best)
        seconds = environment.stopwatch() - self.started_at
        speed = self.samples_done / max(seconds, 1e-9)
        return TrainingResult(
            history=progress.history, seconds=self.earlier_seconds + seconds, samples_per_second=speed,
            kept_epoch=progress.best_epoch or progress.epoch,
        )  # fmt: skip

    def _epoch(self) -> None:
        training, progress = self.training, self.progress
        objective = training.objective
        if not progress.began:
            self._before_epoch()
            progress.began, progress.sums = True, {}
        objective.train()
        steps = training.feed.steps()
        for passes in training.feed.epoch(progress.epoch, progress.step):
            total = self._step(passes, self._make_step())
            progress.step += 1
            self._report(total, passes)
            self._save(last=False)
        names = sorted(progress.sums)
        means = training.processes.mean([progress.sums[name] for name in names])
        progress.history.append({name: value / steps for name, value in zip(names, means, strict=True)})
        progress.epoch, progress.step, progress.began = progress.epoch + 1, 0, False
        if training.settings.patience:
            self._keep_if_best()
        training.on_epoch_end(progress.epoch)
        self._save(last=progress.epoch == training.settings.epochs or should_stop(training.settings, progress))

    def _keep_if_best(self) -> None:
        """Keep a copy of the weights if their loss is the lowest so far. Raises Diverged if it is not finite."""
        training, progress = self.training, self.progress
        latest = progress.history[-1]
        if training.holdout is not None:
            latest["validation_loss"] = self._holdout_loss(training.holdout)
        loss = latest["loss" if training.holdout is None else "validation_loss"]
        if not math.isfinite(loss):
            raise Diverged(self._make_step().index, loss)
        if loss < progress.least:
            progress.least, progress.best_epoch = loss, progress.epoch
            progress.best = {name: x.detach().clone() for name, x in training.objective.state_dict().items()}

    def _holdout_loss(self, feed: Feed) -> float:
        """Return the mean loss on holdout rows, always with the order and views of the first epoch."""
        objective, losses = self.training.objective, []
        objective.eval()
        with torch.no_grad():
            for passes in feed.epoch(0, 0):
                for weight, batch in (pair for part in passes for pair in part):
                    losses.append(float(self._loss(batch, self._make_step())[0].total) * weight)
        objective.train()
        return self.training.processes.mean([sum(losses) / feed.steps()])[0]

    def _before_epoch(self) -> None:
        objective = self.training.objective
        mode = objective.training
        step, unaugmented = self._make_step(), self.training.feed.unaugmented_pass()

        def call(objective: Objective) -> Tensor:
            objective.before_epoch(step, unaugmented)
            return torch.zeros((), device=self.training.fabric.device)

        with torch.no_grad():
            self.module(call)
        objective.train(mode)

    def _make_step(self) -> Step:
        training, progress = self.training, self.progress
        steps = training.feed.steps()
        index = progress.epoch * steps + progress.step
        key = torch.tensor([index], device=training.fabric.device)
        return Step(
            index=index,
            total_steps=training.settings.epochs * steps,
            epoch=progress.epoch,
            epochs=training.settings.epochs,
            random=CounterRandom.of(key, training.seed, "step"),
            processes=training.processes,
        )

    def _step(self, passes: Sequence[Pass], step: Step) -> float:
        training, settings = self.training, self.training.settings
        self.optimizer.zero_grad(set_to_none=True)
        carries: list[Mapping[str, Tensor]] = []
        total = 0.0
        batches = [pair for part in passes for pair in part]
        for place, (weight, batch) in enumerate(batches):
            with training.fabric.no_backward_sync(self.module, enabled=place < len(batches) - 1):
                loss, root = self._loss(batch, step)
                training.fabric.backward(root * weight)
            carries.append(loss.carry)
            total += float(loss.total.detach()) * weight
            self._add_to_sums(loss, weight)
        total = training.processes.mean([total])[0]
        if not math.isfinite(total):
            raise Diverged(step.index, total)
        set_lr_and_decay(self.optimizer, settings, step.epoch + self.progress.step / training.feed.steps())
        if settings.grad_clip > 0 and settings.grad_clip_by == "parameter":
            clip_each_gradient(training.objective.parameters(), settings.grad_clip)
        elif settings.grad_clip > 0:
            training.fabric.clip_gradients(self.module, self.optimizer, max_norm=settings.grad_clip)
        self.optimizer.step()
        with torch.no_grad():
            training.objective.after_step(step, carries)
        if self.average is not None:
            self.average.update_parameters(training.objective)
        return total

    def _loss(self, batch: Batch, step: Step) -> tuple[Loss, Tensor]:
        """Return the objective's loss, and the tensor for the backward pass, which Fabric may have rounded."""
        losses: list[Loss] = []

        def call(objective: Objective) -> Tensor:
            losses.append(objective.loss(batch, step))
            return losses[0].total

        total = self.module(call)
        return losses[0], total

    def _add_to_sums(self, loss: Loss, share: float) -> None:
        sums = self.progress.sums
        for name, term in {"loss": loss.total, **loss.terms}.items():
            sums[name] = sums.get(name, 0.0) + float(term.detach()) * share

    def _report(self, total: float, passes: Sequence[Pass]) -> None:
        training, progress = self.training, self.progress
        self.samples_done += sum(len(part[0][1].index) for part in passes) * training.processes.size
        training.on_step(
            TrainingStep(
                epoch=progress.epoch + 1,
                epochs=training.settings.epochs,
                step=progress.step,
                steps=training.feed.steps(),
                loss=total,
                samples_per_second=self.samples_done / max(environment.stopwatch() - self.started_at, 1e-9),
            )
        )

    def _save(self, *, last: bool) -> None:
        """Write a checkpoint if one is due. Raises Interrupted after a checkpoint that a signal requested."""
        training, now = self.training, environment.stopwatch()
        if is_interrupted := interrupt.is_requested():
            interrupt.stop_timer()
        is_due = last or is_interrupted or now - self.saved_at >= training.checkpoint_seconds
        if training.checkpoint is not None and training.processes.broadcast_flag(is_due):
            self.saved_at = now
            self.progress.seconds = self.earlier_seconds + now - self.started_at
            save_checkpoint(
                training.checkpoint,
                self.progress,
                training.objective,
                self.torch_optimizer,
                self.average,
                training.processes,
            )
        if is_interrupted:
            interrupt.raise_interrupted()
