"""Train on a number of rows for some epochs of eight steps, and print the peak of own memory (MB) in each.

Only anonymous memory counts: the system can reclaim pages mapped from the prepared file.
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
    """Return the memory (MB) that belongs to this process alone."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("RssAnon"))


if __name__ == "__main__":
    rows, epochs = map(int, sys.argv[1:])
    torch.set_num_threads(2)
    plan = plan_for(
        {"method": {"name": "simclr"}, "data": {"name": "digits"}},
        f"view.size={SIDE}", "prepare.size=32", "train.batch_size=256", "recipe=quick", "backbone.name=micro-cnn",
    )  # fmt: skip
    peaks: dict[int, float] = defaultdict(float)

    def watch(step: TrainingStep) -> None:
        peaks[step.epoch] = max(peaks[step.epoch], own_memory())

    with tempfile.TemporaryDirectory() as folder:
        feed = TruncatedFeed(feed_of(plan, noise(plan, rows, SIDE, file=Path(folder) / "images.npy")), 8)
        epoch(plan, method_of(plan, rows), feed, epochs, watch)
    print(*(peaks[number] for number in sorted(peaks)))
