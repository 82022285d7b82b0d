"""The pretrain stage: train a method on its pool (or only build it), and keep its state, snapshots and history."""

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
from sslbench.data.table import Pool, Prepared
from sslbench.environment import seed_everything
from sslbench.progress import TrainingStep
from sslbench.train.build import (
    Material,
    build_augmentation,
    build_method,
    describe_encoders,
    gather_material,
    load_material,
    load_method,
    make_views,
    save_material,
    save_method,
)
from sslbench.train.distributed.fabric import make_fabric
from sslbench.train.distributed.fsdp import sharded, whole_weights
from sslbench.train.distributed.process_group import SingleProcess, world
from sslbench.train.distributed.sync_batch_norm import share_statistics
from sslbench.train.feeds import SampleFeed
from sslbench.train.loop import Training, train

SHOWN = 16


def pretrain(
    plan: Plan, tables: Sequence[Prepared], seed: int, fold: int, folder: Path, watch: Callable[[TrainingStep], None]
) -> None:
    """Make a method's encoders for one seed and fold.

    Raises Diverged when the loss stops being finite, Unavailable when the method cannot be built here.
    """
    material = gather_material(plan, tables, fold)
    if plan.spec.trains and len(material.pool) == 0:
        raise ValueError("no sample to learn from is left in the pool")
    method = build_method(plan, material.modalities, material.target, len(material.pool), seed)
    history: Sequence[Mapping[str, float]] = ()
    rate, seconds, stopped = 0.0, 0.0, dict[str, str]()
    if plan.spec.trains:
        trained = train(_training(plan, material, cast(TrainedMethod, method), seed, folder, watch))
        history, rate, seconds = trained.history, trained.samples_per_second, trained.seconds
        if plan.train.patience:
            most = plan.train.with_epochs(len(material.pool) // min(plan.train.batch_size, len(material.pool))).epochs
            told = "stopped after" if len(history) < most else "ran all its"
            stopped = {"training": f"{told} {len(history)} epochs, weights of epoch {trained.kept}"}
    weights = whole_weights(method)
    if world().rank:
        return
    if sharded(method):
        method = build_method(plan, material.modalities, material.target, len(material.pool), seed, learned=False)
        method.load_state_dict(weights)
    if plan.spec.trains:
        _illustrate(plan, material, cast(TrainedMethod, method), seed, folder)
    save_method(folder, "method", method, weights)
    save_material(folder, material)
    content = {
        "history": list(history), "samples": len(material.pool), "notes": {**method.notes(), **stopped},
        "encoders": describe_encoders(method, material.modalities),
    }  # fmt: skip
    (folder / "training.json").write_text(json.dumps(content))
    (folder / "speed.json").write_text(json.dumps({"samples_per_second": round(rate, 1), "seconds": round(seconds, 1)}))


def _training(
    plan: Plan,
    material: Material,
    method: TrainedMethod,
    seed: int,
    folder: Path,
    watch: Callable[[TrainingStep], None],
) -> Training:
    fabric = make_fabric(plan.train.precision, plan.train)
    here = world()
    if here.size > 1:
        share_statistics(method)
    method.to(fabric.device)
    channels_last(plan, method)
    batch = min(plan.train.batch_size, len(material.pool))
    if batch % (here.size * plan.train.grad_accumulation) and here.size > 1:
        raise ValueError(f"{batch} samples cannot be shared evenly by {here.size} processes; lower train.batch_size")
    built = [build_augmentation(a, plan.view, material.modalities, material.pool) for a in plan.augmentations]
    feed = SampleFeed(
        pool=material.pool,
        views=make_views(plan, material.modalities, seed, fabric.device),
        roles=plan.roles,
        augmentations=built,
        batch=batch,
        accumulate=plan.train.grad_accumulation,
        seed=seed,
        world=here,
        labels=material.labels,
    )

    def ended(epoch: int) -> None:
        weights = whole_weights(method) if epoch in plan.train.eval_epochs else {}
        if weights and here.rank == 0:
            save_method(folder, f"epoch-{epoch}", method, weights)

    seed_everything(seed, "train", *([here.rank] if here.rank else []))
    return Training(
        objective=method,
        feed=feed,
        settings=plan.train.with_epochs(feed.steps()),
        fabric=fabric,
        world=here,
        seed=seed,
        held=_held(plan, feed, material) if plan.train.has_holdout else None,
        checkpoint=folder / "training.checkpoint",
        watch=watch,
        epoch_ended=ended,
    )


def _held(plan: Plan, feed: SampleFeed, material: Material) -> SampleFeed:
    """The same views of rows that are not learned from, numbered behind those that are; only whole batches count.

    Of fewer rows than a batch has, a power of two is taken, so that it is one for any usual number of processes.
    """
    rows = len(material.held)
    batch = feed.batch if rows >= feed.batch else 1 << max(rows.bit_length() - 1, 0)
    wrong = list(plan.spec.check(plan.method.config, replace(plan.context, batch_size=batch))) if rows > 1 else []
    if rows < 2 or batch % feed.world.size or wrong:
        told = "; ".join(wrong) or f"{rows} row(s) are left to watch the loss on"
        raise ValueError(f"train.patience: {told}; raise splits.validation or train.holdout_fraction")
    return replace(
        feed, pool=material.held, batch=batch, accumulate=1, labels=material.held_labels, first=len(material.pool)
    )


def channels_last(plan: Plan, method: Method) -> Method:
    """Lay a image method's weights out as its convolutions like them."""
    if any(modality.layout == "image" for modality in plan.modalities.values()):
        method.to(memory_format=torch.channels_last)
    return method


def _illustrate(plan: Plan, material: Material, method: TrainedMethod, seed: int, folder: Path) -> None:
    """Let the method show what it learned on rows from all over what is outside its pool, or inside where all are in it."""
    table, own = material.pool.members[0]
    outside = np.setdiff1d(np.arange(len(table)), own)
    held = outside if len(outside) else own
    rows = held[np.unique(np.linspace(0, len(held) - 1, SHOWN).astype(int))]
    device = next((p.device for p in method.parameters()), torch.device("cpu"))
    views = make_views(plan, material.modalities, seed, device)
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
        views={role: (plain,) * wanted.count for role, wanted in plan.roles.items()},
        index=index,
        random=CounterRandom.of(index, seed, "illustrate"),
    )
    method.eval()
    with torch.no_grad():
        for artifact in method.illustrate(batch, step):
            if isinstance(artifact, ImageArtifact):
                np.savez_compressed(folder / f"illustration-{artifact.name}.npz", **dict(artifact.arrays))  # type: ignore[arg-type]


def reopen(plan: Plan, seed: int, folder: Path, epoch: int | None) -> Method:
    """Build a method again and put its state back: the last, or a snapshot's."""
    modalities, target, samples = load_material(folder)
    method = build_method(plan, modalities, target, samples, seed, learned=False)
    loaded = load_method(folder, "method" if epoch is None else f"epoch-{epoch}", method)
    return channels_last(plan, loaded).eval()
