"""One measured figure each: what, against what, found, and the aim; and the table of them, `RESULTS.md`.

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

Figures are ratios of what was measured in turn in one run, exponents, or sizes with their unit; `aim` says which is better.
Absolute numbers in notes are of the machine beside them and of no other.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured against what; a ratio, unless the unit says otherwise; and the aim, if there is one."""

    what: str
    against: str
    found: float
    better: Literal["more", "less"] = "more"
    aim: float | None = None
    unit: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether the aim was met."""
        if self.aim is None:
            return ""
        return "met" if (self.found >= self.aim if self.better == "more" else self.found <= self.aim) else "MISSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure, where it was taken and with what."""

    figure: Figure
    machine: str
    versions: str


def machine() -> str:
    """The processor by name, how many of its cores we use, and a GPU if there is one."""
    told = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")]
    gpu = f", {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else ""
    return f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} threads{gpu}"


def versions(packages: Iterable[str] = PACKAGES) -> str:
    """Those of the packages that are compared, as far as they are installed."""
    found = [f"Python {platform.python_version()}"]
    for name in packages:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def keep(folder: Path, figures: Sequence[Figure]) -> None:
    """Replace the rows of these figures in a folder, and write its table again."""
    path = folder / ROWS
    kept: dict[tuple[str, str], Mapping[str, object]] = {}
    for row in json.loads(path.read_text()) if path.exists() else []:
        kept[row["figure"]["what"], row["figure"]["against"]] = row
    for figure in figures:
        kept[figure.what, figure.against] = asdict(Row(figure=figure, machine=machine(), versions=versions()))
    rows = [kept[key] for key in sorted(kept)]
    path.write_text(json.dumps(rows, indent=1) + "\n")
    (folder / TABLE).write_text(table([Row(**{**row, "figure": Figure(**row["figure"])}) for row in rows]))  # type: ignore[arg-type, dict-item]


def table(rows: Sequence[Row]) -> str:
    """Markdown: the figures, and below them each place and set of versions that any of them was taken on."""
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
