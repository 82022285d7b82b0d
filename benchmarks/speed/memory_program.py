"""A training on so many rows for so many epochs of eight steps: prints MB of its own memory at its peak in each epoch.

Only anonymous memory counts: pages that are mapped from the prepared file are the system's, to take back when it likes.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import torch

from sslbench.progress import TrainingStep

from .harness import TruncatedFeed, epoch, feed_of, method_of, noise, plan_for

SIDE = 32


def own_memory() -> float:
    """MB that belong to this process alone."""
    told = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in told.splitlines() if line.startswith("RssAnon"))


if __name__ == "__main__":
    rows, epochs = map(int, sys.argv[1:])
    torch.set_num_threads(2)
    plan = plan_for(
        {"method": {"name": "simclr"}, "data": {"name": "digits"}},
        f"view.size={SIDE}", "prepare.size=32", "train.batch_size=256", "recipe=quick", "backbone.name=micro-cnn",
    )  # fmt: skip
    peaks: dict[int, float] = defaultdict(float)

    def watch(moment: TrainingStep) -> None:
        peaks[moment.epoch] = max(peaks[moment.epoch], own_memory())

    with tempfile.TemporaryDirectory() as folder:
        feed = TruncatedFeed(feed_of(plan, noise(plan, rows, SIDE, file=Path(folder) / "images.npy")), 8)
        epoch(plan, method_of(plan, rows), feed, epochs, watch)
    print(*(peaks[number] for number in sorted(peaks)))
