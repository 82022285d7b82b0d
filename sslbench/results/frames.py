"""Records as pandas data frames: what Python users analyse."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from sslbench.api.errors import SslbenchError
from sslbench.results.record import COSTS, ClassScore, Record, Score, decode

HEAD = (
    "run",
    "method",
    "backbone",
    "status",
    "augmentation",
    "recipe",
    "pool",
    "baseline",
    "bank",
    "query",
    "test_share",
)
DIVIDED = ("samples", "classes", "least", "most", "groups")
HELD = ("validation_samples", "test_samples")
PAIR = ("dataset", "protocol", "seed", "fold", "epoch", "setting", "class", "taken_for", "count", "share")
KINDS: Mapping[str, Any] = {"scores": Score, "classes": ClassScore}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Results:
    """Finished runs: the records, and their numbers as tidy frames (one number a row); `root` holds the runs' folders."""

    records: tuple[Record, ...]
    root: Path | None = None

    def __repr__(self) -> str:
        """What there is, not all that is in it."""
        listed = "".join(f"\n  {record.run}: {record.status}" for record in self.records)
        return f"Results of {len(self.records)} run(s): records, scores, oracles, classes{listed}"

    @property
    def scores(self) -> pd.DataFrame:
        """One row per run, dataset, protocol, seed, fold, setting and metric; nothing that was chosen on test data."""
        return _frame(self.records, "scores", lambda score: score.chosen_on != "query")

    @property
    def oracles(self) -> pd.DataFrame:
        """The same columns, for settings chosen on the test data themselves: bounds, not results."""
        return _frame(self.records, "scores", lambda score: score.chosen_on == "query")

    @property
    def runs(self) -> pd.DataFrame:
        """One row per run and dataset that it is measured on, with its status and the reason where it has no numbers."""
        parts = [(record, data["part"]) for record in self.records for data in record.evaluated_on]
        rows = [{**_head(record), "dataset": part, "reason": record.reason} for record, part in parts]
        return pd.DataFrame(rows, columns=[*HEAD, "dataset", "reason"])

    @property
    def samples(self) -> pd.DataFrame:
        """One row per run and dataset: samples, classes, the least and the most of a class, and what no split cuts."""
        return self._divided(lambda divided: [{name: divided[name] for name in DIVIDED}], DIVIDED)

    @property
    def labels(self) -> pd.DataFrame:
        """One row per run, dataset, fold and fraction of labels: how many those are, and how many test samples there are."""
        return self._divided(lambda divided: divided["labels"], ("fold", "fraction", *DIVIDED[:4], *HELD))

    @property
    def pools(self) -> pd.DataFrame:
        """One row per run and member of what it learnt from: pictures, those left out by reason, and those kept."""
        rows = []
        for record in self.records:
            learnt = [data for data in record.pretrained_on if any(one.get("history") for one in record.training)]
            rows += [{**_head(record), **row} for data in learnt for row in _members(data)]
        return pd.DataFrame(rows)

    @property
    def costs(self) -> pd.DataFrame:
        """One row per training of a run and dataset that it is measured on: how long it was, and what it took."""
        rows = []
        for record in self.records:
            for training in _trainings(record):
                rows += [{**_head(record), "dataset": data["part"], **training} for data in record.evaluated_on]
        return pd.DataFrame(rows, columns=[*HEAD, "dataset", "seed", "fold", *COSTS])

    @property
    def confusions(self) -> pd.DataFrame:
        """One row per run, dataset, protocol, seed, fold, setting, class and what of it was taken for which class: how many
        test samples, and their share of that class. Empty without the runs' folders.
        """
        rows = []
        for record in self.records:
            path = self.root / record.run / "confusion.json" if self.root else None
            matrices = json.loads(path.read_text()) if path is not None and path.exists() else []
            rows += [{**_head(record), **pair} for one in matrices for pair in _pairs(one, record)]
        return pd.DataFrame(rows, columns=[*HEAD, *PAIR])

    def _divided(self, of: Callable[[Any], Sequence[Mapping[str, Any]]], columns: Sequence[str]) -> pd.DataFrame:
        rows = []
        for record in self.records:
            for data in [data for data in record.evaluated_on if "divided" in data]:
                rows += [{**_head(record), "dataset": data["part"], **row} for row in of(data["divided"])]
        return pd.DataFrame(rows, columns=[*HEAD, "dataset", *columns])

    @property
    def classes(self) -> pd.DataFrame:
        """One row per run, dataset, protocol, seed, fold, setting and class."""
        return _frame(self.records, "classes", lambda row: True)


def _trainings(record: Record) -> list[dict[str, Any]]:
    """Each training's cost; seconds are shared equally among a run's, of which only the sum is kept."""
    several = max(1, len(record.training))
    found = []
    for training, rate in zip(record.training, record.cost.get("samples_per_second", ()), strict=False):
        epochs, samples = len(training.get("history", ())), training.get("samples", 0)
        batch = max(1, min(record.settings["train"]["batch"], samples))
        values = (
            epochs, epochs * (samples // batch) * batch, record.cost["seconds"].get("pretrain", 0.0) / several, rate,
            record.cost["peak_memory"] / 2**20,
        )  # fmt: skip
        found.append({"seed": training["seed"], "fold": training["fold"], **dict(zip(COSTS, values, strict=True))})
    return found


def _pairs(matrix: Mapping[str, Any], record: Record) -> list[dict[str, Any]]:
    """Every cell of a stored confusion matrix that holds something; of one that was chosen on test data nothing."""
    if matrix["chosen_on"] == "query":
        return []
    names = list(dict.fromkeys(row.name for row in record.classes if row.dataset == matrix["dataset"]))
    of_class = Counter[int]()
    for true, _, count in matrix["counts"]:
        of_class[true] += count
    facts = {name: matrix[name] for name in PAIR[:6]}
    return [
        {**facts, "class": names[true], "taken_for": names[said], "count": count, "share": count / of_class[true]}
        for true, said, count in matrix["counts"]
    ]


def _members(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What one dataset was made of, as it said itself; else it alone, whole."""
    if "account" in data:
        return [dict(zip(data["account"]["columns"], row, strict=True)) for row in data["account"]["rows"]]
    return [{"member": data["part"], "pictures": data.get("samples", 0), "kept": data.get("samples", 0)}]


def _frame(records: Iterable[Record], field: str, wanted: Callable[[Any], bool]) -> pd.DataFrame:
    pairs = [(record, row) for record in records for row in getattr(record, field) if wanted(row)]
    columns = [*HEAD, *(one.name for one in fields(KINDS[field]))]
    return pd.DataFrame([{**_head(record), **asdict(row)} for record, row in pairs], columns=columns)


def _head(record: Record) -> dict[str, Any]:
    """What every row of a run says of it."""
    backbone = "+".join(b["name"] for b in record.backbones.values())
    augmentation = "+".join(a["name"] for a in record.augmentations) or "none"
    splits = record.settings["splits"]
    return {
        "run": record.run, "method": record.method["name"], "backbone": backbone or "none", "status": record.status,
        "augmentation": augmentation, "recipe": record.recipe, "pool": record.pool, "baseline": record.baseline,
        "bank": splits["bank"], "query": splits["query"], "test_share": record.test_share,
    }  # fmt: skip


def read_record(path: Path) -> Record:
    """Read one record; raises SslbenchError with the file's name."""
    try:
        return decode(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SslbenchError(f"{path}: {error}") from error


def load_results(out: str | Path = "runs") -> Results:
    """Load every record below a folder."""
    return Results(records=tuple(read_record(path) for path in sorted(Path(out).glob("*/record.json"))), root=Path(out))
