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
from sslbench.config.plan import Plan
from sslbench.data.keyed_random import CounterRandom
from sslbench.data.table import LAYOUT_ENTRY, Pool, Prepared
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


def pretrain(
    plan: Plan, tables: Sequence[Prepared], seed: int, fold: int, folder: Path, on_step: Callable[[TrainingStep], None]
) -> None:
    """Train a method for one seed and fold, or only build it if it does not train.

    Raises Diverged if the loss is not finite, Unavailable if the method cannot be built on this machine.
    """
    data = gather_training_data(plan, tables, fold)
    if plan.spec.trains and len(data.pool) == 0:
        raise ValueError(
            "the pretraining pool is empty: no sample is left for training. Check splits and pretrain.pool"
        )
    method = build_method(plan, data.modalities, data.target, len(data.pool), seed)
    history: Sequence[Mapping[str, float]] = ()
    speed, seconds, stopping = 0.0, 0.0, dict[str, str]()
    if plan.spec.trains:
        trained = train(_make_training(plan, data, cast(TrainedMethod, method), seed, folder, on_step))
        history, speed, seconds = trained.history, trained.samples_per_second, trained.seconds
        if plan.train.patience:
            max_epochs = plan.train.with_epochs(len(data.pool) // min(plan.train.batch_size, len(data.pool))).epochs
            outcome = "stopped after" if len(history) < max_epochs else "ran all its"
            stopping = {"training": f"{outcome} {len(history)} epochs, weights of epoch {trained.kept_epoch}"}
    weights = full_weights(method)
    if current_group().rank:
        return
    if is_sharded(method):
        method = build_method(plan, data.modalities, data.target, len(data.pool), seed, learned=False)
        method.load_state_dict(weights)
    if plan.spec.trains:
        _illustrate(plan, data, cast(TrainedMethod, method), seed, folder)
    save_method(folder, "method", method, weights)
    save_training_facts(folder, data)
    content = {
        "history": list(history), "samples": len(data.pool), "notes": {**method.notes(), **stopping},
        "encoders": describe_encoders(method, data.modalities),
    }  # fmt: skip
    (folder / "training.json").write_text(json.dumps(content))
    (folder / "speed.json").write_text(
        json.dumps({"samples_per_second": round(speed, 1), "seconds": round(seconds, 1)})
    )


def _make_training(
    plan: Plan,
    data: TrainingData,
    method: TrainedMethod,
    seed: int,
    folder: Path,
    on_step: Callable[[TrainingStep], None],
) -> Training:
    fabric = make_fabric(plan.train.precision, plan.train)
    processes = current_group()
    if processes.size > 1:
        share_statistics(method)
    method.to(fabric.device)
    set_channels_last(plan, method)
    batch = min(plan.train.batch_size, len(data.pool))
    if batch % (processes.size * plan.train.grad_accumulation) and processes.size > 1:
        raise ValueError(
            f"train.batch_size: {batch} samples per step cannot be divided evenly among {processes.size} processes with"
            f" train.grad_accumulation={plan.train.grad_accumulation}. Lower train.batch_size"
        )
    built = [build_augmentation(a, plan.view, data.modalities, data.pool) for a in plan.augmentations]
    feed = SampleFeed(
        pool=data.pool,
        views=make_views(plan, data.modalities, seed, fabric.device),
        roles=plan.roles,
        augmentations=built,
        batch_size=batch,
        grad_accumulation=plan.train.grad_accumulation,
        seed=seed,
        processes=processes,
        labels=data.labels,
    )

    def save_snapshot(epoch: int) -> None:
        weights = full_weights(method) if epoch in plan.train.eval_epochs else {}
        if weights and processes.rank == 0:
            save_method(folder, f"epoch-{epoch}", method, weights)

    seed_everything(seed, "train", *([processes.rank] if processes.rank else []))
    return Training(
        objective=method,
        feed=feed,
        settings=plan.train.with_epochs(feed.steps()),
        fabric=fabric,
        processes=processes,
        seed=seed,
        holdout=_make_holdout_feed(plan, feed, data) if plan.train.has_holdout else None,
        checkpoint=folder / "training.checkpoint",
        on_step=on_step,
        on_epoch_end=save_snapshot,
    )


def _make_holdout_feed(plan: Plan, feed: SampleFeed, data: TrainingData) -> SampleFeed:
    """Return a feed with the same views of the holdout rows, indexed after the training rows; only whole batches count.

    If there are fewer rows than a batch, the batch is the largest power of two, which suits common numbers of processes.
    """
    rows = len(data.holdout)
    batch = feed.batch_size if rows >= feed.batch_size else 1 << max(rows.bit_length() - 1, 0)
    problems = list(plan.spec.check(plan.method.config, replace(plan.context, batch_size=batch))) if rows > 1 else []
    if rows < 2 or batch % feed.processes.size or problems:
        problem = "; ".join(problems) or f"{rows} row(s) are too few for the validation loss"
        raise ValueError(
            f"train.patience={plan.train.patience}: {problem}. Raise splits.validation or train.holdout_fraction"
        )
    return replace(
        feed,
        pool=data.holdout,
        batch_size=batch,
        grad_accumulation=1,
        labels=data.holdout_labels,
        first_index=len(data.pool),
    )


def set_channels_last(plan: Plan, method: Method) -> Method:
    """Store weights in the memory format of the modalities: convolutions run faster with channels last."""
    for name in sorted({modality.spec.memory_format for modality in plan.modalities.values()} - {""}):
        method.to(memory_format=getattr(torch, name))
    return method


def _illustrate(plan: Plan, data: TrainingData, method: TrainedMethod, seed: int, folder: Path) -> None:
    """Save the method's illustrations for evenly spaced rows outside its pool, or inside if the pool has all rows."""
    table, own = data.pool.members[0]
    outside = np.setdiff1d(np.arange(len(table)), own)
    candidates = outside if len(outside) else own
    rows = candidates[np.unique(np.linspace(0, len(candidates) - 1, MAX_ILLUSTRATED).astype(int))]
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    views = make_views(plan, data.modalities, seed, device)
    index = torch.from_numpy(rows).to(device)
    plain = views.plain(
        views.natural(Pool(members=[(table, rows)], modalities=plan.modalities).read(np.arange(len(rows))))
    )
    step = Step(
        index=0,
        total_steps=1,
        epoch=0,
        epochs=1,
        random=CounterRandom.of(index[:1], seed, "illustrate"),
        processes=SingleProcess(),
    )
    batch = Batch(
        views={name: (plain,) * role.count for name, role in plan.roles.items()},
        index=index,
        random=CounterRandom.of(index, seed, "illustrate"),
    )
    method.eval()
    with torch.no_grad():
        for artifact in method.illustrate(batch, step):
            if isinstance(artifact, ImageArtifact):
                arrays = {**artifact.arrays, LAYOUT_ENTRY: np.array(artifact.layout)}
                np.savez_compressed(folder / f"illustration-{artifact.name}.npz", **arrays)  # type: ignore[arg-type]


def load_pretrained(plan: Plan, seed: int, folder: Path, epoch: int | None) -> Method:
    """Build a method and load its final state, or that of the snapshot of an epoch."""
    modalities, target, samples = load_training_facts(folder)
    method = build_method(plan, modalities, target, samples, seed, learned=False)
    loaded = load_method(folder, "method" if epoch is None else f"epoch-{epoch}", method)
    return set_channels_last(plan, loaded).eval()
