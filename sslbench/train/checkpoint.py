"""Save and load checkpoints, from which a training continues exactly. Written atomically."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sslbench import environment
from sslbench.api.files import write_atomically
from sslbench.train.distributed.fsdp import full_state, load_full_state
from sslbench.train.distributed.process_group import Processes


@dataclass(slots=True, kw_only=True)
class Progress:
    """The state of a training: `step` counts within the epoch, `history` holds the averages of finished epochs.

    For a training that may stop early, `best` holds the weights after `best_epoch`, whose loss was the lowest (`least`).
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
    processes: Processes,
) -> None:  # fmt: skip
    """Write progress, weights, optimizer and generators; the first process writes, with the generators of all."""
    generators = processes.gather_objects(dict(environment.generator_state()))
    weights, moments = full_state(objective, optimizer)
    if processes.rank:
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
    processes: Processes,
) -> Progress:
    """Restore the state, including torch's generators; without a file, return the progress of a new training."""
    if not path.exists():
        return Progress()
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    load_full_state(objective, optimizer, state["objective"], state["optimizer"])
    if average is not None:
        average.load_state_dict(state["average"])
    environment.restore_generator_state(state["generators"][processes.rank])
    return Progress(**state["progress"])
