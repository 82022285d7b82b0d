"""Run the pretrain stage: train a method on its pool, and save its state, snapshots and history."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch

from sslbench.api.modules import Method, TrainedMethod
from sslbench.api.values import Batch, ImageArtifact, Step
from sslbench.config.settings import TrainSettings
from sslbench.config.stage_inputs import PretrainInputs, TrainingInputs
from sslbench.data.keyed_random import CounterRandom
from sslbench.data.table import MODALITY_ENTRY, Pool, Prepared, describe_values
from sslbench.data.views import ViewMaker
from sslbench.environment import seed_everything
from sslbench.progress import TrainingStep
from sslbench.train.build import (
    TrainingData,
    build_augmentation,
    build_method,
    describe_encoders,
    gather_training_data,
    load_method,
    load_training_facts,
    make_context,
    make_views,
    save_method,
    save_training_facts,
)
from sslbench.train.distributed.fabric import make_fabric
from sslbench.train.distributed.fsdp import full_weights, is_sharded
from sslbench.train.distributed.process_group import SingleProcess, current_group
from sslbench.train.distributed.sync_batch_norm import share_statistics
from sslbench.train.feeds import SampleFeed
from sslbench.train.loop import Training, train

MAX_ILLUSTRATED = 16
CHECKPOINT = "training.checkpoint"


def pretrain(
    inputs: PretrainInputs,
    tables: Sequence[Prepared],
    folder: Path,
    on_step: Callable[[TrainingStep], None],
    checkpoint_seconds: float,
) -> None:
    """Train a method, or only build it if it does not train; the other arguments change no number.

    `tables` hold the samples that the inputs name, which may be prepared in any folder; `checkpoint_seconds` only sets how
    much of an interrupted training is repeated. Raises Diverged if the loss is not finite, Unavailable if the method cannot
    be built on this machine.
    """
    data = gather_training_data(inputs, tables)
    if inputs.training is not None and len(data.pool) == 0:
        raise ValueError(
            "the pretraining pool is empty: no sample is left for training. Check splits and pretrain.pool"
        )
    is_new = not (folder / CHECKPOINT).exists()  # a checkpoint replaces all weights
    method = build_method(inputs, data.modalities, data.target, len(data.pool), learned=is_new)
    history: Sequence[Mapping[str, float]] = ()
    speed, seconds, stopping = 0.0, 0.0, dict[str, str]()
    if inputs.training is not None:
        training = _make_training(
            inputs, inputs.training, data, cast(TrainedMethod, method), folder, on_step, checkpoint_seconds
        )
        trained = train(training)
        history, speed, seconds = trained.history, trained.samples_per_second, trained.seconds
        if training.settings.patience:
            outcome = "stopped after" if len(history) < training.settings.epochs else "ran all its"
            stopping = {"training": f"{outcome} {len(history)} epochs, weights of epoch {trained.kept_epoch}"}
    weights = full_weights(method)
    if current_group().rank:
        return
    if is_sharded(method):
        method = build_method(inputs, data.modalities, data.target, len(data.pool), learned=False)
        method.load_state_dict(weights)
    if inputs.training is not None:
        _illustrate(inputs, inputs.training, data, cast(TrainedMethod, method), folder)
    save_method(folder, "method", method, weights)
    save_training_facts(folder, data)
    content = {
        "history": list(history), "notes": {**method.notes(), **stopping},
        "encoders": describe_encoders(method, data.modalities),
        **({} if inputs.pool is None else {"samples": len(data.pool)}),
    }  # fmt: skip
    (folder / "training.json").write_text(json.dumps(content))
    (folder / "speed.json").write_text(
        json.dumps({"samples_per_second": round(speed, 1), "seconds": round(seconds, 1)})
    )


def _make_training(
    inputs: PretrainInputs,
    training: TrainingInputs,
    data: TrainingData,
    method: TrainedMethod,
    folder: Path,
    on_step: Callable[[TrainingStep], None],
    checkpoint_seconds: float,
) -> Training:
    settings, seed = training.settings, inputs.seed
    fabric = make_fabric(settings.precision, settings)
    processes = current_group()
    if processes.size > 1:
        share_statistics(method)
    method.to(fabric.device)
    set_channels_last(inputs, method)
    batch = min(settings.batch_size, len(data.pool))
    if batch % (processes.size * settings.grad_accumulation) and processes.size > 1:
        share = processes.size * settings.grad_accumulation
        raise ValueError(
            f"train.batch_size={settings.batch_size}: the {batch} samples of a step cannot be divided evenly among "
            f"{processes.size} processes with train.grad_accumulation={settings.grad_accumulation}. "
            f"Set it to a multiple of {share} that is at most {len(data.pool)}, the number of training samples"
        )
    feed = SampleFeed(
        pool=data.pool,
        views=_make_views(inputs, data, fabric.device),
        roles=training.roles,
        augmentations=[build_augmentation(one, data.modalities, data.pool) for one in training.augmentations],
        batch_size=batch,
        grad_accumulation=settings.grad_accumulation,
        seed=seed,
        processes=processes,
        labels=data.labels,
    )

    def save_snapshot(epoch: int) -> None:
        weights = full_weights(method) if epoch in settings.eval_epochs else {}
        if weights and processes.rank == 0:
            save_method(folder, f"epoch-{epoch}", method, weights)

    seed_everything(seed, "train", *([processes.rank] if processes.rank else []))
    return Training(
        objective=method,
        feed=feed,
        settings=settings.with_epochs(feed.steps()),
        fabric=fabric,
        processes=processes,
        seed=seed,
        holdout=_make_holdout_feed(inputs, settings, feed, data) if settings.has_holdout else None,
        checkpoint=folder / CHECKPOINT,
        checkpoint_seconds=checkpoint_seconds,
        on_step=on_step,
        on_epoch_end=save_snapshot,
    )


def _make_views(inputs: PretrainInputs, data: TrainingData, device: torch.device) -> ViewMaker:
    is_squashed = inputs.pool is not None and inputs.pool.is_squashed
    return make_views(data.modalities, inputs.seed, device, is_squashed=is_squashed)


def _make_holdout_feed(
    inputs: PretrainInputs, settings: TrainSettings, feed: SampleFeed, data: TrainingData
) -> SampleFeed:
    """Return a feed with the same views of the holdout rows, indexed after the training rows; only whole batches count.

    If there are fewer rows than a batch, the batch is the largest power of two, which suits common numbers of processes.
    """
    rows = len(data.holdout)
    batch = feed.batch_size if rows >= feed.batch_size else 1 << max(rows.bit_length() - 1, 0)
    context = make_context(inputs, inputs.modalities, data.target, len(data.pool))
    problems = list(inputs.spec.check(inputs.method.config, replace(context, batch_size=batch))) if rows > 1 else []
    if rows < 2 or batch % feed.processes.size or problems:
        problem = "; ".join(problems) or f"{rows} validation sample(s) are too few for a validation loss"
        fix = "Raise splits.validation or train.holdout_fraction, or set train.monitor=training"
        raise ValueError(f"train.patience={settings.patience}: {problem}. {fix}")
    return replace(
        feed,
        pool=data.holdout,
        batch_size=batch,
        grad_accumulation=1,
        labels=data.holdout_labels,
        first_index=len(data.pool),
    )


def set_channels_last(inputs: PretrainInputs, method: Method) -> Method:
    """Store weights in the memory format of the modalities: convolutions run faster with channels last."""
    for name in sorted({modality.spec.memory_format for modality in inputs.modalities.values()} - {""}):
        method.to(memory_format=getattr(torch, name))
    return method


def _illustrate(
    inputs: PretrainInputs, training: TrainingInputs, data: TrainingData, method: TrainedMethod, folder: Path
) -> None:
    """Save the method's illustrations for evenly spaced rows outside its pool, or inside if the pool has all rows."""
    table, own = data.pool.members[0]
    outside = np.setdiff1d(np.arange(len(table)), own)
    candidates = outside if len(outside) else own
    rows = candidates[np.unique(np.linspace(0, len(candidates) - 1, MAX_ILLUSTRATED).astype(int))]
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    views = _make_views(inputs, data, device)
    index = torch.from_numpy(rows).to(device)
    plain = views.plain(
        views.natural(Pool(members=[(table, rows)], modalities=inputs.modalities).read(np.arange(len(rows))))
    )
    step = Step(
        index=0,
        total_steps=1,
        epoch=0,
        epochs=1,
        random=CounterRandom.of(index[:1], inputs.seed, "illustrate"),
        processes=SingleProcess(),
    )
    batch = Batch(
        views={name: (plain,) * role.count for name, role in training.roles.items()},
        index=index,
        random=CounterRandom.of(index, inputs.seed, "illustrate"),
    )
    method.eval()
    with torch.no_grad():
        for artifact in method.illustrate(batch, step):
            if not isinstance(artifact, ImageArtifact):
                raise TypeError(f"illustrate() returned a {type(artifact).__name__}. Return ImageArtifact")
            drawn = [m for m in data.modalities.values() if m.layout == artifact.layout]
            described = {"layout": artifact.layout, **(describe_values(drawn[0]) if drawn else {})}
            arrays = {**artifact.arrays, MODALITY_ENTRY: np.array(json.dumps(described))}
            np.savez_compressed(folder / f"illustration-{artifact.name}.npz", **arrays)  # type: ignore[arg-type]


def load_pretrained(inputs: PretrainInputs, folder: Path, epoch: int | None) -> Method:
    """Build a method and load its final state, or that of the snapshot of an epoch."""
    modalities, target, samples = load_training_facts(folder)
    method = build_method(inputs, modalities, target, samples, learned=False)
    loaded = load_method(folder, "method" if epoch is None else f"epoch-{epoch}", method)
    return set_channels_last(inputs, loaded).eval()
