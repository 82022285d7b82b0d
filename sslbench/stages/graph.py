"""Describe runs as graphs of stages: what is made, from which inputs, in which folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sslbench.progress import StageProgress

Kind = Literal["prepare", "pretrain", "extract", "evaluate"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """One stage of a run; stages with the same folder are the same stage.

    folder: output folder.
    waits_for: folders that must be finished first.
    make: writes the output into a folder, and reports progress.
    shape: stages of equal shape have the same cost per row.
    rows: rows that it processes, summed over epochs.
    family: stages of one family differ in settings and have about the same cost per row.
    encoder: encoder that processes the rows, if `passes_encoder`.
    size: bytes that it will write; 0: not known.
    facts: values for the record (dataset, protocol, epoch, folds, label fraction); other runs may name a shared stage
        differently.
    """

    kind: Kind
    key: str
    folder: Path
    title: str
    waits_for: tuple[Path, ...]
    make: Callable[[Path, StageProgress], None]
    seed: int = 0
    fold: int = 0
    shape: str = ""
    rows: int = 0
    family: str = ""
    encoder: str = ""
    passes_encoder: bool = False
    size: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """A run: its stages in an order in which they can be made, its record's path, and what writes it if it changed."""

    name: str
    stages: tuple[Stage, ...]
    record: Path
    finish: Callable[[], None]


def distinct_stages(runs: Iterable[Run]) -> dict[Path, Stage]:
    """Return every stage once, in order, by its folder."""
    stages: dict[Path, Stage] = {}
    for run in runs:
        for stage in run.stages:
            stages.setdefault(stage.folder, stage)
    return stages


def first_runs(runs: Sequence[Run]) -> dict[Path, str]:
    """Return the first run that needs each stage; events of the stage name this run."""
    first: dict[Path, str] = {}
    for run in runs:
        for stage in run.stages:
            first.setdefault(stage.folder, run.name)
    return first
