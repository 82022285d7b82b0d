"""Apply image operations with the random numbers of a batch's first sample."""

from __future__ import annotations

import torch
from sslbench_vision.operations.color_operation import jitter
from sslbench_vision.operations.crops_operation import RandomResizedCrop
from sslbench_vision.operations.geometry_operation import flip_horizontally

from sslbench.api import KeyedRandom, OperationParts, View
from sslbench.api.modules import Operation
from sslbench_mvmr.operations.batch_draws import BatchCropConfig, BatchFlipConfig, BatchJitterConfig


class OneDraw:
    """An operation that changes all samples of a batch alike, or none of them."""

    def __init__(self, operation: Operation, p: float) -> None:
        self.operation, self.p = operation, p

    def __call__(self, view: View, draws: KeyedRandom) -> View:
        chance = draws.uniform("batch")
        first = draws[torch.zeros_like(chance, dtype=torch.int64)]
        return self.operation(view, first) if len(chance) and float(chance[0]) < self.p else view


def crop_batch(config: BatchCropConfig, parts: OperationParts) -> OneDraw:
    """Make the operation that crops a batch."""
    return OneDraw(RandomResizedCrop(config, parts), config.batch_p)


def flip_batch(config: BatchFlipConfig, parts: OperationParts) -> OneDraw:
    """Make the operation that mirrors a batch."""
    return OneDraw(flip_horizontally(config, parts), config.batch_p)


def jitter_batch(config: BatchJitterConfig, parts: OperationParts) -> OneDraw:
    """Make the operation that changes the colors of a batch."""
    return OneDraw(jitter(config, parts), config.batch_p)
