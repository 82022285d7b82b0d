"""The one training loop: methods and protocols' heads run through it. It knows objectives and feeds, nothing else."""

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
from sslbench.train.malloc import kept_heap
from sslbench.train.optimizers import build_optimizer, clip_each_gradient, set_rates


def silent(moment: TrainingStep) -> None:
    """Watch nothing."""


def no_end(epoch: int) -> None:
    """Do nothing at an epoch's end."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Training:
    """One objective's training: what, on what, how, where it is saved, and who watches; `held` feeds what is watched
    to stop early.
    """

    objective: Objective
    feed: Feed
    settings: TrainSettings
    fabric: Fabric
    world: Processes
    seed: int
    held: Feed | None = None
    checkpoint: Path | None = None
    watch: Callable[[TrainingStep], None] = silent
    epoch_ended: Callable[[int], None] = no_end


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training left beside the weights: epoch averages, what it cost, and the epoch whose weights were kept."""

    history: Sequence[Mapping[str, float]]
    seconds: float
    samples_per_second: float
    kept: int


class FabricModule(nn.Module):
    """Lets Fabric wrap an objective: it refuses frozen dataclasses going in and out, but a closure and a tensor pass."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, call: Callable[[Objective], Tensor]) -> Tensor:
        return call(self.objective)


def stale(settings: TrainSettings, progress: Progress) -> bool:
    """Whether the loss has not fallen for as many epochs as patience lasts, and the least number of epochs is over."""
    waited = progress.epoch - progress.best_epoch
    return 0 < settings.patience <= waited and progress.epoch >= settings.min_epochs


def train(training: Training) -> Trained:
    """Train to the last epoch, or until the loss has stopped falling, from the checkpoint if there is one.

    Raises Diverged at the first loss that is not finite.
    """
    with kept_heap() if training.fabric.device.type == "cpu" else nullcontext(), interrupt.awaited():
        return _Loop(training).run()


@dataclass(slots=True)
class _Loop:
    training: Training
    doorway: Any = field(init=False)
    raw: torch.optim.Optimizer = field(init=False)
    optimizer: Any = field(init=False)
    average: AveragedModel | None = field(init=False)
    progress: Progress = field(init=False)
    saved: float = field(init=False)
    began: float = field(init=False)
    before: float = field(init=False)
    done: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        training = self.training
        if training.settings.compile:
            for encoder in [module for module in training.objective.modules() if isinstance(module, Backbone)]:
                encoder.compile()
        self.doorway = training.fabric.setup_module(FabricModule(training.objective))
        self.raw = build_optimizer(training.objective, training.settings)
        self.optimizer = training.fabric.setup_optimizers(self.raw)
        decay = training.settings.ema_decay
        moving: Any = get_ema_multi_avg_fn
        self.average = AveragedModel(training.objective, multi_avg_fn=moving(decay)) if decay else None
        self.progress = Progress()
        if training.checkpoint is not None:
            self.progress = load_checkpoint(
                training.checkpoint, training.objective, self.raw, self.average, training.world
            )
        self.saved = self.began = environment.stopwatch()
        self.before = self.progress.seconds

    def run(self) -> Trained:
        training, progress = self.training, self.progress
        while progress.epoch < training.settings.epochs and not stale(training.settings, progress):
            self._epoch()
        if self.average is not None:
            training.objective.load_state_dict(self.average.module.state_dict())
        if progress.best:
            training.objective.load_state_dict(progress.best)
        seconds = environment.stopwatch() - self.began
        rate = self.done / max(seconds, 1e-9)
        return Trained(
            history=progress.history, seconds=self.before + seconds, samples_per_second=rate,
            kept=progress.best_epoch or progress.epoch,
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
            total = self._step(passes, self._now())
            progress.step += 1
            self._report(total, passes)
            self._save(last=False)
        names = sorted(progress.sums)
        means = training.world.mean([progress.sums[name] for name in names])
        progress.history.append({name: value / steps for name, value in zip(names, means, strict=True)})
        progress.epoch, progress.step, progress.began = progress.epoch + 1, 0, False
        if training.settings.patience:
            self._compare()
        training.epoch_ended(progress.epoch)
        self._save(last=progress.epoch == training.settings.epochs or stale(training.settings, progress))

    def _compare(self) -> None:
        """Remember the weights if none before had a smaller loss; raises Diverged for one that is not finite."""
        training, progress = self.training, self.progress
        latest = progress.history[-1]
        if training.held is not None:
            latest["validation_loss"] = self._held_loss(training.held)
        found = latest["loss" if training.held is None else "validation_loss"]
        if not math.isfinite(found):
            raise Diverged(self._now().index, found)
        if found < progress.least:
            progress.least, progress.best_epoch = found, progress.epoch
            progress.best = {name: x.detach().clone() for name, x in training.objective.state_dict().items()}

    def _held_loss(self, feed: Feed) -> float:
        """The mean loss on rows that are not learned from; the first epoch's order and views whenever it is asked for."""
        objective, losses = self.training.objective, []
        objective.eval()
        with torch.no_grad():
            for passes in feed.epoch(0, 0):
                for weight, batch in (pair for part in passes for pair in part):
                    losses.append(float(self._loss(batch, self._now())[0].total) * weight)
        objective.train()
        return self.training.world.mean([sum(losses) / feed.steps()])[0]

    def _before_epoch(self) -> None:
        objective = self.training.objective
        mode = objective.training
        now, survey = self._now(), self.training.feed.survey()

        def act(objective: Objective) -> Tensor:
            objective.before_epoch(now, survey)
            return torch.zeros((), device=self.training.fabric.device)

        with torch.no_grad():
            self.doorway(act)
        objective.train(mode)

    def _now(self) -> Step:
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
            processes=training.world,
        )

    def _step(self, passes: Sequence[Pass], step: Step) -> float:
        training, settings = self.training, self.training.settings
        self.optimizer.zero_grad(set_to_none=True)
        carries: list[Mapping[str, Tensor]] = []
        total = 0.0
        batches = [pair for part in passes for pair in part]
        for place, (weight, batch) in enumerate(batches):
            with training.fabric.no_backward_sync(self.doorway, enabled=place < len(batches) - 1):
                loss, root = self._loss(batch, step)
                training.fabric.backward(root * weight)
            carries.append(loss.carry)
            total += float(loss.total.detach()) * weight
            self._remember(loss, weight)
        total = training.world.mean([total])[0]
        if not math.isfinite(total):
            raise Diverged(step.index, total)
        set_rates(self.optimizer, settings, step.epoch + self.progress.step / training.feed.steps())
        if settings.grad_clip > 0 and settings.grad_clip_by == "parameter":
            clip_each_gradient(training.objective.parameters(), settings.grad_clip)
        elif settings.grad_clip > 0:
            training.fabric.clip_gradients(self.doorway, self.optimizer, max_norm=settings.grad_clip)
        self.optimizer.step()
        with torch.no_grad():
            training.objective.after_step(step, carries)
        if self.average is not None:
            self.average.update_parameters(training.objective)
        return total

    def _loss(self, batch: Batch, step: Step) -> tuple[Loss, Tensor]:
        """The loss as the objective gave it, and the root to go backward from: Fabric rounds what leaves a module."""
        losses: list[Loss] = []

        def call(objective: Objective) -> Tensor:
            losses.append(objective.loss(batch, step))
            return losses[0].total

        total = self.doorway(call)
        return losses[0], total

    def _remember(self, loss: Loss, share: float) -> None:
        sums = self.progress.sums
        for name, term in {"loss": loss.total, **loss.terms}.items():
            sums[name] = sums.get(name, 0.0) + float(term.detach()) * share

    def _report(self, total: float, passes: Sequence[Pass]) -> None:
        training, progress = self.training, self.progress
        self.done += sum(len(part[0][1].index) for part in passes) * training.world.size
        training.watch(
            TrainingStep(
                epoch=progress.epoch + 1,
                epochs=training.settings.epochs,
                step=progress.step,
                steps=training.feed.steps(),
                loss=total,
                samples_per_second=self.done / max(environment.stopwatch() - self.began, 1e-9),
            )
        )

    def _save(self, *, last: bool) -> None:
        """Write a checkpoint where one is due; raises Interrupted after one that a signal asked for."""
        training, now = self.training, environment.stopwatch()
        if ends := interrupt.is_requested():
            interrupt.stop_clock()
        due = last or ends or now - self.saved >= training.settings.checkpoint_seconds
        if training.checkpoint is not None and training.world.agreed(due):
            self.saved = now
            self.progress.seconds = self.before + now - self.began
            save_checkpoint(
                training.checkpoint, self.progress, training.objective, self.raw, self.average, training.world
            )
        if ends:
            interrupt.leave()
