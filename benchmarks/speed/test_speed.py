"""Training against its own compute, batched views against torchvision's, and start-up against importing torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.parts import Shelf
from sslbench.config.plan import Machine, Plan, make_plan
from sslbench.config.request import read_request
from sslbench.data.table import Column, Pool, Prepared
from sslbench.environment import best_precision, places
from sslbench.train.build import build_augmentation, build_method, make_views
from sslbench.train.feeds import SampleFeed
from sslbench.train.loop import Training, make_fabric, train
from sslbench.train.world import Alone

from .conftest import alternately

SIDE, ROWS, BATCH = 32, 2048, 256


def a_plan(*overrides: str) -> Plan:
    """SimCLR on digits, whose pool is then replaced by pictures of 32 px."""
    request = {"method": {"name": "simclr"}, "data": {"name": "digits"}}
    settings = [
        f"view.size={SIDE}",
        "prepare.size=32",
        f"train.batch={BATCH}",
        "train.epochs=1",
        "recipe=quick",
        *overrides,
    ]
    machine = Machine(threads=2, precision=best_precision())
    return make_plan(read_request(None, request, settings), discover(installed_entries()), Shelf(places()), machine)


def a_pool(plan: Plan) -> Pool:
    """Pictures of noise: their content changes no time."""
    pictures = np.random.default_rng(0).integers(0, 256, (ROWS, 1, SIDE, SIDE), dtype=np.uint8)
    rows = np.arange(ROWS)
    table = Prepared(
        key="noise", name="noise", modalities=plan.modalities, target=plan.facts.target, labels=np.full(ROWS, -1), columns={},
        data={"image": Column(values=pictures)}, kept=rows,
    )  # fmt: skip
    return Pool(members=[(table, rows)], modalities=plan.modalities)


def a_feed(plan: Plan, pool: Pool) -> SampleFeed:
    fabric = make_fabric(plan.train.precision)
    return SampleFeed(
        pool=pool, views=make_views(plan, plan.modalities, 0, fabric.device), roles=plan.roles,
        augmentations=[build_augmentation(a, plan.view, plan.modalities, pool) for a in plan.augmentations], batch=BATCH,
        accumulate=1, seed=0, world=Alone(),
    )  # fmt: skip


class Ready:
    """A feed whose first step's views are handed out again and again: nothing is left but the step itself."""

    def __init__(self, feed: SampleFeed) -> None:
        self.passes = next(iter(feed.epoch(0, 0)))
        self.count = feed.steps()
        self.survey = feed.survey

    def steps(self) -> int:
        return self.count

    def epoch(self, epoch: int, start: int):
        return iter([self.passes] * self.count)


@pytest.mark.parametrize("backbone", ["micro-cnn", "torchvision-resnet18"])
def test_training_end_to_end_against_compute_alone(benchmark, backbone):
    """Aim: 0.95 of the speed of the same step on ready tensors."""
    plan = a_plan(f"backbone.name={backbone}")
    pool = a_pool(plan)
    feed = a_feed(plan, pool)
    ready = Ready(feed)
    method = build_method(plan, plan.modalities, plan.facts.target, ROWS, 0)

    def epoch(source) -> None:
        fabric = make_fabric(plan.train.precision)
        train(
            Training(
                objective=method,
                feed=source,
                settings=replace(plan.train, epochs=1),
                fabric=fabric,
                world=Alone(),
                seed=0,
            )
        )

    rounds = 3 if backbone == "micro-cnn" else 1
    share = alternately(lambda: epoch(ready), lambda: epoch(feed), rounds)
    benchmark.extra_info["share_of_compute_speed"] = round(share, 3)
    benchmark.pedantic(epoch, args=(feed,), rounds=1)
    print(f"\n{backbone}: end-to-end runs at {share:.2f} of compute alone (aim 0.95)")


def test_batched_views_against_torchvision_one_by_one(benchmark):
    """The augmentation of the quick recipe's kind: crop, flip, brightness and contrast, 256 pictures of 32 px."""
    plan = a_plan("augmentation.name=simclr", "augmentation.blur.p=0", "augmentation.grey.p=0")
    feed = a_feed(plan, a_pool(plan))
    pictures = torch.randint(0, 256, (BATCH, 3, SIDE, SIDE), dtype=torch.uint8)
    theirs = v2.Compose([
        v2.RandomResizedCrop(SIDE, antialias=True), v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8), v2.ToDtype(torch.float32, scale=True),
    ])  # fmt: skip
    view = {"image": pictures.float() / 255}
    rows = torch.arange(BATCH)

    def ours() -> object:
        return feed.views.make(view, rows, 0, feed.augmentations[0], {"view": replace(plan.roles["view"], count=1)})

    gain = alternately(lambda: [theirs(p) for p in pictures], ours)
    benchmark.extra_info["times_faster_than_torchvision"] = round(gain, 2)
    benchmark(ours)
    print(f"\nbatched views: {gain:.1f} times torchvision v2, picture by picture")


@pytest.mark.parametrize("command", ["list", "show method mae", "--help"])
def test_start_up_against_importing_torch(benchmark, command):
    """Aim: at most 0.3 of `import torch`."""
    script = str(Path(sys.executable).with_name("sslbench"))

    def ours() -> object:
        return subprocess.run([script, *command.split()], capture_output=True, check=True)

    def torch_alone() -> object:
        return subprocess.run([sys.executable, "-c", "import torch"], check=True)

    share = alternately(ours, torch_alone, 3)
    benchmark.extra_info["share_of_import_torch"] = round(share, 3)
    benchmark.pedantic(ours, rounds=3)
    print(f"\nsslbench {command}: {share:.2f} of importing torch (aim 0.3)")
