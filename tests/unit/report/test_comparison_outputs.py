"""Tables and figures of wins, gains, boxes, extremes and training losses, made from constructed scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sslbench.analysis.tables.training_curves import last_and_best
from sslbench.catalog.metrics import core_metrics
from sslbench.report.comparison_tables import make_comparison_table
from sslbench.report.figures.comparison_figures import draw_comparison
from sslbench.report.figures.study_figures import draw_figure
from sslbench.report.tables import Frames, make_table
from sslbench.study.output_settings import FigureSettings, TableSettings
from sslbench.study.published import read_published
from tests.unit.analysis.test_comparisons import KNOWN, VARIED, score, table

WHERE = {"protocol": "linear", "metric": "micro_accuracy"}
PUBLISHED = """metric,arm,over,value,spread,min,max,scale
micro_accuracy,base,,0.667,0.025,,,
micro_accuracy_gain,ours,,-0.3,,-9.38,17.2,
micro_accuracy_wins,a,b,0.85,,,,
"""


def frames_of(scores: pd.DataFrame, published: Path | None = None, training: pd.DataFrame | None = None) -> Frames:
    empty = pd.DataFrame()
    scores = scores.assign(setting="{}", chosen_on="nothing", marks="", test_share=0.2)
    return Frames(
        scores=scores, classes=empty, samples=empty, labels=empty, pools=empty, costs=empty, confusions=lambda: empty,
        training=lambda: empty if training is None else training, absent=empty,
        published=None if published is None else read_published(published), scale="", variances={}, metrics=core_metrics(), varied=VARIED,
    )  # fmt: skip


@pytest.fixture
def published(tmp_path) -> Path:
    (tmp_path / "published.csv").write_text(PUBLISHED)
    return tmp_path / "published.csv"


def make(settings: TableSettings, frames: Frames, folder: Path) -> Any:
    make_one = make_table if settings.kind == "values" else make_comparison_table
    return make_one(frames, settings, ["arm"], folder)


WINS = TableSettings(name="wins", kind="wins", axis="arm", where=WHERE)
GAINS = TableSettings(name="gains", kind="relative", axis="arm", reference="base", where=WHERE)
GAINED = table({
    ("base", "x"): [0.5, 0.7], ("ours", "x"): [0.6, 0.75], ("base", "y"): [0.8], ("ours", "y"): [0.4], ("base", "zero"): [0.0],
    ("ours", "zero"): [0.1],
})  # fmt: skip


def test_a_table_of_wins_states_shares_counts_and_what_is_left_out(tmp_path, published):
    made = make(WINS, frames_of(table(KNOWN), published), tmp_path)
    assert made.headers == ["arm", "over a", "over b", "over c"]
    assert made.rows == [
        ["a", "–", "0.33 (1/3) (published 0.85)", "0.50 (1/2)"],
        ["b", "0.67 (2/3)", "–", "0.50 (1/2)"],
        ["c", "0.00 (0/2)", "0.50 (1/2)", "–"],
    ]
    for sentence in (
        "ties count for neither (1)",
        "cells: dataset",
        "n = 3",
        "cells without scores are left out (c: 1 of 3)",
    ):
        assert sentence in made.note
    found = pd.read_csv(tmp_path / "wins.csv")
    assert found.loc[(found["arm"] == "a") & (found["over"] == "b"), "published_wins"].tolist() == [0.85]
    assert "0.33 (1/3)" in (tmp_path / "wins.md").read_text()


def test_a_table_of_significant_wins_states_what_the_test_leaves_out(tmp_path):
    settings = TableSettings(name="welch", kind="wins", axis="arm", welch=0.05, where=WHERE)
    made = make(settings, frames_of(table(KNOWN)), tmp_path)
    assert made.rows[0][1:3] == ["–", "0.50 (1/2)"]
    assert "Welch's t-test finds significant at 0.05" in made.note
    one = make(settings, frames_of(table({key: own[:1] for key, own in KNOWN.items()})), tmp_path)
    assert one.rows[0][1:] == ["–", "–", "–"]
    assert "7 comparisons are left out because Welch's t-test needs two repetitions of each" in one.note


def test_a_lower_value_wins_where_lower_is_better(tmp_path):
    scores = table({("a", "x"): [0.9], ("b", "x"): [0.1]}).assign(metric="brier_score")
    settings = TableSettings(name="wins", kind="wins", axis="arm", where={"metric": "brier_score"})
    assert make(settings, frames_of(scores), tmp_path).rows == [["a", "–", "0.00 (0/1)"], ["b", "1.00 (1/1)", "–"]]


def test_a_table_of_gains_has_mean_minimum_and_maximum_with_published_numbers(tmp_path, published):
    made = make(GAINS, frames_of(GAINED, published), tmp_path)
    assert made.headers == ["arm", "score", "gain (%)", "min (%)", "max (%)", "above base"]
    scores = [np.mean(own) for own in ([0.6, 0.8, 0.0], [0.675, 0.4, 0.1])]
    deviations = [np.std(own, ddof=1) for own in ([0.6, 0.8, 0.0], [0.675, 0.4, 0.1])]
    base, ours = made.rows
    assert (
        base[1]
        == f"{scores[0]:.3f} ±{deviations[0]:.3f} (published 0.667 ±0.025, {100 * (scores[0] - 0.667):+.1f} points)"
    )
    assert base[2:] == ["–"] * 4
    assert ours[1:] == [
        f"{scores[1]:.3f} ±{deviations[1]:.3f}", "-18.75 (published -0.30 (-9.38 to 17.20))", "-50.00", "+12.50", "1/2",
    ]  # fmt: skip
    assert "1 gains over a reference that is not above 0 are left out" in made.note


def test_rows_divide_wins_and_gains(tmp_path):
    scores = pd.concat([GAINED, GAINED.assign(protocol="knn")])
    settings = TableSettings(
        name="g",
        kind="relative",
        axis="arm",
        reference="base",
        rows=("protocol", "arm"),
        where={"metric": "micro_accuracy"},
    )
    made = make(settings, frames_of(scores), tmp_path)
    assert [row[:2] for row in made.rows] == [["linear", "base"], ["linear", "ours"], ["knn", "base"], ["knn", "ours"]]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"reference": "none"}, "no score has arm 'none', only base, ours. Correct reference"),
        ({"axis": ""}, "its axis is not defined in this scale"),
    ],
)
def test_a_comparison_without_its_axis_or_reference_is_an_error(changes, sentence, tmp_path):
    settings = TableSettings(**{"kind": "relative", "axis": "arm", "reference": "base", "where": WHERE, **changes})
    with pytest.raises(ValueError, match=sentence.replace(".", r"\.")):
        make(settings, frames_of(GAINED), tmp_path)


def test_a_comparison_without_runs_makes_no_table(tmp_path):
    assert make(WINS, frames_of(pd.DataFrame()), tmp_path) is None


def test_extremes_follow_the_mean(tmp_path):
    settings = TableSettings(
        name="t", rows=("arm",), columns=("metric",), extremes=True, where={**WHERE, "dataset": "y"}
    )
    made = make(settings, frames_of(table(KNOWN)), tmp_path)
    assert made.rows[0][1].endswith("(0.500 to 0.700)")
    assert "minimum to maximum over seeds, folds and draws" in made.note
    over = TableSettings(
        name="o", rows=("metric",), columns=(), extremes=True, aggregate_over="arm", where={**WHERE, "dataset": "y"}
    )
    assert make(over, frames_of(table(KNOWN)), tmp_path).rows[0][1].endswith("(0.410 to 0.610)")
    found = pd.read_csv(tmp_path / "o.csv").iloc[0]
    assert (found["min"], found["max"]) == pytest.approx((0.41, 0.61))


def test_published_numbers_have_the_digits_of_their_file_and_a_range(tmp_path, published):
    settings = TableSettings(name="p", source="published", rows=("metric",), columns=())
    made = make(settings, frames_of(pd.DataFrame(), published), tmp_path)
    assert [row[1] for row in made.rows] == ["0.667 ±0.025", "-0.30 (-9.38 to 17.20)", "0.85"]


# ---- figures ---------------------------------------------------------------------------------------------------------


def test_a_heat_map_of_wins_has_a_place_for_every_pair(tmp_path, published):
    figure = FigureSettings(name="w", kind="wins", axis="arm", where=WHERE)
    path = draw_comparison(frames_of(table(KNOWN), published), figure, ["arm"], tmp_path)
    text = path.with_suffix(".svg").read_text()
    for drawn in ("<!-- 0.33 -->", "<!-- 1/3 -->", "<!-- (published 0.85) -->", "<!-- wins of arm -->"):
        assert drawn in text
    assert len(pd.read_csv(tmp_path / "w.csv")) == 6


@pytest.mark.parametrize("hue", ["", "protocol"])
def test_boxes_of_gains_show_every_cell_and_published_numbers(hue, tmp_path, published):
    scores = pd.concat([GAINED, GAINED.assign(protocol="knn")]) if hue else GAINED
    figure = FigureSettings(
        name="b", kind="box", x="arm", hue=hue, reference="base", where={"metric": "micro_accuracy"}
    )
    path = draw_comparison(frames_of(scores, published), figure, ["arm"], tmp_path)
    text = path.with_suffix(".svg").read_text()
    assert "gain of micro accuracy over base (%)" in text
    assert "(diamonds: published)" in text
    found = pd.read_csv(tmp_path / "b.csv")
    assert found["value"].tolist() == pytest.approx([12.5, -50.0] * (2 if hue else 1))


def test_boxes_of_scores_hold_every_score(tmp_path):
    figure = FigureSettings(name="s", kind="box", x="arm", panels="dataset", where=WHERE)
    draw_comparison(frames_of(table(KNOWN)), figure, ["arm"], tmp_path)
    found = pd.read_csv(tmp_path / "s.csv")
    assert sorted(found["value"]) == pytest.approx(sorted(value for own in KNOWN.values() for value in own))


def test_many_boxes_are_horizontal(tmp_path, monkeypatch):
    import seaborn as sns

    seen = []
    draw = sns.catplot
    monkeypatch.setattr(sns, "catplot", lambda **settings: seen.append(settings["x"]) or draw(**settings))
    many = table({(f"arm with a long name {place}", "x"): [0.1, 0.2] for place in range(8)})
    draw_comparison(frames_of(many), FigureSettings(name="m", kind="box", x="arm", where=WHERE), ["arm"], tmp_path)
    draw_comparison(frames_of(GAINED), FigureSettings(name="f", kind="box", x="arm", where=WHERE), ["arm"], tmp_path)
    assert seen == ["value", "arm"]


# ---- training --------------------------------------------------------------------------------------------------------


def training() -> pd.DataFrame:
    """Two arms, two seeds; the second arm ends after two epochs and has a validation loss, lowest in its first."""
    rows = []
    for arm, epochs in (("a", 3), ("b", 2)):
        for seed in (0, 1):
            for epoch in range(1, epochs + 1):
                terms = {"loss": 5.0 - epoch + seed, "invariance": 100.0 * epoch}
                if arm == "b":
                    terms["validation_loss"] = float(epoch)
                rows += [
                    {**score(value, seed, arm=arm, run=arm), "epoch": epoch, "term": term}
                    for term, value in terms.items()
                ]
    return pd.DataFrame(rows).drop(columns=["metric", "protocol"]).assign(test_share=0.2, marks="")


def test_the_last_and_the_best_epoch_of_each_training():
    found = last_and_best(training()).set_index(["arm", "seed", "term", "epoch"])["value"]
    assert [found["a", 0, term, "last"] for term in ("epoch", "loss", "invariance")] == [3, 2, 300]
    assert [found["b", 1, term, "last"] for term in ("epoch", "loss", "validation_loss")] == [2, 4, 2]
    assert [found["b", 1, term, "best"] for term in ("epoch", "loss", "validation_loss")] == [1, 5, 1]
    assert found["a", 0, "epoch", "best"] == 3


def test_a_table_of_training_losses_has_the_last_and_the_best_epoch(tmp_path):
    settings = TableSettings(
        name="t", source="training", rows=("arm",), where={"term": ["loss", "epoch"]}, spread="deviation"
    )
    made = make(settings, frames_of(pd.DataFrame(), training=training()), tmp_path)
    columns = dict(zip(made.headers, made.rows[1], strict=True))
    assert columns["loss last"].startswith("3.500 ±0.707")
    assert columns["epoch best"].startswith("1.000 ±0.000")
    assert "lowest validation loss" in made.note
    last = TableSettings(name="l", source="training", rows=("arm",), columns=("term",), where={"term": "loss"})
    assert [row[1][:5] for row in make(last, frames_of(pd.DataFrame(), training=training()), tmp_path).rows] == [
        "2.500",
        "3.500",
    ]


def test_a_figure_of_training_losses_has_a_panel_per_term_with_its_own_axis(tmp_path, monkeypatch):
    import seaborn as sns

    seen: list[dict[str, Any]] = []
    draw = sns.relplot
    monkeypatch.setattr(sns, "relplot", lambda **settings: seen.append(settings) or draw(**settings))
    path = draw_figure(
        training(), FigureSettings(name="c", source="training", hue="arm", spread="deviation"), tmp_path, VARIED
    )
    assert (seen[0]["col"], seen[0]["err_style"], seen[0]["facet_kws"]) == ("term", "band", {"sharey": False})
    text = path.with_suffix(".svg").read_text()
    for drawn in ("invariance", "validation_loss", "mean over the epoch"):
        assert f"<!-- {drawn} -->" in text
    assert len(pd.read_csv(tmp_path / "c.csv")) == 2 * (3 * 2 + 2 * 3)
