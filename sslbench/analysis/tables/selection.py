"""Select scores of a study's runs from one tidy frame, and estimate means by any of its columns. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from sslbench.analysis.statistics.accuracy import Accuracy, KnownVariance
from sslbench.analysis.statistics.intervals import Estimate, mean_over_folds, mean_over_seeds
from sslbench.analysis.statistics.score_variance import half_width
from sslbench.api.targets import KINDS
from sslbench.results.answers import question_of
from sslbench.results.record import setting_of

CLASS_METRICS = tuple(dict.fromkeys(metric for kind in KINDS.values() for metric in kind.each))
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
Points = Mapping[str, Sequence[Mapping[str, Any]]]
UNITS = ("seed", "fold", "draw")
"""Units of repetition of a score."""
PAIRING_FACTS = ("dataset", "protocol", "metric", "seed", "fold", "epoch", *VARIED_FACTS)
"""Facts that two values must share to be paired."""


def find_default(settings: Sequence[str]) -> list[bool]:
    """Return which scores of one protocol and run answer its default question, by their settings (JSON).

    These are the scores without any fact of DEFAULT_FACT. If every score has such a fact (such as only few labels, or
    only pairs of modalities), those with its largest number, or its first name, count.
    """
    found = [setting_of(setting) for setting in settings]
    own = [True] * len(found)
    for fact in DEFAULT_FACT:
        values = [one.get(fact) for one, wanted in zip(found, own, strict=True) if wanted]
        shown = choose_default(values)
        own = [wanted and one.get(fact) == shown for one, wanted in zip(found, own, strict=True)]
    return own


def describe_fact(fact: str, value: Any) -> str:
    """Describe the value of a fact under which numbers were measured."""
    return f"{100 * value:g} % of the training labels" if fact == "fraction" else f"{fact} {value}"


def choose_default(values: Sequence[Any]) -> Any:
    """Choose the value of a fact (such as the label fraction) for tables that do not select one.

    Returns None (not set) if it is among the values, else the largest number or the first text.
    """
    if None in values or not values:
        return None
    return max(values) if all(isinstance(value, (int, float)) for value in values) else values[0]


def has_largest(settings: Sequence[str]) -> list[bool]:
    """Return which scores of one run have the largest value of each fact in MAX_BY_DEFAULT."""
    parsed = [setting_of(setting) for setting in settings]
    largest = {fact: max((one[fact] for one in parsed if fact in one), default=None) for fact in MAX_BY_DEFAULT}
    return [all(one.get(fact, value) == value for fact, value in largest.items()) for one in parsed]


class MultiLabel(tuple[Any, ...]):
    """Labels of a run that answers several grid points, on an axis where they differ; `select` shows it at each."""


def study_frame(scores: pd.DataFrame, points: Points, *, several: bool = True) -> pd.DataFrame:
    """Add each run's labels, and the facts that its protocol varied, to scores."""
    if scores.empty:
        return scores
    frame = add_labels(scores, points, several=several)
    settings = [setting_of(setting) for setting in frame["setting"]]
    return frame.assign(**{fact: [one.get(fact, np.nan) for one in settings] for fact in VARIED_FACTS})


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


def expand_labels(frame: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Repeat rows of runs that answer several points, once for each of their labels on these axes."""
    for axis in dict.fromkeys(axes):
        if axis in frame and any(isinstance(label, MultiLabel) for label in frame[axis]):
            lists = [list(label) if isinstance(label, MultiLabel) else [label] for label in frame[axis]]
            frame = frame.assign(**{axis: pd.Series(lists, index=frame.index)}).explode(axis, ignore_index=True)
            frame[axis] = frame[axis].infer_objects()
    return frame


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
    for name in DEFAULT_FACT:
        if name in frame and name not in named and name not in where:
            frame = _without_fact(frame, name)
    for name in MAX_BY_DEFAULT:
        if name in frame and name not in named and name not in where and frame[name].notna().any():
            largest = frame.groupby(["run", "protocol"], dropna=False)[name].transform("max")
            frame = frame[frame[name].isna() | (frame[name] == largest)]
    return frame


def _without_fact(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return scores without a fact; if all scores of a protocol have it, those with its default value."""
    unset = frame[name].isna()
    if unset.all() or "protocol" not in frame:
        return frame[unset]
    shown = {
        protocol: choose_default([None if pd.isna(value) else value for value in values])
        for protocol, values in frame.groupby("protocol", sort=False)[name]
    }
    return frame[[shown[protocol] == (None if lacks else value) for protocol, value, lacks in zip(
        frame["protocol"], frame[name], unset, strict=True)]]  # fmt: skip


def disambiguate(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Add facts to method names that a group would otherwise mix, so that different runs are never averaged as seeds."""
    for fact in RUN_FACTS if "method" in by and len(frame) else ():
        if fact not in by:
            mixed = frame.groupby(list(by), dropna=False)[fact].transform("nunique") > 1
            frame = frame.assign(method=frame["method"].where(~mixed, frame["method"] + " (" + frame[fact] + ")"))
    return frame


def seed_values(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return one value per seed and group: folds, probe seeds and draws are averaged within a seed."""
    return frame.groupby([*by, "seed"], dropna=False, sort=False)["value"].mean().reset_index()


def paired_difference(frame: pd.DataFrame, method: str, axes: Sequence[str]) -> pd.DataFrame:
    """Subtract the value of `method` with the same seed, data, backbone, protocol, metric, epoch and fraction.

    Values must also agree on every one of `axes` that the method's runs vary. A method without a backbone is compared
    with every backbone. Values without a counterpart are dropped.
    """
    reference, ours = frame[frame["method"] == method], frame[frame["method"] != method]
    shared_axes = [axis for axis in axes if axis in frame and axis != "method" and reference[axis].notna().all()]
    backbone = ["backbone"] if set(reference["backbone"]) != {"none"} else []
    own = ["class"] if "class" in frame else []
    wanted = dict.fromkeys((*PAIRING_FACTS, *own, *shared_axes, *backbone))
    same = [name for name in wanted if name in frame and (name != "backbone" or backbone)]
    base = reference.groupby(same, dropna=False)["value"].mean().rename("base").reset_index()
    kept = [name for name in ours.columns if name not in ("value", "setting", "chosen", "chosen_on")]
    paired = ours.groupby(kept, dropna=False, sort=False)["value"].mean().reset_index().merge(base, on=same)
    return paired.assign(value=paired["value"] - paired["base"])


def estimates(
    frame: pd.DataFrame, by: Sequence[str], variances: Mapping[Accuracy, KnownVariance] = MappingProxyType({})
) -> pd.DataFrame:
    """Return one row per group: mean, half-width of its 95 % interval, n, unit, and number of test samples.

    An accuracy of one run with known variance has an interval over seeds and test samples. Otherwise the unit is the
    seed, or the fold if there is one seed, corrected for the share that each fold tests (column `test_share`; 0.2 if
    missing).
    """
    rows = []
    for key, group in frame.groupby(list(by), dropna=False, sort=False):
        seeds = group.groupby("seed")["value"].mean()
        folds = group.groupby("fold")["value"].mean()
        is_over_folds = len(seeds) == 1 and len(folds) > 1
        share = float(group["test_share"].iloc[0]) if "test_share" in group else 0.2
        found = mean_over_folds(folds.tolist(), share) if is_over_folds else mean_over_seeds(seeds.tolist())
        if (known := _known_variance(group, variances)) is not None:
            found = Estimate(
                mean=float(seeds.mean()), ci95_half_width=half_width(known.variance), n=len(seeds),
                unit="seeds and test samples" if known.variance.n_seeds > 1 else "test samples",
                test_samples=known.test_samples,
            )  # fmt: skip
        places = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        rows.append({**places, **asdict(found)})
    return pd.DataFrame(rows, columns=[*by, "mean", "ci95_half_width", "n", "unit", "test_samples"])


def _known_variance(group: pd.DataFrame, variances: Mapping[Accuracy, KnownVariance]) -> KnownVariance | None:
    """Return the variance of a group that is one accuracy of one run; None for other groups."""
    if not variances or not {"run", "setting", "epoch"} <= {*group} or group["epoch"].notna().any():
        return None
    columns = (group[name] for name in ("run", "dataset", "protocol", "setting", "metric"))
    found = {
        Accuracy(run, question_of(dataset, protocol, setting), metric)
        for run, dataset, protocol, setting, metric in zip(*columns, strict=True)
    }
    return variances.get(found.pop()) if len(found) == 1 else None


def deviations(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return one row per group: mean over folds, seeds and draws, `deviation` (n - 1) and `deviation_n` (n).

    Folds share most of their training data: the deviation describes their spread and is not an interval of the mean.
    """
    rows = []
    for key, group in frame.groupby(list(by), dropna=False, sort=False):
        values = unit_values(group, [])["value"]
        places = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        units = [name for name in UNITS if name in group and group[name].nunique() > 1]
        unit = " x ".join(f"{name}s" for name in units) or "one value"
        deviation = values.std(ddof=1) if len(values) > 1 else None
        spread = {"deviation": deviation, "deviation_n": values.std(ddof=0)}
        rows.append({**places, "mean": values.mean(), **spread, "n": len(values), "unit": unit})
    return pd.DataFrame(rows, columns=[*by, "mean", "deviation", "deviation_n", "n", "unit"])


def deviations_across(frame: pd.DataFrame, by: Sequence[str], axis: str) -> pd.DataFrame:
    """Return one row per group: mean and deviation over an axis's values, each a mean over folds and seeds."""
    rows = []
    for key, group in frame.dropna(subset=[axis]).groupby(list(by), dropna=False, sort=False):
        values = group.groupby(axis)["value"].mean()
        places = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        deviation = values.std(ddof=1) if len(values) > 1 else None
        spread = {"deviation": deviation, "deviation_n": values.std(ddof=0)}
        rows.append({**places, "mean": values.mean(), **spread, "n": len(values), "unit": f"values of {axis}"})
    return pd.DataFrame(rows, columns=[*by, "mean", "deviation", "deviation_n", "n", "unit"])


def unit_values(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return one value per seed, fold, draw and group."""
    units = [name for name in UNITS if name in frame]
    return frame.groupby([*by, *units], dropna=False, sort=False)["value"].mean().reset_index()


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


def cross_table(found: pd.DataFrame, rows: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Arrange estimates for display: `rows` down, `columns` across, each cell its 'cell' or 'mean ± error'."""
    if "cell" not in found:
        found = found.assign(
            cell=[cell(mean, error) for mean, error in zip(found["mean"], found[error_column(found)], strict=True)]
        )
    else:
        found = found.copy()
    for name in (*rows, *columns):
        found[name] = [DEFAULT_FACT.get(name, "–") if pd.isna(value) else as_int(value) for value in found[name]]
    if not columns:
        return found[[*rows]].assign(value=found["cell"]).reset_index(drop=True)
    table = found.pivot(index=list(rows), columns=list(columns), values=["cell"]).fillna("–")
    order = found[list(rows)].drop_duplicates()
    table = table.reindex(pd.MultiIndex.from_frame(order) if len(rows) > 1 else order[rows[0]])
    table.columns = pd.Index([" ".join(map(str, c[1:])).replace("_", " ") for c in table.columns])
    return table.reset_index()


def as_int(value: Any) -> Any:
    """Convert a whole number to int, such as 10.0 in a column with missing values."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) >= 1 else value


def add_unmeasured(table: pd.DataFrame, rows: Sequence[str], runs: pd.DataFrame) -> pd.DataFrame:
    """Add a row for each run without scores to a table of `cross_table`, with its status after the method's name."""
    added = []
    for _, run in runs.iterrows():
        labels = {name: as_int(run[name]) if name in run and pd.notna(run[name]) else "–" for name in rows}
        name_column = "method" if "method" in rows else rows[0]
        labels[name_column] = f"{labels[name_column]} ({run['status']})"
        added.append({**dict.fromkeys(table.columns, "–"), **labels})
    return pd.concat([table, pd.DataFrame(added, columns=table.columns)], ignore_index=True) if added else table


def error_column(found: pd.DataFrame | Mapping[str, Any]) -> str:
    """Return the column with the error of each mean: half of a 95 % interval, or a standard deviation."""
    return "ci95_half_width" if "ci95_half_width" in found else "deviation"


def cell(mean: float, error: float | None) -> str:
    """Format a mean and, if there is one, its error: half of an interval, or a deviation."""
    digits = 1 if abs(mean) >= 10 else 3
    return f"{mean:.{digits}f}" + ("" if error is None or np.isnan(error) else f" ±{error:.{digits}f}")
