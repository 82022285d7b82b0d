"""Runs as graphs of stages: what is to be made, from what, and where it will lie. Nothing is made here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sslbench.progress import StageProgress

Kind = Literal["prepare", "pretrain", "extract", "evaluate"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """One stage: its folder (equal folders are the same stage), the folders it reads, and how it is made.

    `shape` says which stages cost alike per row, and `rows` how many it goes through, epochs counted. Stages of one `family`
    differ in settings and cost about alike per row; `encoder` says whose pass a row costs, if `passes_encoder`. `facts` tell
    a record what was asked (dataset, protocol, epoch, folds, share of labels): runs that share a stage may have other names
    for it. `size` is how many bytes it will write, where that is known before it is made.
    """

    kind: Kind
    key: str
    folder: Path
    title: str
    needs: tuple[Path, ...]
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
    """A run as work: its stages in an order in which they can be made, where its record lies, and what writes it."""

    name: str
    stages: tuple[Stage, ...]
    record: Path
    close: Callable[[], None]


def distinct(runs: Iterable[Run]) -> dict[Path, Stage]:
    """Every stage once, in order."""
    stages: dict[Path, Stage] = {}
    for run in runs:
        for stage in run.stages:
            stages.setdefault(stage.folder, stage)
    return stages


def wanted_by(runs: Sequence[Run]) -> dict[Path, str]:
    """The first run that needs each stage: whom to tell of its steps."""
    first: dict[Path, str] = {}
    for run in runs:
        for stage in run.stages:
            first.setdefault(stage.folder, run.name)
    return first
