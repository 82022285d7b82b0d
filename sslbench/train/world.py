"""The processes that share an optimiser step. One process gathers nothing."""

from __future__ import annotations

import torch
import torch.distributed as distributed
from torch import Tensor
from torch.distributed.nn.functional import all_gather, all_reduce


class Alone:
    """One process."""

    rank = 0
    size = 1

    def gather(self, rows: Tensor) -> Tensor:
        """The rows themselves."""
        return rows

    def sum(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values


class Together:
    """The processes of torch's default group; equal shares, in one-process order."""

    def __init__(self) -> None:
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()

    def gather(self, rows: Tensor) -> Tensor:
        """[B, ...] -> [size * B, ...] with gradient."""
        return torch.cat(all_gather(rows.contiguous()))  # type: ignore[no-untyped-call]

    def sum(self, values: Tensor) -> Tensor:
        """The sum over processes, with gradient."""
        summed: Tensor = all_reduce(values)  # type: ignore[no-untyped-call]
        return summed


def world() -> Alone | Together:
    """The processes of this run."""
    together = distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
    return Together() if together else Alone()
