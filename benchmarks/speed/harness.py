"""Train without the surrounding stages: a plan, a pool of noise or prepared files, the feed, and epochs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sslbench.api.modules import TrainedMethod
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, Plan, make_plan
from sslbench.config.plan_stages import split_plan
from sslbench.config.request import read_request
from sslbench.data.prepare import prepare
from sslbench.data.table import Column, Pool, Prepared, open_prepared
from sslbench.environment import best_precision, places
from sslbench.progress import TrainingStep
from sslbench.train.build import build_augmentation, build_method, make_views
from sslbench.train.distributed.fabric import make_fabric
from sslbench.train.distributed.process_group import SingleProcess
from sslbench.train.feeds import Pass, SampleFeed
from sslbench.train.loop import Training, TrainingResult, ignore_step, train


def plan_for(request: Mapping[str, Any], *overrides: str) -> Plan:
    """Plan a request on two threads, in the machine's best precision."""
    machine = Machine(threads=2, precision=best_precision())
    tree = read_request(None, request, ["train.epochs=1", *overrides])
    return make_plan(tree, discover(installed_entries()), DatasetCache(places()), machine)


def noise(plan: Plan, rows: int, side: int, file: Path | None = None) -> Pool:
    """Make a pool of noise images, whose content does not affect the time, in memory or mapped from a file."""
    rng, shape = np.random.default_rng(0), (rows, plan.modalities["image"].shape[0], side, side)
    if file is None:
        images = rng.integers(0, 256, shape, dtype=np.uint8)
    else:
        written = np.lib.format.open_memmap(file, "w+", np.uint8, shape)
        for start in range(0, rows, 4096):
            piece = written[start : start + 4096]
            piece[:] = rng.integers(0, 256, piece.shape, dtype=np.uint8)
        written.flush()
        images = np.load(file, mmap_mode="r")
    chosen = np.arange(rows)
    table = Prepared(
        key="noise", name="noise", modalities=plan.modalities, target=plan.context.target, labels=np.full(rows, -1),
        columns={},
        data={"image": Column(values=images)}, kept=chosen,
    )  # fmt: skip
    return Pool(members=[(table, chosen)], modalities=plan.modalities)


def from_files(plan: Plan, folder: Path) -> Pool:
    """Prepare the plan's dataset in a folder, and open all of it."""
    folder.mkdir(parents=True)
    prepare(split_plan(plan).pool[0].prepare, "files", folder, lambda done, total: None)
    table = open_prepared(folder, "files")
    return Pool(members=[(table, np.arange(len(table)))], modalities=plan.modalities)


def feed_of(plan: Plan, pool: Pool) -> SampleFeed:
    """Return the feed of the pool's views, as in a training."""
    fabric = make_fabric(plan.train.precision)
    return SampleFeed(
        pool=pool, views=make_views(plan.modalities, 0, fabric.device, is_squashed=False), roles=plan.roles,
        augmentations=[build_augmentation(a.reset_unused(plan.view), plan.modalities, pool) for a in plan.augmentations],
        batch_size=plan.train.batch_size, grad_accumulation=1, seed=0, processes=SingleProcess(),
    )  # fmt: skip


def method_of(plan: Plan, rows: int) -> TrainedMethod:
    """Build the plan's method."""
    inputs = split_plan(plan).trainings[0].pretrain
    method = build_method(inputs, inputs.modalities, plan.context.target, rows)
    assert isinstance(method, TrainedMethod)
    return method


class CachedFeed:
    """A feed that repeats the views of its first step, so that only the step itself is measured."""

    def __init__(self, feed: SampleFeed) -> None:
        self.passes = next(iter(feed.epoch(0, 0)))
        self.count = feed.steps()
        self.unaugmented_pass = feed.unaugmented_pass

    def steps(self) -> int:
        """Return the number of steps of the feed."""
        return self.count

    def epoch(self, epoch: int, start: int) -> Iterator[Sequence[Pass]]:
        """Yield the first step repeatedly."""
        return iter([self.passes] * self.count)


class TruncatedFeed:
    """A feed whose epochs end after some steps, to measure a large dataset in little time."""

    def __init__(self, feed: SampleFeed, max_steps: int) -> None:
        self.feed, self.count, self.unaugmented_pass = feed, min(max_steps, feed.steps()), feed.unaugmented_pass

    def steps(self) -> int:
        """Return the number of steps, at most that of the feed."""
        return self.count

    def epoch(self, epoch: int, start: int) -> Iterator[Sequence[Pass]]:
        """Yield the first steps of the feed."""
        return itertools.islice(self.feed.epoch(epoch, start), self.count - start)


def epoch(
    plan: Plan,
    method: TrainedMethod,
    feed: SampleFeed | CachedFeed | TruncatedFeed,
    epochs: int = 1,
    watch: Callable[[TrainingStep], None] = ignore_step,
) -> TrainingResult:
    """Train for one or more epochs."""
    settings = replace(plan.train, epochs=epochs)
    fabric = make_fabric(plan.train.precision)
    return train(
        Training(
            objective=method,
            feed=feed,
            settings=settings,
            fabric=fabric,
            processes=SingleProcess(),
            seed=0,
            on_step=watch,
        )
    )
