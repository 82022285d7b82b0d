"""Convert records to pandas data frames."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from sslbench.api.errors import SslbenchError
from sslbench.api.varied import Varied
from sslbench.data.label_subsets import TASK_SETTINGS
from sslbench.results.marks import joined_names, marks_of
from sslbench.results.record import COSTS, ClassScore, LabelScore, Record, Score, decode
from sslbench.results.shared import Evaluations, Mark, find_holders
from sslbench.results.varied import VariedTable, varied_table

RUN_COLUMNS = (
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
    "marks",
)
SIZE_COLUMNS = ("samples", "classes", "min", "max", "groups")
HELD_OUT_COLUMNS = ("validation_samples", "test_samples")
MISSING_COLUMNS = ("fold", "lacks", "class", "samples")
DATA_COLUMNS = ("dataset", "fingerprint")
TERM_COLUMNS = ("seed", "fold", "epoch", "term", "value")
PAIR_COLUMNS = (
    *DATA_COLUMNS,
    "protocol",
    "seed",
    "fold",
    "epoch",
    "setting",
    "class",
    "predicted_class",
    "count",
    "share",
)
KINDS: Mapping[str, Any] = {"scores": Score, "classes": ClassScore, "labels": LabelScore}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Results:
    """Finished runs and their numbers as tidy frames (one number per row); `root` holds the folders of the runs.

    Rows that several runs share appear once, under the first finished run (`load_results` sorts records by name). With
    `repeat_shared`, every run has all of its rows, which a study needs because its points may share runs. `installed` are
    settings that protocols vary, in addition to those that the records declare.
    """

    records: tuple[Record, ...]
    root: Path | None = None
    repeat_shared: bool = False
    installed: Sequence[Varied] = ()

    def __repr__(self) -> str:
        """Summarize the runs without their content."""
        listed = "".join(f"\n  {record.run}: {record.status}" for record in self.records)
        return f"Results of {len(self.records)} run(s): records, scores, oracles, classes{listed}"

    @property
    def varied(self) -> VariedTable:
        """Return the settings that protocols vary; they are keys of the column `setting`."""
        return varied_table(self.records, self.installed)

    @property
    def scores(self) -> pd.DataFrame:
        """Return one row per run, dataset, protocol, seed, fold, setting and metric, without oracles."""
        return self._frame("scores", lambda score: score.chosen_on != "query")

    @property
    def oracles(self) -> pd.DataFrame:
        """Return the columns of `scores` for settings chosen on the test data: upper bounds, not results."""
        return self._frame("scores", lambda score: score.chosen_on == "query")

    @property
    def runs(self) -> pd.DataFrame:
        """Return one row per run and evaluated dataset, with the status and the reason if there are no numbers."""
        parts = [(record, data["part"]) for record in self.records for data in record.evaluated_on]
        rows = [{**_head(record), **_data(record, part), "reason": record.reason} for record, part in parts]
        return pd.DataFrame(rows, columns=[*RUN_COLUMNS, *DATA_COLUMNS, "reason"])

    @property
    def samples(self) -> pd.DataFrame:
        """Return one row per run and dataset: samples, classes, smallest and largest class, and groups."""
        return self._size_rows(lambda divided: [{name: divided[name] for name in SIZE_COLUMNS}], SIZE_COLUMNS)

    @property
    def labels(self) -> pd.DataFrame:
        """Return one row per run, dataset, fold and subset of labels: the numbers of labels and test samples."""
        return self._size_rows(
            lambda divided: divided["labels"],
            ("fold", *(one.name for one in TASK_SETTINGS), *SIZE_COLUMNS[:4], *HELD_OUT_COLUMNS),
        )

    @property
    def missing_classes(self) -> pd.DataFrame:
        """Return one row per run, dataset, fold and class that lacks training or test samples.

        `lacks` is without_training, without_test, unknown_in_transfer or without_both; `samples` counts the other part.
        """
        rows = []
        for record in self.records:
            for data in record.evaluated_on:
                rows += [{**_head(record), **_data(record, data["part"]), **row} for row in _missing(data)]
        return pd.DataFrame(rows, columns=[*RUN_COLUMNS, *DATA_COLUMNS, *MISSING_COLUMNS])

    @property
    def pools(self) -> pd.DataFrame:
        """Return one row per run and member of its pretraining data: images, those left out by reason, and those kept."""
        rows = []
        for record in self.records:
            learned = [data for data in record.pretrained_on if any(one.get("history") for one in record.training)]
            rows += [{**_head(record), **row} for data in learned for row in _members(data)]
        return pd.DataFrame(rows)

    @property
    def costs(self) -> pd.DataFrame:
        """Return one row per training and evaluated dataset: its length and cost."""
        rows = []
        holders = self._training_holders()
        for record in self.records:
            marks = _training_marks(record)
            for training in _trainings(record):
                for data in record.evaluated_on:
                    mark = marks.get((training["seed"], training["fold"], data["part"]))
                    if holders.get(mark, record.run) == record.run:
                        rows.append({**_head(record), **_data(record, data["part"]), **training})
        return pd.DataFrame(rows, columns=[*RUN_COLUMNS, *DATA_COLUMNS, "seed", "fold", *COSTS])

    @property
    def training(self) -> pd.DataFrame:
        """Return one row per training, epoch and term of the loss: its mean over the epoch.

        `dataset` is the pretraining data.
        """
        rows, holders = [], self._training_holders()
        for record in self.records:
            marks = _training_marks(record)
            learned = [
                " + ".join(data.get(name, "") for data in record.pretrained_on) for name in ("part", "fingerprint")
            ]
            for one in record.training:
                own = (marks.get((one["seed"], one["fold"], data["part"])) for data in record.evaluated_on)
                if holders.get(next(own, None), record.run) == record.run:
                    data = dict(zip(DATA_COLUMNS, learned, strict=True))
                    head = {**_head(record), **data, "seed": one["seed"], "fold": one["fold"]}
                    for epoch, terms in enumerate(one.get("history", ()), 1):
                        rows += [
                            {**head, "epoch": epoch, "term": term, "value": value} for term, value in terms.items()
                        ]
        return pd.DataFrame(rows, columns=[*RUN_COLUMNS, *DATA_COLUMNS, *TERM_COLUMNS])

    @property
    def confusions(self) -> pd.DataFrame:
        """Return one row per run, dataset, protocol, seed, fold, setting, class and predicted class.

        Columns: the number of test samples and their share of the class. Empty without the folders of the runs.
        """
        rows, holders = [], self._holders()
        for record in self.records:
            path = self.root / record.run / "confusion.json" if self.root else None
            matrices = json.loads(path.read_text()) if path is not None and path.exists() else []
            head, evaluations = _head(record), Evaluations(record)
            for one in matrices:
                place = (one["dataset"], one["protocol"], one["seed"], one["epoch"])
                mark = _mark(head, evaluations.find(*place, fold=one["fold"], setting=one["setting"]), one["dataset"])
                if holders.get(mark, record.run) == record.run:
                    rows += [{**head, **pair} for pair in _pairs(one, record)]
        return pd.DataFrame(rows, columns=[*RUN_COLUMNS, *PAIR_COLUMNS])

    def _training_holders(self) -> dict[Mark, str]:
        """Map the marks of shared trainings to the run that shows them."""
        if self.repeat_shared:
            return {}
        return find_holders(self.records, lambda record: _training_marks(record).values())

    def _size_rows(self, rows_of: Callable[[Any], Sequence[Mapping[str, Any]]], columns: Sequence[str]) -> pd.DataFrame:
        rows = []
        for record in self.records:
            for data in [data for data in record.evaluated_on if "divided" in data]:
                rows += [{**_head(record), **_data(record, data["part"]), **row} for row in rows_of(data["divided"])]
        return pd.DataFrame(rows, columns=[*RUN_COLUMNS, *DATA_COLUMNS, *columns])

    @property
    def classes(self) -> pd.DataFrame:
        """Return one row per run, dataset, protocol, seed, fold, setting, and class, label or number of the target.

        Columns of scores that do not apply to a target are empty.
        """
        classes, labels = (self._frame(name, lambda row: True) for name in ("classes", "labels"))
        if labels.empty:
            return classes
        scores = pd.DataFrame(labels.pop("scores").tolist(), index=labels.index)
        own = labels.join(scores)
        return own if classes.empty else pd.concat([classes, own], ignore_index=True)

    def _frame(self, field: str, wanted: Callable[[Any], bool]) -> pd.DataFrame:
        """Return the rows of one kind, without those that another record shows."""
        rows, holders = [], self._holders()
        for record in self.records:
            head, evaluations, prints = _head(record), Evaluations(record), _fingerprints(record)
            for row in filter(wanted, getattr(record, field)):
                mark = _mark(head, evaluations.stage_of(row), row.dataset)
                if holders.get(mark, record.run) == record.run:
                    rows.append({**head, "dataset": row.dataset, "fingerprint": prints.get(row.dataset), **asdict(row)})
        own = [one.name for one in fields(KINDS[field]) if one.name not in DATA_COLUMNS]
        return pd.DataFrame(rows, columns=[*RUN_COLUMNS, *DATA_COLUMNS, *own])

    def _holders(self) -> dict[Mark, str]:
        """Map the marks of shared evaluations to the run that shows them."""
        if self.repeat_shared:
            return {}
        return find_holders(
            self.records,
            lambda record: [_mark(_head(record), key, dataset) for key, dataset in Evaluations(record).list_stages()],
        )


def _missing(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the classes of one dataset that lack training or test samples; empty for records of older versions."""
    return [
        dict(zip(MISSING_COLUMNS, (int(fold), lacks, name, samples), strict=True))
        for fold, kinds in data.get("missing_classes", {}).items()
        for lacks, classes in kinds.items()
        for name, samples in classes.items()
    ]


def _trainings(record: Record) -> list[dict[str, Any]]:
    """List the cost of each training. Seconds are divided equally because a record has only their sum."""
    several = max(1, len(record.training))
    found = []
    for training, rate in zip(record.training, record.cost.get("samples_per_second", ()), strict=False):
        epochs, samples = len(training.get("history", ())), training.get("samples", 0)
        batch = max(1, min(record.settings["train"]["batch_size"], samples))
        values = (
            epochs, epochs * (samples // batch) * batch, record.cost["seconds"].get("pretrain", 0.0) / several, rate,
            record.cost["peak_memory"] / 2**20,
        )  # fmt: skip
        found.append({"seed": training["seed"], "fold": training["fold"], **dict(zip(COSTS, values, strict=True))})
    return found


def _pairs(matrix: Mapping[str, Any], record: Record) -> list[dict[str, Any]]:
    """List the cells above 0 of a stored confusion matrix; none if it was chosen on test data."""
    if matrix["chosen_on"] == "query":
        return []
    names = list(dict.fromkeys(row.name for row in record.classes if row.dataset == matrix["dataset"]))
    class_sizes = Counter[int]()
    for true, _, count in matrix["counts"]:
        class_sizes[true] += count
    facts = {**_data(record, matrix["dataset"]), **{name: matrix[name] for name in PAIR_COLUMNS[2:7]}}
    return [
        {
            **facts,
            "class": names[true],
            "predicted_class": names[predicted],
            "count": count,
            "share": count / class_sizes[true],
        }
        for true, predicted, count in matrix["counts"]
    ]


def _members(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the members of a dataset from its own account, else the dataset as one member."""
    if "account" in data:
        return [dict(zip(data["account"]["columns"], row, strict=True)) for row in data["account"]["rows"]]
    return [{"member": data["part"], "images": data.get("samples", 0), "kept": data.get("samples", 0)}]


def _fingerprints(record: Record) -> dict[str, str]:
    """Return the fingerprints of the evaluated datasets by name."""
    return {data["part"]: data.get("fingerprint", "") for data in record.evaluated_on}


def _data(record: Record, part: str) -> dict[str, str]:
    """Return the columns that identify a dataset: its name and fingerprint."""
    return dict(zip(DATA_COLUMNS, (part, _fingerprints(record).get(part, "")), strict=True))


def _mark(head: Mapping[str, Any], stage: str | None, dataset: str) -> Mark:
    """Return what identifies a row of a stage in every record; None if the stage is not known."""
    return stage and (stage, dataset, *(value for name, value in head.items() if name not in ("run", "status")))


def _training_marks(record: Record) -> dict[tuple[int, int, str], Mark]:
    """Return the mark of each training and dataset by seed, fold and dataset."""
    head, kinds = _head(record), [key for key in record.keys if key.startswith("pretrain/")]
    places = [(key, record.keys[key]["seed"], record.keys[key]["fold"]) for key in kinds]
    return {(s, f, d["part"]): _mark(head, key, d["part"]) for key, s, f in places for d in record.evaluated_on}


def _head(record: Record) -> dict[str, Any]:
    """Return the columns that every row of a run has."""
    splits = record.settings["splits"]
    return {
        "run": record.run, "method": record.method["name"],
        "backbone": joined_names(record.backbones.values()) or "none", "status": record.status,
        "augmentation": joined_names(record.augmentations) or "none", "recipe": record.recipe, "pool": record.pool,
        "baseline": record.baseline, "bank": splits["bank"], "query": splits["query"], "test_share": record.test_share,
        "marks": marks_of(record.method),
    }  # fmt: skip


def read_record(path: Path) -> Record:
    """Read one record. Raises SslbenchError with the file name."""
    try:
        return decode(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SslbenchError(f"{path}: {error}") from error


def load_results(out: str | Path = "runs") -> Results:
    """Load every record below a folder."""
    return Results(records=tuple(read_record(path) for path in sorted(Path(out).glob("*/record.json"))), root=Path(out))
