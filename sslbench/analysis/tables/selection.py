"""Select the scores of a table by one rule: those of one record, or those of a study's frame. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from typing import Any, TypeVar

import pandas as pd

from sslbench.results.record import ClassScore, LabelScore, Score, setting_of
from sslbench.results.varied import VariedTable

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
    "epoch",
    "bank",
    "query",
)
"""Facts that a table or figure may name in addition to the study's own axes and to the settings that protocols vary."""
RUN_FACTS = ("backbone", "augmentation", "dataset")
"""Facts that distinguish runs of one method, whether or not a table names them."""
NOT_REQUESTED = "(not requested)"
"""Marks runs that no grid point requested (baselines); excluded unless results are grouped by method."""


class MultiLabel(tuple[Any, ...]):
    """Labels of a run that answers several grid points, on an axis where they differ; `select` shows it at each."""


def select_scores(
    rows: Iterable[R], varied: VariedTable, *, dataset: str = "", protocol: str = "", named: Collection[str] = ()
) -> list[R]:
    """Select a run's results of the last epoch that answer the default question of each protocol, in their order.

    Keeps one dataset and one protocol if they are given, and all values of the facts in `named`. Scores of settings that
    were chosen on test data are no results. Protocols of settings that tables show separately are named with their values,
    here and in `protocol`: 'probe:head=linear'.
    """
    varied = varied.naming(protocol)
    own = [
        row
        for row in rows
        if (not dataset or row.dataset == dataset)
        and (not isinstance(row, Score) or (row.epoch is None and row.chosen_on != "query"))
    ]
    settings = [setting_of(row.setting) for row in own]
    if varied.separate:
        variants = [varied.variant(row.protocol, setting) for row, setting in zip(own, settings, strict=True)]
        own = [
            replace(row, protocol=name) if name != row.protocol else row
            for row, name in zip(own, variants, strict=True)
        ]
    if protocol:
        kept = [row.protocol == protocol for row in own]
        own, settings = list(compress(own, kept)), list(compress(settings, kept))
    facts = {fact: [one.get(fact) for one in settings] for fact in varied.limited if fact not in named}
    places = [(row.dataset, row.protocol) for row in own]
    return list(compress(own, default_mask(facts, places, places, varied)))


def select(frame: pd.DataFrame, where: Mapping[str, Any], named: Sequence[str], varied: VariedTable) -> pd.DataFrame:
    """Return the scores that `where` selects; a list selects any of its values.

    Runs that no point requested count only if the result is grouped by method.
    """
    frame = expand_labels(frame, (*where, *named))
    if NOT_REQUESTED in frame and "method" not in (*where, *named):
        frame = frame[frame[NOT_REQUESTED].isna()]
    for name, wanted in where.items():
        values = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
        unset = frame[name].isna() if name in varied and varied.unset(name) in values else False
        frame = frame[frame[name].isin(values) | unset]
    facts = {
        name: [None if pd.isna(value) else value for value in frame[name]]
        for name in varied.limited
        if name in frame and name not in (*where, *named) and frame[name].notna().any()
    }
    compared, within = (
        list(frame.reindex(columns=names, fill_value="").itertuples(index=False, name=None))
        for names in (["protocol"], ["run", "dataset", "protocol"])
    )
    return frame[default_mask(facts, compared, within, varied)] if facts else frame


def separate_settings(frame: pd.DataFrame, named: Collection[str], varied: VariedTable) -> list[str]:
    """Return the settings of which a table of these scores shows every value in a row of its own: it does not name them."""
    if not varied.separate or "protocol" not in frame:
        return []
    protocols = set(frame["protocol"])
    found = dict.fromkeys(name for protocol, name in sorted(varied.separate) if protocol in protocols)
    return [name for name in found if name not in named and name in frame and frame[name].nunique(dropna=False) > 1]


def expand_labels(frame: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Repeat rows of runs that answer several points, once for each of their labels on these axes."""
    for axis in dict.fromkeys(axes):
        if axis in frame and any(isinstance(label, MultiLabel) for label in frame[axis]):
            lists = [list(label) if isinstance(label, MultiLabel) else [label] for label in frame[axis]]
            frame = frame.assign(**{axis: pd.Series(lists, index=frame.index)}).explode(axis, ignore_index=True)
            frame[axis] = frame[axis].infer_objects()
    return frame


def default_mask(
    facts: Mapping[str, Sequence[Any]],
    compared: Sequence[Hashable],
    within: Sequence[Hashable],
    varied: VariedTable,
) -> list[bool]:
    """Return which scores answer the default question, by their values of these facts (None: not set).

    Of a fact that is unset by default, scores without it count; if all those of a group in `compared` have it (such as only
    few labels, or only pairs of modalities), those with its largest number or its first text. Of a fact whose largest number
    counts by default, that in a group of `within`.
    """
    kept = [True] * len(compared)
    for fact, values in sorted(facts.items(), key=lambda one: varied[one[0]].default == "largest"):
        is_largest = varied[fact].default == "largest"
        groups, choose = (within, _choose_largest) if is_largest else (compared, choose_default)
        by_group: dict[Hashable, list[Any]] = defaultdict(list)
        for group, value, is_kept in zip(groups, values, kept, strict=True):
            if is_kept:
                by_group[group].append(value)
        shown = {group: choose(found) for group, found in by_group.items()}
        kept = [
            is_kept and (value == shown[group] or (value is None and is_largest))
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
