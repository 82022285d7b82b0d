"""Which classes a setting helps and which it betrays: tables and figures from a study's runs. Judging is `analysis`'s."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sslbench.analysis.statistics.class_trends import LEVEL, agreement, responses, trend, trend_counts
from sslbench.analysis.statistics.power import found_shares
from sslbench.analysis.statistics.shared_bias import shared_bias
from sslbench.analysis.tables.selection import APART, classes_frame, select, study_frame
from sslbench.api.errors import RequestError
from sslbench.api.files import write_atomically
from sslbench.catalog.facts import did_you_mean
from sslbench.report.figures.class_effect_figures import draw_counts, draw_curves
from sslbench.report.tables import ReportTable, markdown
from sslbench.results.frames import Results
from sslbench.results.marks import with_marks
from sslbench.study.definition import ClassEffectSettings, Study

EXTREMES, MIN_CONFUSION = 5, 0.02
SWEEPS, GAINS = (6, 10, 20), (0.05, 0.1, 0.2)
ALONG = "along its line, from the lowest setting to the highest,"
HALF = "± half of the 95 % interval over seeds"
Points = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassEffects:
    """Responses of classes, of overall accuracy, and of how often one class is taken for another, by the same groups."""

    classes: pd.DataFrame
    scores: pd.DataFrame
    overall: pd.DataFrame
    pairs: pd.DataFrame
    by: tuple[str, ...]


def class_effect_report(
    study: Study, results: Results, points: Points, asked: ClassEffectSettings, folder: Path
) -> tuple[ReportTable, ...]:
    """Judge, and write tables and figures into `folder`; raises RequestError for what cannot be judged."""
    found = estimate_effects(study, results, points, asked)
    tables = write_effects(found, asked, folder, np.random.default_rng(0))
    if not asked.compare_protocol:
        return tables
    other = estimate_effects(study, results, points, replace(asked, protocol=asked.compare_protocol))
    return (*tables, _write_agreement(found, other, asked, folder))


def estimate_effects(study: Study, results: Results, points: Points, asked: ClassEffectSettings) -> ClassEffects:
    """Judge every class of every group of runs that differ in the axis alone.

    Raises RequestError for an axis that the study has not or that is no number, and where nothing is done.
    """
    axes = [axis.name for axis in study.axes]
    if asked.axis not in axes:
        raise RequestError(
            [f"class_effects: axis {asked.axis}: {study.name!r} has no such axis{did_you_mean(asked.axis, axes)}"]
        )
    whole = _select_scores(study_frame(results.scores, points, several=False), asked, "micro_accuracy")
    frame = whole.assign(**{"class": whole["dataset"]})
    if asked.source == "classes":
        frame = _select_scores(study_frame(classes_frame(results.classes), points, several=False), asked, asked.metric)
    others = [axis for axis in axes if axis != asked.axis and axis in frame]
    apart = [
        fact
        for fact in (*APART, *others)
        if fact != "method" and not (asked.source == "datasets" and fact == "dataset")
    ]
    by = ("method", *dict.fromkeys(fact for fact in apart if frame[fact].nunique() > 1))
    overall = responses(whole.assign(**{"class": "overall"}), asked.axis, by)
    mistaken = (
        _confusion_shares(study_frame(results.confusions, points, several=False), asked, by)
        if asked.source == "classes"
        else pd.DataFrame()
    )
    pairs = responses(mistaken, asked.axis, by) if len(mistaken) else mistaken
    return ClassEffects(classes=responses(frame, asked.axis, by), scores=frame, overall=overall, pairs=pairs, by=by)


def _confusion_shares(confusions: pd.DataFrame, asked: ClassEffectSettings, by: Sequence[str]) -> pd.DataFrame:
    """How often each class is taken for each other, as scores of pairs: those that make 2 % of a class somewhere."""
    if confusions.empty:
        return confusions
    chosen = _select_scores(confusions.assign(metric="share", value=confusions["share"]), asked, "share")
    chosen = chosen.assign(pair=chosen["class"] + " as " + chosen["taken_for"])
    right = set(chosen.loc[chosen["class"] == chosen["taken_for"], "pair"])
    index = [*by, asked.axis, "seed", "fold", "setting"]  # a cell that is not there holds nothing
    table = chosen.pivot_table(index=index, columns="pair", values="value", fill_value=0.0).drop(columns=[*right])
    shares = table.melt(ignore_index=False, var_name="class", value_name="value").reset_index()
    most = shares.groupby([*by, "class", asked.axis], dropna=False)["value"].transform("mean")
    most = most.groupby([shares[name] for name in (*by, "class")], dropna=False).transform("max")
    return shares[most >= MIN_CONFUSION]


def _select_scores(frame: pd.DataFrame, asked: ClassEffectSettings, metric: str) -> pd.DataFrame:
    done = frame[frame["status"] == "done"] if len(frame) else frame
    chosen = select(done, {"protocol": asked.protocol, "metric": metric}, ["method"]) if len(done) else done
    if chosen.empty:
        there = ", ".join(sorted(done["protocol"].unique())) if len(done) else "nothing"
        raise RequestError([f"bias: no run that is done was measured with {asked.protocol!r}; there is {there}"])
    numbers = pd.to_numeric(chosen[asked.axis], errors="coerce")
    if numbers.isna().all():
        found = ", ".join(map(str, chosen[asked.axis].dropna().unique()[:4]))
        raise RequestError(
            [f"class_effects: axis {asked.axis}: its values are not numbers ({found}). Name a numeric axis"]
        )
    named = [with_marks(name, marks) for name, marks in zip(chosen["method"], chosen["marks"], strict=True)]
    return chosen.assign(**{asked.axis: numbers}, method=named).dropna(subset=[asked.axis])


def write_effects(
    found: ClassEffects, asked: ClassEffectSettings, folder: Path, rng: np.random.Generator
) -> tuple[ReportTable, ...]:
    """Write tables and figures into `folder`; gives the tables in the order in which they are read."""
    by, classes = found.by, found.classes
    counts = trend_counts(classes, by)
    settings = int(classes["settings"].max())
    least = 2 / math.factorial(min(settings, 20))
    chance = "'expected' is how many at most would be called so by chance (bh, holm: the chance that any is)"
    chance += f"; by means and ranks no order of {settings} settings has a p below {least:.2g}"
    if least >= LEVEL:
        chance += ", so they can call nothing moved"
    tables = [
        _overall(found, asked),
        _report_table("trends", f"{asked.source.capitalize()} that rise or fall with {asked.axis}, by every rule", counts,
              len(by) + 2, chance),
        _extreme_classes(found, asked),
    ]  # fmt: skip
    if len(found.pairs):
        tables.append(_extreme_pairs(found, asked))
    methods = sorted(classes["method"].unique())
    if len(methods) > 1 and by == ("method",):
        shared = shared_bias(found.scores, asked.axis, methods, rng)
        note = "raw p < 0.05 of seed means; chance by permuting each method's settings"
        tables.append(
            _report_table(
                "shared", f"{asked.source.capitalize()} that several methods move with {asked.axis}", shared, 2, note
            )
        )
    if found.classes["seeds"].max() > 1:
        tables.append(_power(found, asked, rng))
    for name, frame in (
        ("responses", classes),
        ("overall", found.overall),
        ("mistaken", found.pairs),
        *((t.name, t.frame) for t in tables[1:]),
    ):
        write_atomically(folder / f"{name}.csv", frame.to_csv(index=False).encode())
    for made in tables:
        write_atomically(folder / f"{made.name}.md", markdown(made.frame).encode())
    draw_curves(found.scores, found.classes, by, asked.axis, asked.score.replace("_", " "), folder / "curves")
    draw_counts(counts, by, asked.basis, asked.source, folder / "trends")
    return tuple(tables)


def _write_agreement(found: ClassEffects, other: ClassEffects, asked: ClassEffectSettings, folder: Path) -> ReportTable:
    """How many classes have the same trend by both protocols (arXiv 2304.11718, appendix Table 1)."""
    frame = agreement(found.classes, other.classes, found.by, asked.basis, asked.correction)
    names = {
        f"descending_{place}": f"falling by {name}"
        for place, name in (("first", asked.protocol), ("second", asked.compare_protocol))
    }
    shown = frame.rename(columns={**names, "same": "same trend"})
    title = f"Trends by {asked.protocol} and by {asked.compare_protocol}"
    note = f"of all classes, the share with the same trend; trends by {asked.basis}, {asked.correction}"
    made = _report_table("agreement", title, shown, len(found.by), note)
    write_atomically(folder / "agreement.csv", shown.to_csv(index=False).encode())
    write_atomically(folder / "agreement.md", markdown(made.frame).encode())
    return made


def _power(found: ClassEffects, asked: ClassEffectSettings, rng: np.random.Generator) -> ReportTable:
    """What such a sweep can see: how often classes that gain so much would be called so, at the noise that was met."""
    by = [*found.by, "class", asked.axis]
    noise = float(found.scores.groupby([*by, "seed"])["value"].mean().groupby(by).std(ddof=1).median())
    seeds, classes = int(found.classes["seeds"].max()), int(found.classes["class"].nunique())
    rows = []
    for settings in dict.fromkeys((int(found.classes["settings"].max()), *SWEEPS)):
        for gain in GAINS if noise > 0 else ():
            half = max(1, classes // 2)
            shares = found_shares(settings, seeds, gain, rng, noise=noise, classes=classes, moved=half)
            mine = shares[(shares["basis"] == asked.basis) & (shares["correction"] == asked.correction)].iloc[0]
            rows.append(
                {"settings": settings, "seeds": seeds, "gain": gain, "found": mine["power"], "false": mine["false"]}
            )
    title = "What a sweep of so many settings can see"
    note = (
        f"share found of those that gain so much from the first setting to the last, and of still ones called moved; half "
        f"of {classes} {asked.source} move; noise {noise:.3f} as here; {asked.basis}, {asked.correction}; 50 draws"
    )
    return _report_table(
        "power", title, pd.DataFrame(rows, columns=["settings", "seeds", "gain", "found", "false"]), 2, note
    )


def _overall(found: ClassEffects, asked: ClassEffectSettings) -> ReportTable:
    """Stable overall, unstable inside: how far overall accuracy moves, and how far the classes do."""
    inside = found.classes.assign(range=found.classes["highest"] - found.classes["lowest"])
    moved = inside.groupby(list(found.by), dropna=False, sort=False)["range"].agg(["median", "max"]).reset_index()
    frame = found.overall.assign(range=found.overall["highest"] - found.overall["lowest"]).merge(
        moved, on=list(found.by)
    )
    shown = frame[[*found.by, "settings", "seeds"]].assign(
        overall=_as_text(frame["mean"]), moves_by=_as_text(frame["range"]), r=_as_text(frame["pearson"]), p=_as_text(frame["p_means"]),
        one_moves_by=_as_text(frame["median"]), at_most=_as_text(frame["max"]),
    )  # fmt: skip
    note = (
        "from the lowest of the settings' seed means to the highest; of the median one, and of the one that moves most"
    )
    return _report_table(
        "overall",
        f"Overall accuracy and its {asked.source} over {asked.axis} ({asked.protocol})",
        shown,
        len(found.by),
        note,
    )


def _extreme_classes(found: ClassEffects, asked: ClassEffectSettings) -> ReportTable:
    """The classes that fall and rise most in every group."""
    note = f"change of {asked.score} {ALONG} {HALF}; trend by {asked.basis}, {asked.correction}"
    frame = _extremes(found.classes, found, asked)
    return _report_table(
        "classes", f"{asked.source.capitalize()} that fall and rise most", frame, len(found.by) + 1, note
    )


def _extreme_pairs(found: ClassEffects, asked: ClassEffectSettings) -> ReportTable:
    """The pairs of classes that are confused less and more along the setting."""
    note = f"change of the share of the first taken for the second {ALONG} {HALF}; pairs of 2 % somewhere; {asked.correction}"
    frame = _extremes(found.pairs, found, asked)
    return _report_table("pairs", "Pairs whose confusion falls and rises most", frame, len(found.by) + 1, note)


def _extremes(classes: pd.DataFrame, found: ClassEffects, asked: ClassEffectSettings) -> pd.DataFrame:
    """The few of every group whose slopes are lowest and highest, as a table for people."""
    by, settings = found.by, found.scores[asked.axis]
    span = float(settings.max() - settings.min())  # per degree, or per percent, a slope is too small to read
    judged = classes.assign(trend=trend(classes, asked.basis, asked.correction))
    ordered = judged.sort_values("slope_seeds", kind="stable").groupby(list(by), dropna=False, sort=False)
    place, size = ordered.cumcount(), ordered["class"].transform("size")
    chosen = judged.loc[place.index[(place < EXTREMES) | (place >= size - EXTREMES)]]
    chosen = chosen.sort_values([*by, "slope_seeds"], kind="stable")
    pairs = zip(span * chosen["slope_seeds"], span * chosen["slope_seeds_half"], strict=True)
    gain = [f"{mean:+.3f}" + ("" if np.isnan(half) else f" ±{half:.3f}") for mean, half in pairs]
    return chosen[[*by, "class"]].assign(
        mean=_as_text(chosen["mean"]), pearson=_as_text(chosen["pearson"]), p=_as_text(chosen["p_means"]),
        p_bh=_as_text(chosen["p_means_bh"]), change=gain, p_seeds=_as_text(chosen["p_seeds"]),
        p_seeds_bh=_as_text(chosen["p_seeds_bh"]), trend=chosen["trend"],
    )  # fmt: skip


def _as_text(values: pd.Series) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _report_table(name: str, title: str, frame: pd.DataFrame, labels: int, note: str) -> ReportTable:
    shown = frame.assign(**{n: _as_text(frame[n]) for n in frame.columns[labels:] if frame[n].dtype.kind == "f"})
    return ReportTable(name=name, title=title, frame=shown, labels=labels, note=note)
