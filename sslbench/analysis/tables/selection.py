"""Select the scores of a table by one rule: those of one record, or those of a study's frame. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from itertools import compress
from typing import Any, TypeVar

import pandas as pd

from sslbench.results.record import ClassScore, LabelScore, Score, setting_of

R = TypeVar("R", Score, ClassScore, LabelScore)
SCORE_FACTS = (
    "method",
    "backbone",
    "augmentation",
    "dataset",
    "protocol",
    "metric",
    "recipe",
    "pool",
    "fraction",
    "epoch",
    "bank",
    "query",
    "clusters",
    "against",
    "gallery",
    "queries",
    "shots",
)
"""Facts that a table or figure may name in addition to the study's own axes."""
RUN_FACTS = ("backbone", "augmentation", "dataset")
"""Facts that distinguish runs of one method, whether or not a table names them."""
ALL_MODALITIES = "every modality"
DEFAULT_FACT = {
    "fraction": "all labels",
    "epoch": "last",
    "against": "class",
    "gallery": ALL_MODALITIES,
    "queries": ALL_MODALITIES,
}
"""Facts that most scores lack, with the text for a missing value. Unless a table names the fact, only scores without it
count.
"""
MAX_BY_DEFAULT = ("shots",)
"""Numeric facts of which only the largest value of each run counts, unless a table names the fact."""
VARIED_FACTS = ("fraction", "clusters", "against", "gallery", "queries", "shots", "draw")
"""Facts that a protocol varies within one run; they are stored in the settings of its scores."""
NOT_REQUESTED = "(not requested)"
"""Marks runs that no grid point requested (baselines); excluded unless results are grouped by method."""


class MultiLabel(tuple[Any, ...]):
    """Labels of a run that answers several grid points, on an axis where they differ; `select` shows it at each."""


def select_scores(rows: Iterable[R], *, dataset: str = "", protocol: str = "", named: Collection[str] = ()) -> list[R]:
    """Select a run's results of the last epoch that answer the default question of each protocol, in their order.

    Keeps one dataset and one protocol if they are given, and all values of the facts in `named`. Scores of settings that
    were chosen on test data are no results.
    """
    own = [
        row
        for row in rows
        if (not dataset or row.dataset == dataset)
        and (not protocol or row.protocol == protocol)
        and (not isinstance(row, Score) or (row.epoch is None and row.chosen_on != "query"))
    ]
    settings = [setting_of(row.setting) for row in own]
    facts = {
        fact: [one.get(fact) for one in settings] for fact in (*DEFAULT_FACT, *MAX_BY_DEFAULT) if fact not in named
    }
    places = [(row.dataset, row.protocol) for row in own]
    return list(compress(own, default_mask(facts, places, places)))


def select(frame: pd.DataFrame, where: Mapping[str, Any], named: Sequence[str]) -> pd.DataFrame:
    """Return the scores that `where` selects; a list selects any of its values.

    Runs that no point requested count only if the result is grouped by method.
    """
    frame = expand_labels(frame, (*where, *named))
    if NOT_REQUESTED in frame and "method" not in (*where, *named):
        frame = frame[frame[NOT_REQUESTED].isna()]
    for name, wanted in where.items():
        values = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
        unset = frame[name].isna() if DEFAULT_FACT.get(name) in values else False
        frame = frame[frame[name].isin(values) | unset]
    facts = {
        name: [None if pd.isna(value) else value for value in frame[name]]
        for name in (*DEFAULT_FACT, *MAX_BY_DEFAULT)
        if name in frame and name not in (*where, *named) and frame[name].notna().any()
    }
    compared, within = (
        list(frame.reindex(columns=names, fill_value="").itertuples(index=False, name=None))
        for names in (["protocol"], ["run", "dataset", "protocol"])
    )
    return frame[default_mask(facts, compared, within)] if facts else frame


def expand_labels(frame: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Repeat rows of runs that answer several points, once for each of their labels on these axes."""
    for axis in dict.fromkeys(axes):
        if axis in frame and any(isinstance(label, MultiLabel) for label in frame[axis]):
            lists = [list(label) if isinstance(label, MultiLabel) else [label] for label in frame[axis]]
            frame = frame.assign(**{axis: pd.Series(lists, index=frame.index)}).explode(axis, ignore_index=True)
            frame[axis] = frame[axis].infer_objects()
    return frame


def default_mask(
    facts: Mapping[str, Sequence[Any]], compared: Sequence[Hashable], within: Sequence[Hashable]
) -> list[bool]:
    """Return which scores answer the default question, by their values of these facts (None: not set).

    Scores without a fact of DEFAULT_FACT count; if all those of a group in `compared` have it (such as only few labels, or
    only pairs of modalities), those with its largest number or its first text. Of a fact of MAX_BY_DEFAULT, the largest
    number in a group of `within` counts.
    """
    kept = [True] * len(compared)
    for fact, values in facts.items():
        groups, choose = (within, _choose_largest) if fact in MAX_BY_DEFAULT else (compared, choose_default)
        by_group: dict[Hashable, list[Any]] = defaultdict(list)
        for group, value, is_kept in zip(groups, values, kept, strict=True):
            if is_kept:
                by_group[group].append(value)
        shown = {group: choose(found) for group, found in by_group.items()}
        kept = [
            is_kept and (value == shown[group] or (value is None and fact in MAX_BY_DEFAULT))
            for group, value, is_kept in zip(groups, values, kept, strict=True)
        ]
    return kept


def choose_default(values: Sequence[Any]) -> Any:
    """Choose the value of a fact (such as the label fraction) for tables that do not select one.

    Returns None (not set) if it is among the values, else the largest number or the first text.
    """
    if None in values or not values:
        return None
    return max(values) if all(isinstance(value, (int, float)) for value in values) else values[0]


def _choose_largest(values: Sequence[Any]) -> Any:
    return max((value for value in values if value is not None), default=None)


def describe_fact(fact: str, value: Any) -> str:
    """Describe the value of a fact under which numbers were measured."""
    return f"{100 * value:g} % of the training labels" if fact == "fraction" else f"{fact} {value}"
