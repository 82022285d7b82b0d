"""Make the training steps that methods receive, for tests that call a method without a training."""

from __future__ import annotations

import torch

from sslbench.api import Step
from sslbench.testing.random_numbers import keyed_random
from sslbench.train.distributed.process_group import SingleProcess


def make_step(index: int = 0, total_steps: int = 1, epoch: int = 0, epochs: int = 1) -> Step:
    """Make the step of a training in one process, with random numbers that depend on `index`."""
    draws = keyed_random(torch.tensor([index]), 0, "step")
    return Step(
        index=index, total_steps=total_steps, epoch=epoch, epochs=epochs, random=draws, processes=SingleProcess()
    )
