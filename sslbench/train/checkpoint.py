"""Checkpoints: all that a loop needs to go on as if it had never stopped. Written whole or not at all."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sslbench import environment
from sslbench.api.files import write_atomically
from sslbench.train.distributed.fsdp import restore, whole_state
from sslbench.train.distributed.process_group import Processes


@dataclass(slots=True, kw_only=True)
class Progress:
    """Where a training stands; `step` counts inside the epoch, `history` holds finished epochs' averages.

    Of a training that may stop early, `best` holds the weights after `best_epoch`, whose loss was the `least`.
    """

    epoch: int = 0
    step: int = 0
    began: bool = False
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    least: float = float("inf")
    best_epoch: int = 0
    best: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(
    path: Path, progress: Progress, objective: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module | None,
    world: Processes,
) -> None:  # fmt: skip
    """Write everything that moves; the first of several processes writes, with the generators of all."""
    generators = world.collect(dict(environment.generator_state()))
    weights, moments = whole_state(objective, optimizer)
    if world.rank:
        return
    state = {
        "progress": {name: getattr(progress, name) for name in Progress.__slots__},
        "objective": weights,
        "optimizer": moments,
        "average": average.state_dict() if average is not None else None,
        "generators": generators,
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(
    path: Path,
    objective: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: nn.Module | None,
    world: Processes,
) -> Progress:
    """Put everything back, the generators of torch included; without a file, start from the beginning."""
    if not path.exists():
        return Progress()
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    restore(objective, optimizer, state["objective"], state["optimizer"])
    if average is not None:
        average.load_state_dict(state["average"])
    environment.restore_generator_state(state["generators"][world.rank])
    return Progress(**state["progress"])
