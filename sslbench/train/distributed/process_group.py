"""The processes that share an optimizer step. One process gathers nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
import torch.distributed as distributed
from torch import Tensor
from torch.distributed.nn.functional import all_gather, all_reduce


class SingleProcess:
    """One process."""

    rank = 0
    size = 1

    def gather(self, rows: Tensor) -> Tensor:
        """The rows themselves."""
        return rows

    def sum(self, values: Tensor) -> Tensor:
        """The values themselves."""
        return values

    def mean(self, values: Sequence[float]) -> list[float]:
        """The values themselves."""
        return list(values)

    def agreed(self, wish: bool) -> bool:
        """The wish itself."""
        return wish

    def collect(self, value: Any) -> list[Any]:
        """The value alone."""
        return [value]


class DistributedGroup:
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

    def mean(self, values: Sequence[float]) -> list[float]:
        """Numbers averaged over processes; no gradient."""
        together = torch.tensor(values, dtype=torch.float64, device=self._device())
        distributed.all_reduce(together)
        found: list[float] = (together / self.size).tolist()
        return found

    def agreed(self, wish: bool) -> bool:
        """What the first process wishes."""
        first = torch.tensor([float(wish)], device=self._device())
        distributed.broadcast(first, src=0)
        return bool(first.item())

    def collect(self, value: Any) -> list[Any]:
        """Every process's value, in order of rank."""
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def _device(self) -> torch.device:
        on_gpu = distributed.get_backend() == "nccl"
        return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")


Processes: TypeAlias = SingleProcess | DistributedGroup
"""What the loop knows of the processes that share its steps; methods see the protocol `World` of it."""


def world() -> Processes:
    """The processes of this run."""
    together = distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
    return DistributedGroup() if together else SingleProcess()
