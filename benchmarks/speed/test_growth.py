"""Measure how time and memory grow with batch, image size, dataset, epochs, processes and seeds."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch.func import functional_call, grad, stack_module_state, vmap

from sslbench.api import Modality
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.choices import choose
from tests.conftest import ROOT

from .conftest import State, median_time_ratio
from .figures import Figure
from .harness import TruncatedFeed, epoch, feed_of, method_of, noise, plan_for

REQUEST = {"method": {"name": "simclr"}, "data": {"name": "digits"}}
BASE = ("prepare.size=32", "recipe=quick", "backbone.name=micro-cnn")
STEPS = 8


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Return the exponent of the power law between size and time."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def training(batch: int, side: int, rows: int, file: Path | None = None) -> Callable[[], float]:
    """Warm up a training, and return a function that measures the seconds per step of a short epoch."""
    plan = plan_for(REQUEST, *BASE, f"train.batch_size={batch}", f"view.size={side}")
    feed, method = TruncatedFeed(feed_of(plan, noise(plan, rows, 32, file=file)), STEPS), method_of(plan, rows)

    def time_epoch() -> float:
        began = time.perf_counter()
        epoch(plan, method, feed)
        return (time.perf_counter() - began) / feed.steps()

    time_epoch()
    return time_epoch


@pytest.mark.parametrize(
    ("what", "sizes", "make", "aim"),
    [
        ("batch, 32 to 512", (32, 128, 512), lambda n, folder: training(n, 32, 4096), 1.0),
        ("pixels, 32 to 128 a side", (32, 64, 128), lambda n, folder: training(64, n, 1024), None),
        ("rows, 1,000 to 1,000,000", (10**3, 10**4, 10**5, 10**6),
         lambda n, folder: training(128, 32, n, folder / f"{n}.npy"), 0.05),
    ],
)  # fmt: skip
def test_growth_of_a_step(benchmark, state: State, tmp_path, what, sizes, make, aim):
    """Measure a step's time against its batch, its images' pixels, and the size of the dataset.

    Sizes alternate, so that a drifting machine affects all of them; the best of five times counts.
    """
    trainings = [make(size, tmp_path) for size in sizes]
    found = [min(times) for times in zip(*([one() for one in trainings] for _ in range(5)), strict=True)]
    benchmark.pedantic(trainings[-1], rounds=1)
    counts = [size**2 for size in sizes] if "pixels" in what else sizes
    note = ", ".join(f"{1000 * one:.0f}" for one in found) + " ms a step"
    state(Figure(what=f"time of a step in its {what}", against="exponent", found=exponent(counts, found), better="less",
                 aim=aim, note=note))  # fmt: skip


def test_own_memory_is_flat_over_rows_and_epochs(benchmark, state: State):
    """Check that no copy of the data is in memory: 64 times the rows and four more epochs need no more.

    An allocator's cache varies, so the median of three trainings counts.
    """

    def peaks(rows: int) -> list[float]:
        program = [sys.executable, "-m", "benchmarks.speed.memory_program", str(rows), "5"]
        return [float(one) for one in subprocess.check_output(program, text=True, cwd=ROOT).split()]

    small, large = [peaks(2_048) for _ in range(3)], [peaks(131_072) for _ in range(2)]
    large.append(benchmark.pedantic(peaks, args=(131_072,), rounds=1))
    few, many = (statistics.median(map(max, runs)) for runs in (small, large))
    what, note = "a training's own memory", f"{few:.0f} and {many:.0f} MB; the data are 2 and 134 MB"
    state(
        Figure(what=f"{what}, 131,072 rows", against="2,048 rows", found=many / few, better="less", aim=1.05, note=note)
    )
    middle = sorted(small + large, key=lambda run: max(run[1:]) / run[0])[len(small + large) // 2]
    note = ", ".join(f"{one:.0f}" for one in middle) + " MB"
    state(Figure(what=f"{what}, epochs 2 to 5", against="epoch 1", found=max(middle[1:]) / middle[0], better="less", aim=1.05,
                 note=note))  # fmt: skip


def test_five_seeds_at_once_by_vmap(benchmark, state: State):
    """Compare five micro CNNs, each on its own batch, as one stacked model and one after another."""
    problems: list[str] = []
    choice = choose(discover(installed_entries()), "backbone", "micro-cnn", {}, "backbone", problems)
    assert choice is not None, problems
    models = [choice.build(Modality(layout="image", shape=(1, 32, 32))) for _ in range(5)]
    for model in models:
        model.requires_grad_(False)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):  # vmap cannot change running statistics in place
                module.track_running_stats, module.running_mean, module.running_var, module.num_batches_tracked = (
                    False, None, None, None)  # fmt: skip
    weights, buffers = stack_module_state(models)
    x = torch.rand(5, 64, 1, 32, 32)

    def loss(own: dict[str, torch.Tensor], other: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
        return functional_call(models[0], (own, other), (images,)).square().mean()

    def one_after_another() -> None:
        for index, model in enumerate(models):
            grad(loss)(dict(model.named_parameters()), dict(model.named_buffers()), x[index])

    stacked_grad = vmap(grad(loss))
    gain = 1 / median_time_ratio(lambda: stacked_grad(weights, buffers, x), one_after_another)
    benchmark(partial(stacked_grad, weights, buffers, x))
    note = "its convolutions become grouped ones; built in only where it gains by the aim"
    state(
        Figure(
            what="five seeds of micro-cnn, stacked by vmap",
            against="one after another",
            found=gain,
            aim=1.5,
            unit="x",
            note=note,
        )
    )


def test_five_seeds_at_once_in_processes(benchmark, state: State, tmp_path):
    """Compare five seeds by two workers of one thread with one after another on two threads."""
    study = {
        "name": "seeds", "summary": "five seeds of one small model",
        "base": {"data": "digits", "method": "simclr", "backbone": "micro-cnn", "augmentation": "digits", "baselines": "none",
                 "recipe": "quick", "protocols": ["knn"], "train.epochs": 8},
        "axes": {"which": {str(seed): {"seeds": [seed]} for seed in range(5)}},
    }  # fmt: skip
    path = tmp_path / "seeds.yaml"
    path.write_text(yaml.safe_dump(study))

    def timed(name: str, workers: int, *more: str) -> float:
        program = [sys.executable, "-m", "sslbench", "study", "run", str(path), "--out", str(tmp_path / name)]
        began = time.perf_counter()
        subprocess.run(
            [*program, f"executor.workers={workers}", f"threads={3 - workers}", *more], check=True, capture_output=True
        )
        return time.perf_counter() - began

    timed("warm", 1, "train.epochs=1")
    one, two = timed("one", 1), benchmark.pedantic(timed, args=("two", 2), rounds=1)
    state(Figure(what="five seeds of micro-cnn, two processes of one thread", against="one after another on two threads",
                 found=one / two, aim=1.5, unit="x", note="what a study of two workers does; two cores, and two threads of "
                 "one process use both already"))  # fmt: skip
