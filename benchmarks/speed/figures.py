"""Store measured figures and write their table, `RESULTS.md`.

A run of some benchmarks replaces their rows and keeps the others, each with its own machine and versions.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import torch

PACKAGES = ("torch", "torchvision", "timm", "numpy", "scikit-learn", "lightly", "stable-pretraining")
ROWS, TABLE = "results.json", "RESULTS.md"
HEAD = """<!-- written by `make speed`; do not edit -->
# How fast, against what

Figures are ratios of times measured alternately in one run, exponents, or sizes with their unit; `aim` states which direction
is better. Absolute numbers in notes apply only to the machine of their row.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured figure: what, against what, the value (a ratio without `unit`), and the aim if there is one."""

    what: str
    against: str
    found: float
    better: Literal["more", "less"] = "more"
    aim: float | None = None
    unit: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        """Return 'met', 'MISSED', or '' without an aim."""
        if self.aim is None:
            return ""
        return "met" if (self.found >= self.aim if self.better == "more" else self.found <= self.aim) else "MISSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRow:
    """A figure, with its machine and versions."""

    figure: Figure
    machine: str
    versions: str


def machine() -> str:
    """Return the processor's name, the number of threads, and the GPU if there is one."""
    cpu_info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in cpu_info.splitlines() if line.startswith("model name")]
    gpu = f", {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else ""
    return f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} threads{gpu}"


def versions(packages: Iterable[str] = PACKAGES) -> str:
    """Return the versions of the compared packages that are installed."""
    found = [f"Python {platform.python_version()}"]
    for name in packages:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def keep(folder: Path, figures: Sequence[Figure]) -> None:
    """Replace the rows of these figures in a folder, and rewrite its table."""
    path = folder / ROWS
    kept: dict[tuple[str, str], Mapping[str, object]] = {}
    for row in json.loads(path.read_text()) if path.exists() else []:
        kept[row["figure"]["what"], row["figure"]["against"]] = row
    for figure in figures:
        kept[figure.what, figure.against] = asdict(FigureRow(figure=figure, machine=machine(), versions=versions()))
    rows = [kept[key] for key in sorted(kept)]
    path.write_text(json.dumps(rows, indent=1) + "\n")
    (folder / TABLE).write_text(table([FigureRow(**{**row, "figure": Figure(**row["figure"])}) for row in rows]))  # type: ignore[arg-type, dict-item]


def table(rows: Sequence[FigureRow]) -> str:
    """Format the figures in Markdown, followed by the machines and versions."""
    places = list(dict.fromkeys((row.machine, row.versions) for row in rows))
    lines = ["| what | against | found | aim | | note | on |", "| --- | --- | ---: | ---: | --- | --- | ---: |"]
    for row in rows:
        one = row.figure
        sign = {"more": ">=", "less": "<="}[one.better]
        aim = "" if one.aim is None else f"{sign} {one.aim:g}{one.unit}"
        place = places.index((row.machine, row.versions)) + 1
        lines.append(
            f"| {one.what} | {one.against} | {one.found:.3g}{one.unit} | {aim} | {one.verdict} | {one.note} | {place} |"
        )
    where = [f"{number}. {place}; {those}" for number, (place, those) in enumerate(places, 1)]
    return HEAD + "\n".join([*lines, "", *where]) + "\n"
