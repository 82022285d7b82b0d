"""Which classes a setting helps and which it betrays: tables and figures from a study's runs. Judging is `analysis`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sslbench.analysis.grids import APART, classes_frame, select, study_frame
from sslbench.analysis.responses import responses, trend, trend_counts
from sslbench.analysis.shared_bias import shared_bias
from sslbench.api.errors import RequestError
from sslbench.api.files import write_atomically
from sslbench.catalog.facts import did_you_mean
from sslbench.report.bias_figures import draw_counts, draw_curves
from sslbench.report.tables import TableMade, markdown
from sslbench.results.frames import Results
from sslbench.study.definition import BiasSettings, Study

SHOWN = 5
Points = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bias:
    """Responses of classes and of overall accuracy, by the same groups."""

    classes: pd.DataFrame
    scores: pd.DataFrame
    overall: pd.DataFrame
    by: tuple[str, ...]


def bias_report(
    study: Study, results: Results, points: Points, asked: BiasSettings, folder: Path
) -> tuple[TableMade, ...]:
    """Judge, and write tables and figures into `folder`; raises RequestError for what cannot be judged."""
    return make_bias(find_bias(study, results, points, asked), asked, folder, np.random.default_rng(0))


def find_bias(study: Study, results: Results, points: Points, asked: BiasSettings) -> Bias:
    """Judge every class of every group of runs that differ in the axis alone.

    Raises RequestError for an axis that the study has not or that is no number, and where nothing is done.
    """
    axes = [axis.name for axis in study.axes]
    if asked.axis not in axes:
        raise RequestError(
            [f"bias: axis {asked.axis}: {study.name!r} has no such axis{did_you_mean(asked.axis, axes)}"]
        )
    frame = _measured(study_frame(classes_frame(results.classes), points), asked, asked.metric)
    whole = _measured(study_frame(results.scores, points), asked, "micro_accuracy")
    others = [axis for axis in axes if axis != asked.axis and axis in frame]
    several = [fact for fact in (*APART, *others) if fact != "method" and frame[fact].nunique() > 1]
    by = ("method", *dict.fromkeys(several))
    overall = responses(whole.assign(**{"class": "overall"}), asked.axis, by)
    return Bias(classes=responses(frame, asked.axis, by), scores=frame, overall=overall, by=by)


def _measured(frame: pd.DataFrame, asked: BiasSettings, metric: str) -> pd.DataFrame:
    done = frame[frame["status"] == "done"] if len(frame) else frame
    chosen = select(done, {"protocol": asked.protocol, "metric": metric}, ()) if len(done) else done
    if chosen.empty:
        raise RequestError([f"no run of this study that is done was measured with {asked.protocol} {metric}"])
    numbers = pd.to_numeric(chosen[asked.axis], errors="coerce")
    if numbers.isna().all():
        found = ", ".join(map(str, chosen[asked.axis].dropna().unique()[:4]))
        raise RequestError([f"bias: axis {asked.axis}: its values are no numbers ({found}); name an axis of numbers"])
    return chosen.assign(**{asked.axis: numbers}).dropna(subset=[asked.axis])


def make_bias(found: Bias, asked: BiasSettings, folder: Path, rng: np.random.Generator) -> tuple[TableMade, ...]:
    """Write tables and figures into `folder`; gives the tables in the order in which they are read."""
    by, classes = found.by, found.classes
    counts = trend_counts(classes, by)
    tables = [
        _overall(found, asked),
        _made("trends", f"Classes that rise or fall with {asked.axis}, by every rule", counts, len(by) + 2,
              "'expected' is how many at most would be called so by chance (bh, holm: the chance that any is)"),
        _moved(found, asked),
    ]  # fmt: skip
    methods = sorted(classes["method"].unique())
    if len(methods) > 1 and by == ("method",):
        shared = shared_bias(found.scores, asked.axis, methods, rng)
        note = "raw p < 0.05 of seed means; chance by permuting each method's settings"
        tables.append(_made("shared", f"Classes that several methods move with {asked.axis}", shared, 2, note))
    for name, frame in (("responses", classes), ("overall", found.overall), *((t.name, t.frame) for t in tables[1:])):
        write_atomically(folder / f"{name}.csv", frame.to_csv(index=False).encode())
    for made in tables:
        write_atomically(folder / f"{made.name}.md", markdown(made.frame).encode())
    draw_curves(found.scores, found.classes, by, asked.axis, asked.metric, folder / "curves")
    draw_counts(counts, by, folder / "trends")
    return tuple(tables)


def _overall(found: Bias, asked: BiasSettings) -> TableMade:
    """Stable overall, unstable inside: how far overall accuracy moves, and how far the classes do."""
    inside = found.classes.assign(range=found.classes["highest"] - found.classes["lowest"])
    moved = inside.groupby(list(found.by), dropna=False, sort=False)["range"].agg(["median", "max"]).reset_index()
    frame = found.overall.assign(range=found.overall["highest"] - found.overall["lowest"]).merge(
        moved, on=list(found.by)
    )
    shown = frame[[*found.by, "settings", "seeds"]].assign(
        overall=_text(frame["mean"]), moves_by=_text(frame["range"]), r=_text(frame["pearson"]), p=_text(frame["p_means"]),
        a_class_moves_by=_text(frame["median"]), at_most=_text(frame["max"]),
    )  # fmt: skip
    note = "seed means from the lowest to the highest setting's; a class: the median class, and the one that moves most"
    return _made(
        "overall", f"Overall accuracy and its classes over {asked.axis} ({asked.protocol})", shown, len(found.by), note
    )


def _moved(found: Bias, asked: BiasSettings) -> TableMade:
    """The classes that fall and rise most in every group."""
    judged = found.classes.assign(trend=trend(found.classes, asked.basis, asked.correction))
    ordered = judged.sort_values("slope_seeds", kind="stable").groupby(list(found.by), dropna=False, sort=False)
    place, size = ordered.cumcount(), ordered["class"].transform("size")
    chosen = judged.loc[place.index[(place < SHOWN) | (place >= size - SHOWN)]]
    chosen = chosen.sort_values([*found.by, "slope_seeds"], kind="stable")
    pairs = zip(chosen["slope_seeds"], chosen["slope_seeds_half"], strict=True)
    gain = [f"{mean:+.3f}" + ("" if np.isnan(half) else f" ±{half:.3f}") for mean, half in pairs]
    shown = chosen[[*found.by, "class"]].assign(
        mean=_text(chosen["mean"]), pearson=_text(chosen["pearson"]), p=_text(chosen["p_means"]),
        p_bh=_text(chosen["p_means_bh"]), slope=gain, p_seeds=_text(chosen["p_seeds"]),
        p_seeds_bh=_text(chosen["p_seeds_bh"]), trend=chosen["trend"],
    )  # fmt: skip
    half = "± half of the 95 % interval over seeds"
    note = f"slope of {asked.metric} per unit of the setting {half}; trend by {asked.basis}, {asked.correction}"
    return _made("classes", "Classes that fall and rise most", shown, len(found.by) + 1, note)


def _text(values: pd.Series) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _made(name: str, title: str, frame: pd.DataFrame, labels: int, note: str) -> TableMade:
    shown = frame.assign(**{n: _text(frame[n]) for n in frame.columns[labels:] if frame[n].dtype.kind == "f"})
    return TableMade(name=name, title=title, frame=shown, labels=labels, note=note)
