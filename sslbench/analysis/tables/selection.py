"""Scores of a study's runs as one tidy frame, and estimates from it by any of its columns. Pure: no files, no drawing."""

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
from sslbench.results.answers import question_of
from sslbench.results.record import setting_of

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
"""What a table or figure may name beside the study's own axes."""
RUN_FACTS = ("backbone", "augmentation", "dataset")
"""Facts that make another run of it, whether or not a table names them."""
ALL_MODALITIES = "every modality"
DEFAULT_FACT = {
    "fraction": "all labels",
    "epoch": "last",
    "against": "class",
    "gallery": ALL_MODALITIES,
    "queries": ALL_MODALITIES,
}
"""Facts that most scores have not, and what a table calls those: where nobody asks for them, only those scores count."""
MAX_BY_DEFAULT = ("shots",)
"""Numbers of which the largest counts, run by run, where nobody asks for them."""
VARIED_FACTS = ("fraction", "clusters", "against", "gallery", "queries", "shots", "draw")
"""Facts that a protocol varies within one run: its scores' settings hold them."""
NOT_REQUESTED = "(not requested)"
"""A label of runs that no point of a study asks for, such as its baselines: where methods are mixed, they do not count."""
Points = Mapping[str, Sequence[Mapping[str, Any]]]
UNITS = ("seed", "fold", "draw")
"""What one value of a score is of."""
PAIRING_FACTS = ("dataset", "protocol", "metric", "seed", "fold", "epoch", *VARIED_FACTS)
"""What two values must have in common to be set against each other."""


def find_default(settings: Sequence[str]) -> list[bool]:
    """Say which scores of one protocol and one run answer the protocol's own question, by their settings (JSON).

    These are the scores without any fact of UNSET. Where every score has such a fact (only few labels were asked for, or
    only pairs of modalities), the scores with its largest number count, or with its first name.
    """
    found = [setting_of(setting) for setting in settings]
    own = [True] * len(found)
    for fact in DEFAULT_FACT:
        values = [one.get(fact) for one, wanted in zip(found, own, strict=True) if wanted]
        shown = choose_default(values)
        own = [wanted and one.get(fact) == shown for one, wanted in zip(found, own, strict=True)]
    return own


def describe_fact(fact: str, value: Any) -> str:
    """Say under which value of a fact numbers were measured."""
    return f"{100 * value:g} % of the training labels" if fact == "fraction" else f"{fact} {value}"


def choose_default(values: Sequence[Any]) -> Any:
    """Return the value of a fact that a table shows where nobody asks for one: none, else the largest or the first."""
    if None in values or not values:
        return None
    return max(values) if all(isinstance(value, (int, float)) for value in values) else values[0]


def has_largest(settings: Sequence[str]) -> list[bool]:
    """Of scores of one run, which have the largest of those numbers that a protocol varies and sums up by its largest."""
    told = [setting_of(setting) for setting in settings]
    most = {fact: max((one[fact] for one in told if fact in one), default=None) for fact in MAX_BY_DEFAULT}
    return [all(one.get(fact, value) == value for fact, value in most.items()) for one in told]


class MultiLabel(tuple[Any, ...]):
    """The labels of a run that several points ask for, on an axis in which these differ; `select` shows it at each."""


def study_frame(scores: pd.DataFrame, points: Points, *, several: bool = True) -> pd.DataFrame:
    """Scores with each run's labels, and what its protocol varied."""
    if scores.empty:
        return scores
    frame = add_labels(scores, points, several=several)
    settings = [setting_of(setting) for setting in frame["setting"]]
    return frame.assign(**{fact: [one.get(fact, np.nan) for one in settings] for fact in VARIED_FACTS})


def add_labels(frame: pd.DataFrame, points: Points, *, several: bool = True) -> pd.DataFrame:
    """Lay each run's labels beside its rows: one column per axis.

    Where a run answers points that differ in an axis it bears all their labels (without `several` none); a row beside, such
    as a baseline, which nobody asked for, bears none.
    """
    frame = frame.copy()
    axes = list(dict.fromkeys(axis for labels in points.values() for point in labels for axis in point))
    for axis in [axis for axis in axes if axis not in frame]:  # one that is called like a fact is that fact
        common = {run: _common(labels, axis, several=several) for run, labels in points.items()}
        frame[axis] = [common.get(run) for run in frame["run"]]
    return frame


def _common(labels: Sequence[Mapping[str, Any]], axis: str, *, several: bool) -> Any:
    named = [point.get(axis) for point in labels]
    values = {str(v): str(v) if isinstance(v, (list, tuple)) else v for v in named}
    if len(values) == 1:
        return next(iter(values.values()))
    beside = any(point.get(NOT_REQUESTED) for point in labels)
    return MultiLabel(values.values()) if several and not beside else None


def expand_labels(frame: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """Rows of runs that several points ask for, once for each of their labels on these axes."""
    for axis in dict.fromkeys(axes):
        if axis in frame and any(isinstance(label, MultiLabel) for label in frame[axis]):
            lists = [list(label) if isinstance(label, MultiLabel) else [label] for label in frame[axis]]
            frame = frame.assign(**{axis: pd.Series(lists, index=frame.index)}).explode(axis, ignore_index=True)
            frame[axis] = frame[axis].infer_objects()
    return frame


def select(frame: pd.DataFrame, where: Mapping[str, Any], named: Sequence[str]) -> pd.DataFrame:
    """The scores that `where` means; a list means any of its values. Rows beside count only where methods are told apart."""
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
            most = frame.groupby(["run", "protocol"], dropna=False)[name].transform("max")
            frame = frame[frame[name].isna() | (frame[name] == most)]
    return frame


def _without_fact(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The scores without a fact; of a protocol whose scores all have it, those with the value that a table shows."""
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
    """Name what a group of one method would mix: two runs of different backbones are never averaged as if they were seeds."""
    for fact in RUN_FACTS if "method" in by and len(frame) else ():
        if fact not in by:
            mixed = frame.groupby(list(by), dropna=False)[fact].transform("nunique") > 1
            frame = frame.assign(method=frame["method"].where(~mixed, frame["method"] + " (" + frame[fact] + ")"))
    return frame


def seed_values(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """One value per seed and group: folds, probe seeds and draws are averaged within a seed."""
    return frame.groupby([*by, "seed"], dropna=False, sort=False)["value"].mean().reset_index()


def paired_difference(frame: pd.DataFrame, method: str, axes: Sequence[str]) -> pd.DataFrame:
    """Each seed's value less that of `method` with the same seed, data, backbone, protocol, metric, epoch and fraction.

    It is the same on every one of `axes` too that tells that method's runs apart. Where it has no backbone, it stands against
    every backbone. Values without a counterpart are dropped.
    """
    theirs, ours = frame[frame["method"] == method], frame[frame["method"] != method]
    apart = [axis for axis in axes if axis in frame and axis != "method" and theirs[axis].notna().all()]
    bodies = ["backbone"] if set(theirs["backbone"]) != {"none"} else []
    own = ["class"] if "class" in frame else []
    wanted = dict.fromkeys((*PAIRING_FACTS, *own, *apart, *bodies))
    same = [name for name in wanted if name in frame and (name != "backbone" or bodies)]
    base = theirs.groupby(same, dropna=False)["value"].mean().rename("base").reset_index()
    kept = [name for name in ours.columns if name not in ("value", "setting", "chosen", "chosen_on")]
    paired = ours.groupby(kept, dropna=False, sort=False)["value"].mean().reset_index().merge(base, on=same)
    return paired.assign(value=paired["value"] - paired["base"])


def estimates(
    frame: pd.DataFrame, by: Sequence[str], variances: Mapping[Accuracy, KnownVariance] = MappingProxyType({})
) -> pd.DataFrame:
    """One row per group: mean, half of the 95 % interval's width, n, what the interval covers, and its test samples.

    An accuracy of one run whose variance is known has an interval over seeds and test samples; else it is over seeds, or over
    folds of one seed, corrected for the share that each tests: column `test_share`, without which it is a fifth.
    """
    rows = []
    for key, group in frame.groupby(list(by), dropna=False, sort=False):
        seeds = group.groupby("seed")["value"].mean()
        folds = group.groupby("fold")["value"].mean()
        alone = len(seeds) == 1 and len(folds) > 1
        share = float(group["test_share"].iloc[0]) if "test_share" in group else 0.2
        found = mean_over_folds(folds.tolist(), share) if alone else mean_over_seeds(seeds.tolist())
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
    """The variance of a group that is one accuracy of one run; None for a mean of several, or of other metrics."""
    if not variances or not {"run", "setting", "epoch"} <= {*group} or group["epoch"].notna().any():
        return None
    columns = (group[name] for name in ("run", "dataset", "protocol", "setting", "metric"))
    found = {
        Accuracy(run, question_of(dataset, protocol, setting), metric)
        for run, dataset, protocol, setting, metric in zip(*columns, strict=True)
    }
    return variances.get(found.pop()) if len(found) == 1 else None


def deviations(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """One row per group: mean and deviation over folds, seeds and draws, `half` with n - 1 and `deviation_n` with n below.

    Folds share most of their training data: this says how far they lie apart, and is no interval of the mean.
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
    """One row per group: mean and standard deviation (n - 1) over an axis's values, of the means over folds and seeds."""
    rows = []
    for key, group in frame.dropna(subset=[axis]).groupby(list(by), dropna=False, sort=False):
        values = group.groupby(axis)["value"].mean()
        places = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        deviation = values.std(ddof=1) if len(values) > 1 else None
        spread = {"deviation": deviation, "deviation_n": values.std(ddof=0)}
        rows.append({**places, "mean": values.mean(), **spread, "n": len(values), "unit": f"values of {axis}"})
    return pd.DataFrame(rows, columns=[*by, "mean", "deviation", "deviation_n", "n", "unit"])


def unit_values(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """One value per seed, fold, draw and group."""
    units = [name for name in UNITS if name in frame]
    return frame.groupby([*by, *units], dropna=False, sort=False)["value"].mean().reset_index()


def classes_frame(classes: pd.DataFrame) -> pd.DataFrame:
    """Class scores as scores: their recall, precision and F1 are metrics, and 'class' is one more fact.

    Of a class that was not learned, for it has no training samples, nothing is said.
    """
    if classes.empty:
        return classes
    counts = ("recall", "precision", "f1", "support", "training_samples", "name")
    kept = [name for name in classes.columns if name not in counts]
    if "training_samples" in classes:
        classes = classes[classes["training_samples"].ne(0) | classes["training_samples"].isna()]
    named = classes.rename(columns={"name": "class"})
    metrics = ("recall", "precision", "f1")
    melted = named.melt(id_vars=[*kept, "class"], value_vars=metrics, var_name="metric", value_name="value")
    return melted.dropna(subset=["value"]).assign(epoch=np.nan)


def cross_table(found: pd.DataFrame, rows: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Estimates as a table for people: `rows` down, `columns` across, in each place its 'cell', or 'mean ± half'."""
    if "cell" not in found:
        found = found.assign(cell=[cell(mean, error) for mean, error in zip(found["mean"], found[error_column(found)], strict=True)])
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
    """A column that some rows have not makes its whole numbers decimals: 10.0 is 10 again."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) >= 1 else value


def add_unmeasured(table: pd.DataFrame, rows: Sequence[str], runs: pd.DataFrame) -> pd.DataFrame:
    """A table of `crossed` with a row for each run that has no numbers, which its method's name says."""
    added = []
    for _, run in runs.iterrows():
        labels = {name: as_int(run[name]) if name in run and pd.notna(run[name]) else "–" for name in rows}
        told = "method" if "method" in rows else rows[0]
        labels[told] = f"{labels[told]} ({run['status']})"
        added.append({**dict.fromkeys(table.columns, "–"), **labels})
    return pd.concat([table, pd.DataFrame(added, columns=table.columns)], ignore_index=True) if added else table


def cell(mean: float, half: float | None) -> str:
    """A mean and, where there is one, half of its interval."""
    digits = 1 if abs(mean) >= 10 else 3
    return f"{mean:.{digits}f}" + ("" if half is None or np.isnan(half) else f" ±{half:.{digits}f}")
