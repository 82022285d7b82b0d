"""Assign the rows of shared stages to one record, so that no number counts twice. Performs no I/O."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from sslbench.data.label_subsets import FRACTION
from sslbench.results.record import ClassScore, Record, Score, setting_of

Mark = Hashable
"""The identity of a row across records: its stage, and the facts of its record except the run."""


def find_holders(records: Sequence[Record], marks: Callable[[Record], Iterable[Mark]]) -> dict[Mark, str]:
    """Map every mark to the run that shows it: the first finished record with the mark, else the first record."""
    found: dict[Mark, str] = {}
    for record in sorted(records, key=lambda record: record.status != "done"):
        for mark in marks(record):
            found.setdefault(mark, record.run)
    return found


class Evaluations:
    """The evaluation stages of a record by dataset, protocol, seed and epoch; empty for records of older versions."""

    def __init__(self, record: Record) -> None:
        self.by_place: dict[tuple[Any, ...], list[tuple[str, Mapping[str, Any]]]] = {}
        for key, facts in record.keys.items():
            if key.startswith("evaluate/") and "folds" in facts:
                place = (facts["dataset"], facts["protocol"], facts["seed"], facts["epoch"])
                self.by_place.setdefault(place, []).append((key, facts))

    def stage_of(self, row: Score | ClassScore) -> str | None:
        """Find the stage of a row; None if it is not known."""
        return self.find(
            row.dataset, row.protocol, row.seed, getattr(row, "epoch", None), fold=row.fold, setting=row.setting
        )

    def find(self, *place: Any, fold: int, setting: str) -> str | None:
        """Find the stage by dataset, protocol, seed and epoch, then by fold and subset of the labels."""
        stages = self.by_place.get(place, [])
        fraction = setting_of(setting).get(FRACTION.name, FRACTION.number)
        fitting = [one for one in stages if one[1]["fraction"] in (None, fraction)]
        return next((key for key, facts in fitting if fold in facts["folds"]), fitting[0][0] if fitting else None)

    def list_stages(self) -> list[tuple[str, str]]:
        """List the key and the dataset name of every stage."""
        return [(key, facts["dataset"]) for stages in self.by_place.values() for key, facts in stages]
