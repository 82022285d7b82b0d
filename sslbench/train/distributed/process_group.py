"""Communicate between the processes that share an optimizer step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
import torch.distributed as distributed
from torch import Tensor
from torch.distributed.nn.functional import all_gather, all_reduce


class SingleProcess:
    """A group of one process, which needs no communication."""

    rank = 0
    size = 1

    def gather(self, rows: Tensor) -> Tensor:
        """Return the rows unchanged."""
        return rows

    def sum(self, values: Tensor) -> Tensor:
        """Return the values unchanged."""
        return values

    def mean(self, values: Sequence[float]) -> list[float]:
        """Return the values unchanged."""
        return list(values)

    def broadcast_flag(self, flag: bool) -> bool:
        """Return the flag unchanged."""
        return flag

    def gather_objects(self, value: Any) -> list[Any]:
        """Return a list of the value."""
        return [value]


class DistributedGroup:
    """The processes of torch's default group; each has an equal share of the rows, in single-process order."""

    def __init__(self) -> None:
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()

    def gather(self, rows: Tensor) -> Tensor:
        """Gather rows [B, ...] of all processes into [size * B, ...], with gradient."""
        return torch.cat(all_gather(rows.contiguous()))  # type: ignore[no-untyped-call]

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over processes, with gradient."""
        summed: Tensor = all_reduce(values)  # type: ignore[no-untyped-call]
        return summed

    def mean(self, values: Sequence[float]) -> list[float]:
        """Return the means over processes, without gradient."""
        total = torch.tensor(values, dtype=torch.float64, device=self._device())
        distributed.all_reduce(total)
        means: list[float] = (total / self.size).tolist()
        return means

    def broadcast_flag(self, flag: bool) -> bool:
        """Return the flag of the first process."""
        first = torch.tensor([float(flag)], device=self._device())
        distributed.broadcast(first, src=0)
        return bool(first.item())

    def gather_objects(self, value: Any) -> list[Any]:
        """Return the values of all processes, in order of rank."""
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def _device(self) -> torch.device:
        on_gpu = distributed.get_backend() == "nccl"
        return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")


Processes: TypeAlias = SingleProcess | DistributedGroup
"""The processes that share the steps of a loop; methods use the protocol `ProcessGroup`."""


def current_group() -> Processes:
    """Return the process group of this run."""
    is_shared = distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
    return DistributedGroup() if is_shared else SingleProcess()
