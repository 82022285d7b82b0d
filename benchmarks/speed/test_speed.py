"""Compare training with its own compute, batched views with torchvision's, and start-up with importing torch."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchvision.transforms import v2

from tests.conftest import ROOT

from .conftest import State, median_time_ratio
from .figures import Figure
from .harness import CachedFeed, epoch, feed_of, method_of, noise, plan_for

SIDE, ROWS, BATCH = 32, 2048, 256
SIMCLR = {"method": {"name": "simclr"}, "data": {"name": "digits"}}
SETTINGS = (f"view.size={SIDE}", "prepare.size=32", f"train.batch_size={BATCH}", "recipe=quick")


@pytest.mark.parametrize("backbone", ["micro-cnn", "torchvision-resnet18"])
def test_training_end_to_end_against_compute_alone(benchmark, state: State, backbone):
    """Compare with the same steps on ready tensors. Aim: 0.95 of their speed."""
    plan = plan_for(SIMCLR, *SETTINGS, f"backbone.name={backbone}")
    feed = feed_of(plan, noise(plan, ROWS, SIDE))
    ready, method = CachedFeed(feed), method_of(plan, ROWS)
    rounds = 3 if backbone == "micro-cnn" else 1
    share = median_time_ratio(lambda: epoch(plan, method, ready), lambda: epoch(plan, method, feed), rounds)
    benchmark.pedantic(epoch, args=(plan, method, feed), rounds=1)
    what = f"SimCLR, {backbone}, {SIDE} px, batch {BATCH}, end to end"
    state(Figure(what=what, against="the same steps on ready tensors", found=share, aim=0.95))


def test_batched_views_against_torchvision_one_by_one(benchmark, state: State):
    """Compare crop, flip and color jitter of 256 images of 32 px, as in the quick recipes."""
    plan = plan_for(SIMCLR, *SETTINGS, "augmentation.name=simclr", "augmentation.blur.p=0", "augmentation.gray.p=0")
    feed = feed_of(plan, noise(plan, ROWS, SIDE))
    images = torch.randint(0, 256, (BATCH, 3, SIDE, SIDE), dtype=torch.uint8)
    theirs = v2.Compose([
        v2.RandomResizedCrop(SIDE, antialias=True), v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], 0.8), v2.ToDtype(torch.float32, scale=True),
    ])  # fmt: skip
    view = {"image": images.float() / 255}
    rows = torch.arange(BATCH)

    def ours() -> object:
        return feed.views.make(view, rows, 0, feed.augmentations[0], {"view": replace(plan.roles["view"], count=1)})

    gain = median_time_ratio(lambda: [theirs(p) for p in images], ours)
    benchmark(ours)
    what = f"batched crop, flip, jitter of {BATCH} images of {SIDE} px"
    state(Figure(what=what, against="torchvision v2, image by image", found=gain, unit="x"))


@pytest.mark.parametrize("command", ["list", "show method mae", "--help"])
def test_start_up_against_importing_torch(benchmark, state: State, command):
    """Compare start-up with `import torch`. Aim: at most 0.3."""
    script = str(Path(sys.executable).with_name("sslbench"))

    def ours() -> object:
        return subprocess.run([script, *command.split()], capture_output=True, check=True)

    def torch_alone() -> object:
        return subprocess.run([sys.executable, "-c", "import torch"], check=True)

    share = median_time_ratio(ours, torch_alone, 3)
    benchmark.pedantic(ours, rounds=3)
    state(Figure(what=f"sslbench {command}", against='python -c "import torch"', found=share, better="less", aim=0.3))


def test_a_kept_heap_against_one_that_gives_back(benchmark, state: State):
    """Compare batches of 512, whose early maps exceed what glibc keeps by itself; each variant in its own process.

    Any user setting, here one without effect, disables the kept heap.
    """
    program = (
        "from benchmarks.speed.test_growth import training as t; f = t(512, 32, 4096); print(min(f() for _ in '123'))"
    )

    def seconds(**environment: str) -> float:
        text = subprocess.check_output(
            [sys.executable, "-c", program], text=True, cwd=ROOT, env={**os.environ, **environment}
        )
        return float(text)

    gain = seconds(MALLOC_PERTURB_="0") / benchmark.pedantic(seconds, rounds=1)
    what = "SimCLR, micro-cnn, 32 px, batch 512, with a kept heap"
    state(Figure(what=what, against="glibc's own settings", found=gain, aim=1, unit="x"))
