"""Wins and relative gains of constructed tables whose answers are known, with missing cells, ties and few repetitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sslbench.analysis.statistics.win_matrix import compare_repetitions, count_outcomes, win_matrix
from sslbench.analysis.tables.comparisons import (
    CellScores,
    count_wins,
    divide_into_cells,
    list_cell_facts,
    measure_gains,
    summarize_gains,
)
from sslbench.analysis.tables.selection import NOT_REQUESTED
from sslbench.analysis.tables.study_frames import add_labels
from sslbench.results.varied import varied_table

VARIED = varied_table([])
UNITS = ("seed", "fold", "draw")


def score(value: float, seed: int = 0, **facts: Any) -> dict[str, Any]:
    """One score of a study, with the facts that every score has."""
    return {"run": f"{facts.get('method', 'm')}-{facts.get('arm', '')}", "method": "m", "backbone": "b", "augmentation": "c",
            "dataset": "x", "protocol": "linear", "metric": "micro_accuracy", "recipe": "", "pool": "train", "bank": "",
            "query": "", "seed": seed, "fold": 0, "epoch": np.nan, "value": value, NOT_REQUESTED: np.nan, **facts}  # fmt: skip


def table(values: dict[tuple[str, str], list[float]]) -> pd.DataFrame:
    """Scores by (arm, dataset), one value per seed."""
    return pd.DataFrame(
        [
            score(value, seed, arm=arm, dataset=dataset)
            for (arm, dataset), own in values.items()
            for seed, value in enumerate(own)
        ]
    )


def divide(frame: pd.DataFrame, axis: str = "arm", axes: tuple[str, ...] = ("arm",), **changes: Any) -> CellScores:
    settings: dict[str, Any] = {"by": (), "repetitions": UNITS, "facts": (), **changes}
    return divide_into_cells(frame, axis, settings["by"], settings["repetitions"], settings["facts"], axes, VARIED)


def pair(found: pd.DataFrame, first: str, second: str, axis: str = "arm") -> dict[str, Any]:
    (row,) = found[(found[axis] == first) & (found["over"] == second)].to_dict("records")
    return row


KNOWN = {
    ("a", "x"): [0.9, 0.92, 0.91], ("b", "x"): [0.8, 0.81, 0.82], ("c", "x"): [0.9, 0.92, 0.91],
    ("a", "y"): [0.5, 0.7, 0.6], ("b", "y"): [0.55, 0.65, 0.63], ("c", "y"): [0.4, 0.41, 0.42],
    ("a", "z"): [0.3, 0.3, 0.3], ("b", "z"): [0.4, 0.4, 0.4],
}  # fmt: skip


def test_a_win_is_a_greater_mean_of_a_cell_that_both_have():
    found = count_wins(divide(table(KNOWN)))
    assert pair(found, "a", "b") == {
        "arm": "a", "over": "b", "share": pytest.approx(1 / 3), "compared": 3, "won": 1, "lost": 2, "tied": 0,
        "not_significant": 0, "not_testable": 0,
    }  # fmt: skip
    assert pair(found, "b", "a")["share"] == pytest.approx(2 / 3)
    tied = pair(found, "a", "c")
    assert (tied["won"], tied["lost"], tied["tied"], tied["compared"]) == (1, 0, 1, 2)
    assert tied["share"] + pair(found, "c", "a")["share"] == pytest.approx(0.5), "a tie counts for neither"


def test_missing_cells_are_left_out_and_counted():
    cells = divide(table(KNOWN))
    assert cells.facts == ("dataset",)
    assert cells.describe_missing() == "c: 1 of 3"
    assert cells.repetitions == "3"
    assert pair(count_wins(cells), "c", "b")["compared"] == 2
    assert divide(table({key: value for key, value in KNOWN.items() if key[1] != "z"})).describe_missing() == ""


def test_values_of_different_datasets_are_never_a_pair():
    cells = divide(table({("a", "x"): [0.9], ("b", "y"): [0.1]}))
    (first, second) = count_wins(cells).to_dict("records")
    assert (first["compared"], second["compared"]) == (0, 0)
    assert np.isnan(first["share"])
    assert cells.describe_missing() == "a, b: 1 of 2"
    assert measure_gains(cells, "a").empty
    assert summarize_gains(cells, "a")[["arm", "cells"]].to_numpy().tolist() == [["a", 0], ["b", 0]]


def test_welch_counts_the_cells_that_scipy_finds_significant():
    found = count_wins(divide(table(KNOWN)), 0.05)
    row = pair(found, "a", "b")  # x is significant, y is not, and z has no spread
    assert stats.ttest_ind(KNOWN["a", "x"], KNOWN["b", "x"], equal_var=False).pvalue < 0.05
    assert stats.ttest_ind(KNOWN["a", "y"], KNOWN["b", "y"], equal_var=False).pvalue > 0.05
    assert (row["won"], row["lost"], row["not_significant"], row["compared"]) == (1, 1, 1, 2)
    p = stats.ttest_ind(KNOWN["a", "x"], KNOWN["b", "x"], equal_var=False).pvalue
    assert compare_repetitions(KNOWN["a", "x"], KNOWN["b", "x"], p * 1.001) == "won"
    assert compare_repetitions(KNOWN["a", "x"], KNOWN["b", "x"], p * 0.999) == "not significant"


def test_welch_cannot_test_one_repetition():
    found = count_wins(divide(table({key: own[:1] for key, own in KNOWN.items()})), 0.05)
    row = pair(found, "a", "b")
    assert (row["compared"], row["not_testable"]) == (0, 3)
    assert np.isnan(row["share"])


def test_the_matrix_mirrors_its_pairs():
    values = {(arm, dataset): own for (arm, dataset), own in KNOWN.items()}
    outcomes, matrix = count_outcomes(values), win_matrix(values)
    assert outcomes["b", "a"] == {"won": 2, "lost": 1}
    assert matrix.loc["b", "a"] == pytest.approx(2 / 3)
    assert win_matrix(values, 0.05).loc["b", "a"] == pytest.approx(1 / 2)


def test_seeds_form_cells_if_they_are_no_repetitions():
    cells = divide(table(KNOWN), repetitions=("fold",))
    assert cells.facts == ("dataset", "seed")
    row = pair(count_wins(cells), "a", "b")
    assert (row["compared"], row["won"], row["lost"]) == (9, 4, 5)


def test_gains_are_relative_to_the_reference_of_the_same_cell():
    frame = table({
        ("base", "x"): [0.5, 0.7], ("ours", "x"): [0.6, 0.75], ("base", "y"): [0.8], ("ours", "y"): [0.4],
        ("base", "z"): [0.25], ("ours", "z"): [0.5], ("ours", "only"): [0.9], ("base", "zero"): [0.0], ("ours", "zero"): [0.1],
    })  # fmt: skip
    cells = divide(frame)
    gains = measure_gains(cells, "base").set_index("cell")["gain"]
    assert gains.drop("zero").to_dict() == pytest.approx({"x": 12.5, "y": -50.0, "z": 100.0})
    assert np.isnan(gains["zero"]), "nothing is relative to 0"
    reference, ours = summarize_gains(cells, "base").to_dict("records")
    assert (reference["arm"], reference["cells"]) == ("base", 0)
    assert reference["mean"] == pytest.approx(np.mean([0.6, 0.8, 0.25, 0.0]))
    assert reference["deviation"] == pytest.approx(np.std([0.6, 0.8, 0.25, 0.0], ddof=1))
    assert (ours["gain"], ours["min"], ours["max"]) == pytest.approx((62.5 / 3, -50.0, 100.0))
    assert (ours["above"], ours["cells"]) == (2, 3)
    assert cells.describe_missing() == "base: 1 of 5"


def test_a_group_has_its_own_gains():
    frame = pd.concat(
        [
            table({("base", "x"): [0.5], ("ours", "x"): [0.6]}).assign(protocol="knn"),
            table({("base", "x"): [0.5], ("ours", "x"): [0.4]}),
        ]
    )
    found = summarize_gains(divide(frame, by=("protocol",)), "base").set_index(["protocol", "arm"])["gain"]
    assert (found["knn", "ours"], found["linear", "ours"]) == pytest.approx((20.0, -20.0))


def test_attributes_of_a_method_form_no_cells():
    """The axis and the backbone of a method follow from it; a backbone that several methods share tells runs apart."""
    rows = [score(0.5, method="a", backbone="cnn", arm="a"), score(0.6, method="b", backbone="vit", arm="b")]
    frame = pd.DataFrame(rows)
    assert list_cell_facts(frame, "method", (), UNITS, ["arm"]) == []
    both = pd.DataFrame([*rows, score(0.4, method="a", backbone="vit", arm="a2")])
    assert list_cell_facts(both, "method", (), UNITS, ["arm"]) == ["backbone", "arm"]
    assert list_cell_facts(both, "arm", (), UNITS, ["arm"]) == []


def test_every_other_axis_forms_cells_where_an_axis_is_compared():
    frame = pd.DataFrame([score(0.5, arm="a", mask=0.2), score(0.6, arm="b", mask=0.4)])
    assert list_cell_facts(frame, "arm", (), UNITS, ["arm", "mask"]) == ["mask"]
    assert pair(count_wins(divide(frame, axes=("arm", "mask"))), "a", "b")["compared"] == 0


def test_a_baseline_is_compared_in_the_cells_of_every_value_of_an_axis():
    rows = [score(0.5 + mask / 10, method="ours", mask=mask) for mask in (1, 2, 3)]
    rows += [score(0.6, method="base", **{NOT_REQUESTED: True, "mask": np.nan}), score(0.1, method="raw", backbone="none",
             **{NOT_REQUESTED: True, "mask": np.nan})]  # fmt: skip
    cells = divide(pd.DataFrame(rows), axis="method", axes=("mask",))
    assert cells.facts == ("mask",)
    row = pair(count_wins(cells), "ours", "base", "method")
    assert (row["won"], row["lost"], row["tied"], row["compared"]) == (2, 0, 1, 3)
    gains = measure_gains(cells, "base")
    assert gains.loc[gains["method"] == "ours", "gain"].tolist() == pytest.approx([0, 100 / 6, 100 / 3])


def test_a_run_that_answers_several_points_is_in_the_cells_of_each():
    frame = pd.DataFrame(
        [score(0.5, run="same", arm="sup"), score(0.6, run="low", arm="ssl"), score(0.7, run="high", arm="ssl")]
    )
    points = {"same": [{"rate": 20}, {"rate": 60}], "low": [{"rate": 20}], "high": [{"rate": 60}]}
    cells = divide(add_labels(frame, points), axes=("arm", "rate"))
    assert pair(count_wins(cells), "ssl", "sup")["compared"] == 2


def test_named_facts_replace_the_cells():
    frame = table(KNOWN).assign(other=lambda one: one["arm"])
    row = pair(count_wins(divide(frame, facts=("protocol",))), "a", "b")
    assert (row["compared"], row["lost"]) == (1, 1), "all datasets are averaged"


def test_a_fact_that_most_scores_lack_can_be_compared():
    frame = pd.DataFrame([score(0.8, fraction=np.nan), score(0.4, fraction=0.1), score(0.2, seed=1, fraction=0.1)])
    gains = summarize_gains(divide(frame, axis="fraction"), "all labels").set_index("fraction")["gain"]
    assert gains["0.1"] == pytest.approx(-62.5)


def test_scores_without_the_axis_have_no_cells():
    assert divide(table(KNOWN).assign(arm=np.nan), by=("dataset",)).frame.empty
