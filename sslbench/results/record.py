"""Define the record of a run: its request, scores, cost and host."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

from sslbench.api.varied import Varied
from sslbench.convert import to_plain
from sslbench.results.old_records import declare_settings, installed_catalog, upgrade_record

SCHEMA = 3
Status = Literal["done", "collapsed", "diverged", "unavailable", "failed"]
COSTS = ("epochs", "samples_seen", "seconds", "samples_per_second", "peak_megabytes")
"""Columns of the length and cost of a training."""
VARYING_FIELDS = ("cost", "host", "clock")
"""Fields that may differ between two equal runs."""
DRAW = Varied(name="draw", default="mean")
"""The number of a repetition with other random numbers, `Outcome.draw`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One number, with its dataset, protocol, seed, fold, setting, and the data on which it was chosen."""

    dataset: str
    protocol: str
    seed: int
    fold: int
    epoch: int | None
    setting: str
    chosen: str
    chosen_on: str
    metric: str
    value: float


@lru_cache(maxsize=4096)
def setting_of(text: str) -> Mapping[str, Any]:
    """Decode the setting of a score (JSON). Cached because few texts serve all scores of thousands of records."""
    return MappingProxyType(json.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """One class under one protocol, seed and fold; recall is None where the class has no test sample.

    `training_samples` are the labeled samples of the class that the protocol learned from; with 0, the recall does not
    describe the method. None: not known.
    """

    dataset: str
    protocol: str
    seed: int
    fold: int
    setting: str
    name: str
    recall: float | None
    precision: float
    f1: float
    support: int
    training_samples: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """Scores of one label or number of a target under one protocol, seed and fold; None where one is not defined.

    support, training_samples: positive test and training samples of a label, or samples with a known number.
    """

    dataset: str
    protocol: str
    seed: int
    fold: int
    setting: str
    name: str
    scores: Mapping[str, float | None]
    support: int
    training_samples: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All stored facts about one finished run.

    varied: settings that its tasks and protocols vary, with several values in `scores`.
    """

    run: str
    status: Status
    reason: str = ""
    schema: int = SCHEMA
    method: Mapping[str, Any]
    baseline: bool = False
    backbones: Mapping[str, Any]
    augmentations: Sequence[Mapping[str, Any]]
    recipe: str
    pool: str
    pretrained_on: Sequence[Mapping[str, Any]]
    evaluated_on: Sequence[Mapping[str, Any]]
    protocols: Sequence[Mapping[str, Any]]
    seeds: Sequence[int]
    folds: Sequence[int]
    test_share: float
    settings: Mapping[str, Any]
    request: Mapping[str, Any]
    versions: Mapping[str, str]
    varied: Sequence[Varied] = ()
    scores: Sequence[Score] = ()
    classes: Sequence[ClassScore] = ()
    labels: Sequence[LabelScore] = ()
    training: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)
    clock: Mapping[str, Any] = field(default_factory=dict)

    @property
    def repeats(self) -> tuple[str, ...]:
        """Return the settings of scores that only repeat a question; their answers are averaged within a seed."""
        return tuple(one.name for one in (DRAW, *self.varied) if one.default == "mean")

    @property
    def depends_on_seed(self) -> bool:
        """Return whether encoders depend on the pretraining seed; raw features and frozen weights do not."""
        stated = self.method.get("depends_on_seed")
        if stated is None:  # written before records stored it
            return bool(self.backbones) or any(one.get("history") for one in self.training)
        return bool(stated)


def encode(record: Record) -> bytes:
    """Encode a record as sorted, indented JSON. Raises ValueError for nan."""
    return json.dumps(to_plain(record), indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"


def decode(content: bytes) -> Record:
    """Decode a record. Raises ValueError for another schema or unknown fields."""
    return record_of(json.loads(content))


def record_of(values: dict[str, Any]) -> Record:
    """Convert a tree to a record. Raises ValueError for another schema or unknown fields."""
    try:
        if values.get("schema") == 1:
            values = upgrade_record(values, installed_catalog())
        if values.get("schema") == 2:
            values = declare_settings(values, installed_catalog())
        if values.get("schema") != SCHEMA:
            raise ValueError(
                f"has format {values.get('schema')!r}, but this sslbench reads 1 to {SCHEMA}. Update sslbench"
            )
        scores = tuple(Score(**score) for score in values["scores"])
        classes = tuple(ClassScore(**row) for row in values["classes"])
        labels = tuple(LabelScore(**row) for row in values.get("labels", ()))
        varied = tuple(Varied(**one) for one in values["varied"])
        return Record(**{**values, "varied": varied, "scores": scores, "classes": classes, "labels": labels})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a record: {error}") from error
