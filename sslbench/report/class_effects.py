"""Write tables and figures of how an axis of a study changes per-class scores; here for axes of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from sslbench.analysis.statistics.class_trends import LEVEL, agreement, fit_class_trends, trend, trend_counts
from sslbench.analysis.statistics.power import detection_rates
from sslbench.analysis.statistics.shared_bias import shared_bias
from sslbench.analysis.tables.selection import RUN_FACTS, select, separate_settings
from sslbench.analysis.tables.study_frames import Points, classes_frame, study_frame
from sslbench.analysis.tables.text_tables import TextTable, format_mean, frame_table
from sslbench.api.errors import RequestError
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.metrics import MetricTable
from sslbench.report.class_differences import name_effect_report
from sslbench.report.class_units import ComparedUnit, choose_unit
from sslbench.report.figures.class_effect_figures import draw_counts, draw_curves
from sslbench.report.group_scores import score_groups
from sslbench.report.tables import EffectReport, save_table
from sslbench.results.frames import Results
from sslbench.results.marks import with_marks
from sslbench.results.varied import VariedTable
from sslbench.study.definition import DATASET, ClassEffectSettings, Study

EXTREMES, MIN_CONFUSION = 5, 0.02
SWEEPS, GAINS = (6, 10, 20), (0.05, 0.1, 0.2)
ALONG = "along the fitted line from the lowest to the highest setting,"
FIGURES = (
    (
        "curves",
        "Score of every class by setting; the classes that change most are in color, with one standard deviation over seeds",
    ),
    ("trends", "Number of classes that rise and fall, tested on seed means"),
)
HALF = "± half-width of the 95 % interval over seeds"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassEffects:
    """Responses to the setting by the same groups: of classes (or other units), overall, and of pairs of confused classes."""

    unit: ComparedUnit
    classes: pd.DataFrame
    scores: pd.DataFrame
    overall: pd.DataFrame
    pairs: pd.DataFrame
    by: tuple[str, ...]


def class_effect_report(
    study: Study, results: Results, points: Points, request: ClassEffectSettings, metrics: MetricTable, root: Path
) -> EffectReport:
    """Estimate the effects on every class and write tables and figures into a folder below `root`.

    Raises RequestError if the axis, the protocol or the data does not allow it.
    """
    axes = {axis.name: axis for axis in study.axes}
    if request.axis not in axes:
        problem = f"class_effects: axis {request.axis}: study {study.name!r} has no such axis"
        raise RequestError([f"{problem}{did_you_mean(request.axis, [*axes])}"])
    unit = choose_unit(request, results.records, metrics)
    folder = root / unit.name_folder(request)
    if pd.to_numeric(pd.Series([*axes[request.axis].values]), errors="coerce").isna().all():
        return name_effect_report(study, results, points, request, unit, metrics, folder)
    if request.reference:
        raise RequestError([
            f"class_effects: reference={request.reference}: axis {request.axis} has numbers, whose trend is tested. Remove it"
        ])  # fmt: skip
    effects = estimate_effects(study, results, points, request, unit, metrics)
    tables = write_effects(effects, request, folder, np.random.default_rng(0))
    if request.compare_protocol:
        compared = replace(request, protocol=request.compare_protocol)
        other = estimate_effects(study, results, points, compared, unit, metrics)
        tables = (*tables, _write_agreement(effects, other, request, folder))
    return EffectReport(folder=folder, tables=tables, figures=FIGURES)


def estimate_effects(
    study: Study,
    results: Results,
    points: Points,
    request: ClassEffectSettings,
    unit: ComparedUnit,
    metrics: MetricTable,
) -> ClassEffects:
    """Estimate the response of every class, in every group of runs that differ only in the axis.

    Raises RequestError if no finished run was evaluated with the protocol.
    """
    axes, varied = [axis.name for axis in study.axes], results.varied
    tested_on = DATASET if unit.unit == DATASET else "class"

    def scores_of(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
        return _select_scores(study_frame(frame, points, varied, several=False), request, metric, varied)

    overall = scores_of(results.scores, unit.overall)
    if tested_on == DATASET:
        frame = overall.assign(**{"class": overall[DATASET]})
    elif unit.group_column:
        groups = score_groups(results, request.protocol, unit, metrics.find(unit.score))
        frame = scores_of(groups, unit.score)
    else:
        frame = scores_of(classes_frame(results.classes), unit.score)
    others = [axis for axis in axes if axis != request.axis and axis in frame]
    others += separate_settings(frame, others, varied)
    separate = [fact for fact in dict.fromkeys((*RUN_FACTS, *others)) if fact not in ("method", tested_on)]
    by = ("method", *(fact for fact in separate if frame[fact].nunique() > 1))
    is_by_class = unit.unit == "class"
    confusions = study_frame(results.confusions, points, varied, several=False) if is_by_class else pd.DataFrame()
    confused = _confusion_shares(confusions, request, by, varied)
    return ClassEffects(
        unit=unit, classes=fit_class_trends(frame, request.axis, by), scores=frame, by=by,
        overall=fit_class_trends(overall.assign(**{"class": "overall"}), request.axis, by),
        pairs=fit_class_trends(confused, request.axis, by) if len(confused) else confused,
    )  # fmt: skip


def _confusion_shares(
    confusions: pd.DataFrame, request: ClassEffectSettings, by: Sequence[str], varied: VariedTable
) -> pd.DataFrame:
    """Return the share of each class predicted as each other class, for pairs with a mean share of at least 2 % somewhere."""
    if confusions.empty:
        return confusions
    chosen = _select_scores(confusions.assign(metric="share", value=confusions["share"]), request, "share", varied)
    chosen = chosen.assign(pair=chosen["class"] + " as " + chosen["predicted_class"])
    correct = set(chosen.loc[chosen["class"] == chosen["predicted_class"], "pair"])
    index = [*by, request.axis, "seed", "fold", "setting"]  # missing cells are shares of 0
    table = chosen.pivot_table(index=index, columns="pair", values="value", fill_value=0.0).drop(columns=[*correct])
    shares = table.melt(ignore_index=False, var_name="class", value_name="value").reset_index()
    most = shares.groupby([*by, "class", request.axis], dropna=False)["value"].transform("mean")
    most = most.groupby([shares[name] for name in (*by, "class")], dropna=False).transform("max")
    return shares[most >= MIN_CONFUSION]


def _select_scores(frame: pd.DataFrame, request: ClassEffectSettings, metric: str, varied: VariedTable) -> pd.DataFrame:
    done = frame[frame["status"] == "done"] if len(frame) else frame
    where = {"protocol": request.protocol, "metric": metric}
    chosen = select(done, where, ["method"], varied) if len(done) else done
    if chosen.empty:
        available = ", ".join(sorted(done["protocol"].unique())) if len(done) else "none"
        raise RequestError([
            f"class_effects: protocol {request.protocol}: no finished run was evaluated with it. Evaluated: {available}"
        ])  # fmt: skip
    numbers = pd.to_numeric(chosen[request.axis], errors="coerce")
    named = [with_marks(name, marks) for name, marks in zip(chosen["method"], chosen["marks"], strict=True)]
    return chosen.assign(**{request.axis: numbers}, method=named).dropna(subset=[request.axis])


def write_effects(
    effects: ClassEffects, request: ClassEffectSettings, folder: Path, rng: np.random.Generator
) -> tuple[TextTable, ...]:
    """Write tables and figures into `folder` and return the tables in reading order."""
    by, unit = effects.by, effects.unit
    units = unit.units.capitalize()
    counts = trend_counts(effects.classes, by)
    settings = int(effects.classes["settings"].max())
    min_p = 2 / math.factorial(min(settings, 20))
    note = "'expected' is the maximum number of trends by chance (bh, holm: the probability of any)"
    note += f"; by means and ranks, p is at least {min_p:.2g} for {settings} settings"
    note += ", so no trend can be significant" if min_p >= LEVEL else ""
    title = f"{units} that rise or fall with {request.axis}, by every test"
    tables = [_report_table("trends", title, counts, len(by) + 2, note), _extreme_classes(effects, request)]
    tables += [_extreme_pairs(effects, request)] if len(effects.pairs) else []
    methods = sorted(effects.classes["method"].unique())
    if len(methods) > 1 and by == ("method",):
        shared = shared_bias(effects.scores, request.axis, methods, rng)
        note = "raw p < 0.05 of seed means; chance level from permuting each method's settings"
        title = f"{units} that change with {request.axis} for several methods"
        tables.append(_report_table("shared", title, shared, 2, note))
    if effects.classes["seeds"].max() > 1 and unit.is_share:
        tables.append(_power(effects, request, rng))
    overall = _overall(effects, request)
    save_table(folder, "overall", effects.overall, overall)
    save_table(folder, "responses", effects.classes.rename(columns={"class": unit.column}))
    save_table(folder, "mistaken", effects.pairs)
    for table in tables:
        save_table(folder, table.name, table.frame(), table)
    score = unit.score.replace("_", " ")
    draw_curves(effects.scores, effects.classes, by, request.axis, score, folder / "curves", is_share=unit.is_share)
    draw_counts(counts, by, request.basis, unit.units, folder / "trends")
    return (overall, *tables)


def _write_agreement(
    effects: ClassEffects, other: ClassEffects, request: ClassEffectSettings, folder: Path
) -> TextTable:
    """Write how many classes have the same trend by both protocols (arXiv 2304.11718, appendix Table 1)."""
    frame = agreement(effects.classes, other.classes, effects.by, request.basis, request.correction)
    protocols = {"descending_first": request.protocol, "descending_second": request.compare_protocol}
    names = {column: f"falling by {protocol}" for column, protocol in protocols.items()}
    shown = frame.rename(columns={**names, "same": "same trend"})
    title = f"Trends by {request.protocol} and by {request.compare_protocol}"
    note = f"share of all classes with the same trend; trends by {request.basis}, {request.correction}"
    table = _report_table("agreement", title, shown, len(effects.by), note)
    save_table(folder, table.name, shown, table)
    return table


def _power(effects: ClassEffects, request: ClassEffectSettings, rng: np.random.Generator) -> TextTable:
    """Tabulate the power of such a sweep: how often a gain is detected, at the measured noise over seeds."""
    by = [*effects.by, "class", request.axis]
    noise = float(effects.scores.groupby([*by, "seed"])["value"].mean().groupby(by).std(ddof=1).median())
    seeds, classes = int(effects.classes["seeds"].max()), int(effects.classes["class"].nunique())
    changed, rows = max(1, classes // 2), []
    for settings in dict.fromkeys((int(effects.classes["settings"].max()), *SWEEPS)):
        for gain in GAINS if noise > 0 else ():
            shares = detection_rates(settings, seeds, gain, rng, noise=noise, classes=classes, moved=changed)
            chosen = shares[(shares["basis"] == request.basis) & (shares["correction"] == request.correction)].iloc[0]
            rows.append([settings, seeds, gain, chosen["power"], chosen["false"]])
    frame = pd.DataFrame(rows, columns=["settings", "seeds", "gain", "power", "false_positives"])
    title = "Statistical power by number of settings"
    note = (
        f"power: share detected of classes that gain this much from the first to the last setting; false_positives: share of "
        f"unchanged classes with a trend; simulated 50 times: half of {classes} "
        f" {effects.unit.units} change, measured noise {noise:.3f}; {request.basis}, {request.correction}"
    )
    return _report_table("power", title, frame, 2, note)


def _overall(effects: ClassEffects, request: ClassEffectSettings) -> TextTable:
    """Tabulate the range of overall accuracy over the settings, next to the ranges of the classes."""
    ranges = effects.classes.assign(range=effects.classes["highest"] - effects.classes["lowest"])
    spread = ranges.groupby(list(effects.by), dropna=False, sort=False)["range"].agg(["median", "max"]).reset_index()
    frame = effects.overall.assign(range=effects.overall["highest"] - effects.overall["lowest"]).merge(
        spread, on=list(effects.by)
    )
    shown = frame[[*effects.by, "settings", "seeds"]].assign(
        overall=_as_text(frame["mean"]), range=_as_text(frame["range"]), r=_as_text(frame["pearson"]),
        p=_as_text(frame["p_means"]), median_class_range=_as_text(frame["median"]), max_class_range=_as_text(frame["max"]),
    )  # fmt: skip
    unit = effects.unit
    note = f"range: highest minus lowest seed mean over the settings, of overall {unit.overall_title} and of the "
    note += f"{unit.units} (median, maximum)"
    title = f"Overall {unit.overall_title} and its {unit.units} over {request.axis} ({request.protocol})"
    return _report_table("overall", title, shown, len(effects.by), note)


def _extreme_classes(effects: ClassEffects, request: ClassEffectSettings) -> TextTable:
    """Tabulate the classes that fall and rise most in every group."""
    note = f"change of {effects.unit.score} {ALONG} {HALF}; trend by {request.basis}, {request.correction}"
    frame = _extremes(effects.classes, effects, request).rename(columns={"class": effects.unit.column})
    return _report_table(
        "classes", f"{effects.unit.units.capitalize()} that fall and rise most", frame, len(effects.by) + 1, note
    )


def _extreme_pairs(effects: ClassEffects, request: ClassEffectSettings) -> TextTable:
    """Tabulate the pairs of classes whose confusion falls and rises most with the setting."""
    note = (
        f"change of the share of the first predicted as the second {ALONG} {HALF}; pairs from 2 %; {request.correction}"
    )
    frame = _extremes(effects.pairs, effects, request)
    return _report_table("pairs", "Pairs whose confusion falls and rises most", frame, len(effects.by) + 1, note)


def _extremes(classes: pd.DataFrame, effects: ClassEffects, request: ClassEffectSettings) -> pd.DataFrame:
    """Tabulate the rows of every group with the lowest and highest slopes."""
    by, settings = effects.by, effects.scores[request.axis]
    span = float(settings.max() - settings.min())  # a slope per unit of the setting is often too small to read
    judged = classes.assign(trend=trend(classes, request.basis, request.correction))
    ordered = judged.sort_values("slope_seeds", kind="stable").groupby(list(by), dropna=False, sort=False)
    rank, size = ordered.cumcount(), ordered["class"].transform("size")
    chosen = judged.loc[rank.index[(rank < EXTREMES) | (rank >= size - EXTREMES)]]
    chosen = chosen.sort_values([*by, "slope_seeds"], kind="stable")
    pairs = zip(span * chosen["slope_seeds"], span * chosen["slope_seeds_ci95_half_width"], strict=True)
    gain = [format_mean(mean, half, sign="+") for mean, half in pairs]
    return chosen[[*by, "class"]].assign(
        mean=_as_text(chosen["mean"]), pearson=_as_text(chosen["pearson"]), p=_as_text(chosen["p_means"]),
        p_bh=_as_text(chosen["p_means_bh"]), change=gain, p_seeds=_as_text(chosen["p_seeds"]),
        p_seeds_bh=_as_text(chosen["p_seeds_bh"]), trend=chosen["trend"],
    )  # fmt: skip


def _as_text(values: pd.Series) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _report_table(name: str, title: str, frame: pd.DataFrame, labels: int, note: str) -> TextTable:
    shown = frame.assign(**{n: _as_text(frame[n]) for n in frame.columns[labels:] if frame[n].dtype.kind == "f"})
    return frame_table(shown, labels, name=name, title=title, note=note)
