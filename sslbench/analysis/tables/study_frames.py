"""Add the labels of a study's grid points to frames of its runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sslbench.analysis.tables.selection import NOT_REQUESTED, RUN_FACTS, MultiLabel
from sslbench.api.targets import KINDS
from sslbench.results.answers import question_of
from sslbench.results.record import DRAW, setting_of
from sslbench.results.varied import VariedTable

CLASS_METRICS = tuple(dict.fromkeys(metric for kind in KINDS.values() for metric in kind.each))
Points = Mapping[str, Sequence[Mapping[str, Any]]]


def study_frame(scores: pd.DataFrame, points: Points, varied: VariedTable, *, several: bool = True) -> pd.DataFrame:
    """Add each run's labels, the settings that its protocol varied, and the question without repetitions to scores."""
    if scores.empty:
        return scores
    frame = add_labels(scores, points, several=several)
    settings = [setting_of(setting) for setting in frame["setting"]]
    measured = {name for setting in settings for name in setting}  # others do not replace an axis of their name
    wanted = [name for name in (*varied.facts, DRAW.name) if name not in scores]
    names = [name for name in wanted if name in measured or name not in frame]
    questions = [question_of("", "", setting, varied.repeats).setting for setting in frame["setting"]]
    return frame.assign(question=questions, **{name: [one.get(name, np.nan) for one in settings] for name in names})


def add_labels(frame: pd.DataFrame, points: Points, *, several: bool = True) -> pd.DataFrame:
    """Add each run's labels: one column per axis.

    A run that answers points with different values on an axis gets all of them (with `several` False none); a run that
    no point requested, such as a baseline, gets none.
    """
    frame = frame.copy()
    axes = list(dict.fromkeys(axis for labels in points.values() for point in labels for axis in point))
    for axis in [axis for axis in axes if axis not in frame]:  # an axis named like a fact is that fact
        common = {run: _common(labels, axis, several=several) for run, labels in points.items()}
        frame[axis] = [common.get(run) for run in frame["run"]]
    return frame


def _common(labels: Sequence[Mapping[str, Any]], axis: str, *, several: bool) -> Any:
    named = [point.get(axis) for point in labels]
    values = {str(v): str(v) if isinstance(v, (list, tuple)) else v for v in named}
    if len(values) == 1:
        return next(iter(values.values()))
    is_baseline = any(point.get(NOT_REQUESTED) for point in labels)
    return MultiLabel(values.values()) if several and not is_baseline else None


def disambiguate(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Add facts to method names that a group would otherwise mix, so that different runs are never averaged as seeds."""
    for fact in RUN_FACTS if "method" in by and len(frame) else ():
        if fact not in by:
            mixed = frame.groupby(list(by), dropna=False)[fact].transform("nunique") > 1
            frame = frame.assign(method=frame["method"].where(~mixed, frame["method"] + " (" + frame[fact] + ")"))
    return frame


def classes_frame(classes: pd.DataFrame) -> pd.DataFrame:
    """Convert scores of classes, labels or numbers to scores: recall, precision, … are metrics, and 'class' is a fact.

    Classes without training samples are left out.
    """
    if classes.empty:
        return classes
    metrics = [name for name in CLASS_METRICS if name in classes]
    kept = [name for name in classes.columns if name not in (*metrics, "support", "training_samples", "name")]
    if "training_samples" in classes:
        classes = classes[classes["training_samples"].ne(0) | classes["training_samples"].isna()]
    named = classes.rename(columns={"name": "class"})
    melted = named.melt(id_vars=[*kept, "class"], value_vars=metrics, var_name="metric", value_name="value")
    return melted.dropna(subset=["value"]).assign(epoch=np.nan)
