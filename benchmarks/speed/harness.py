"""Trainings without the stages around them: a plan, a pool of noise or of prepared files, the feed, and epochs of it."""

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
from sslbench.config.request import read_request
from sslbench.data.prepare import PrepareJob, prepare
from sslbench.data.table import Column, Pool, Prepared, open_prepared
from sslbench.environment import best_precision, places
from sslbench.progress import TrainingStep
from sslbench.train.build import build_augmentation, build_method, make_views
from sslbench.train.distributed.fabric import make_fabric
from sslbench.train.distributed.process_group import SingleProcess
from sslbench.train.feeds import Pass, SampleFeed
from sslbench.train.loop import Training, TrainingResult, ignore_step, train


def plan_for(request: Mapping[str, Any], *overrides: str) -> Plan:
    """A request's plan on two threads, in the precision that the machine is best at."""
    machine = Machine(threads=2, precision=best_precision())
    tree = read_request(None, request, ["train.epochs=1", *overrides])
    return make_plan(tree, discover(installed_entries()), DatasetCache(places()), machine)


def noise(plan: Plan, rows: int, side: int, file: Path | None = None) -> Pool:
    """Images of noise, whose content changes no time, in memory or mapped from a file."""
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
    """Prepare the plan's dataset into a folder, and open all of it."""
    folder.mkdir(parents=True)
    dataset = plan.pretrain_parts[0].dataset
    job = PrepareJob(name="files", dataset=dataset, settings=plan.prepare, canvas=plan.canvas, groups=())
    prepare(job, folder, lambda done, total: None)
    table = open_prepared(folder, "files")
    return Pool(members=[(table, np.arange(len(table)))], modalities=plan.modalities)


def feed_of(plan: Plan, pool: Pool) -> SampleFeed:
    """Batches of the pool's views, as a training takes them."""
    fabric = make_fabric(plan.train.precision)
    return SampleFeed(
        pool=pool, views=make_views(plan, plan.modalities, 0, fabric.device), roles=plan.roles,
        augmentations=[build_augmentation(a, plan.view, plan.modalities, pool) for a in plan.augmentations],
        batch_size=plan.train.batch_size, grad_accumulation=1, seed=0, processes=SingleProcess(),
    )  # fmt: skip


def method_of(plan: Plan, rows: int) -> TrainedMethod:
    """The plan's method, fresh."""
    method = build_method(plan, plan.modalities, plan.context.target, rows, 0)
    assert isinstance(method, TrainedMethod)
    return method


class CachedFeed:
    """A feed whose first step's views are handed out again and again: nothing is left but the step itself."""

    def __init__(self, feed: SampleFeed) -> None:
        self.passes = next(iter(feed.epoch(0, 0)))
        self.count = feed.steps()
        self.unaugmented_pass = feed.unaugmented_pass

    def steps(self) -> int:
        """As many as the feed has."""
        return self.count

    def epoch(self, epoch: int, start: int) -> Iterator[Sequence[Pass]]:
        """The first step's, again."""
        return iter([self.passes] * self.count)


class TruncatedFeed:
    """A feed of which every epoch ends after some steps: a large set's rates without a large set's time."""

    def __init__(self, feed: SampleFeed, most: int) -> None:
        self.feed, self.count, self.unaugmented_pass = feed, min(most, feed.steps()), feed.unaugmented_pass

    def steps(self) -> int:
        """No more than the feed has."""
        return self.count

    def epoch(self, epoch: int, start: int) -> Iterator[Sequence[Pass]]:
        """The first steps of the feed's."""
        return itertools.islice(self.feed.epoch(epoch, start), self.count - start)


def epoch(
    plan: Plan,
    method: TrainedMethod,
    feed: SampleFeed | CachedFeed | TruncatedFeed,
    epochs: int = 1,
    watch: Callable[[TrainingStep], None] = ignore_step,
) -> TrainingResult:
    """Train for an epoch or more."""
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
