"""Tables of studies: what may be averaged, what is kept apart, and which label a shared row has."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from sslbench.analysis.tables.estimates import estimates, paired_difference, seed_values
from sslbench.analysis.tables.selection import NOT_REQUESTED, select
from sslbench.analysis.tables.study_frames import disambiguate, study_frame
from sslbench.analysis.tables.text_tables import add_unmeasured, cross_table
from sslbench.api.metrics import Metric
from sslbench.catalog.metrics import MetricTable, core_metrics
from tests.varied_settings import VARIED


def scores(**columns) -> pd.DataFrame:
    base = {"run": "r", "method": "m", "backbone": "b", "augmentation": "a", "dataset": "d", "protocol": "knn", "seed": 0,
            "fold": 0, "epoch": None, "setting": "{}", "chosen": "{}", "chosen_on": "validation", "metric": "x", "value": 0.0}  # fmt: skip
    length = max(len(v) for v in columns.values())
    return pd.DataFrame({**{k: [v] * length for k, v in base.items()}, **columns})


def test_fractions_and_snapshots_are_not_mixed_into_estimates():
    frame = study_frame(
        scores(value=[0.5, 0.1, 0.2], setting=["{}", '{"fraction": 0.1}', "{}"], epoch=[None, None, 3.0]),
        {"r": [{"axis": 1}]},
        VARIED,
    )
    assert select(frame, {}, (), VARIED)["value"].tolist() == [0.5]
    assert select(frame, {"fraction": 0.1}, (), VARIED)["value"].tolist() == [0.1]
    assert sorted(select(frame, {}, ("epoch",), VARIED)["value"]) == [0.2, 0.5]


def test_reference_rows_count_only_where_methods_are_compared():
    frame = study_frame(
        scores(value=[1.0, 2.0], run=["a", "b"], method=["m", "rows"]),
        {"a": [{"x": 1}], "b": [{"x": 1, NOT_REQUESTED: True}]},
        VARIED,
    )
    assert select(frame, {}, ("x",), VARIED)["value"].tolist() == [1.0]
    assert select(frame, {}, ("method", "x"), VARIED)["value"].tolist() == [1.0, 2.0]
    assert select(frame, {"method": "rows"}, ("x",), VARIED)["value"].tolist() == [2.0]


def test_a_baseline_that_answers_several_points_has_no_label_where_they_differ():
    frame = study_frame(
        scores(value=[1.0, 2.0], run=["a", "b"]),
        {"a": [{"x": 1, "y": 5, NOT_REQUESTED: True}, {"x": 2, "y": 5, NOT_REQUESTED: True}], "b": [{"x": 1, "y": 6}]},
        VARIED,
    )
    assert frame["x"].isna().tolist() == [True, False]
    assert frame["y"].tolist() == [5, 6]


def test_a_run_that_several_points_ask_for_stands_at_each_of_them():
    """An encoder that learns nothing is one run for every pool that was asked for."""
    points = {"a": [{"x": 1, "y": 5}, {"x": 2, "y": 5}], "b": [{"x": 1, "y": 6}]}
    frame = study_frame(scores(value=[1.0, 2.0], run=["a", "b"]), points, VARIED)
    shown = select(frame, {}, ["x", "y"], VARIED)
    assert shown[["x", "y", "value"]].to_numpy().tolist() == [[1, 5, 1.0], [2, 5, 1.0], [1, 6, 2.0]]
    assert pd.api.types.is_numeric_dtype(shown["x"])
    assert select(frame, {"x": 2}, [], VARIED)["value"].tolist() == [1.0]
    assert select(frame, {}, ["y"], VARIED)["value"].tolist() == [1.0, 2.0], "where the axis is not told it counts once"
    alone = study_frame(scores(value=[1.0, 2.0], run=["a", "b"]), points, VARIED, several=False)
    assert alone["x"].isna().tolist() == [True, False]


def test_a_run_without_numbers_keeps_its_row():
    found = estimates(scores(value=[1.0]), ["method", "protocol", "metric"])
    table = cross_table(found, ["method"], ["protocol", "metric"], core_metrics(), VARIED)
    runs = pd.DataFrame([{"run": "p", "method": "pretrained", "status": "unavailable"}])
    assert add_unmeasured(table, runs).rows == [["m", "1.000"], ["pretrained (unavailable)", "–"]]
    assert add_unmeasured(table, runs[:0]) == table
    crossed_too = replace(table, headers=["axis", *table.headers], rows=[["10", *table.rows[0]]], labels=2)
    shown = add_unmeasured(crossed_too, runs.assign(axis=[float("nan")]))
    assert shown.rows[1] == ["–", "pretrained (unavailable)", "–"]


def test_heads_and_digits_are_those_of_the_metrics():
    frame = scores(metric=["rank_me", "ami_max", "unknown_number"], value=[5.04, 0.5, 12.345])
    found = estimates(frame, ["method", "protocol", "metric"])
    across = cross_table(found, ["method"], ["protocol", "metric"], core_metrics(), VARIED)
    assert across.headers == ["method", "knn RankMe", "knn AMI max", "knn unknown number"]
    assert across.rows == [["m", "5.0", "0.500", "12.3"]]
    down = cross_table(found, ["metric"], [], core_metrics(), VARIED)
    assert [row[0] for row in down.rows] == ["RankMe", "AMI max", "unknown number"]
    one = cross_table(found[:1].drop(columns="metric"), ["method"], ["protocol"], core_metrics(), VARIED, "rank_me")
    assert one.rows == [["m", "5.0"]]
    assert cross_table(found[:1], ["method"], [], core_metrics(), VARIED, "rank_me").headers == ["method", "RankMe"]


def test_metrics_with_the_same_label_keep_columns_of_their_own():
    label = core_metrics()["ami_max"].label
    other = Metric(name="other", low=0.0, high=1.0, label=label)
    metrics = MetricTable({**core_metrics(), "other": other})
    found = estimates(scores(metric=["ami_max", "other"], value=[0.1, 0.2]), ["method", "metric"])
    table = cross_table(found, ["method"], ["metric"], metrics, VARIED)
    assert (table.headers, table.rows) == (["method", label, label], [["m", "0.100", "0.200"]])


def test_a_mixed_column_of_numbers_and_names_is_sorted():
    frame = scores(value=[1.0, 2.0, 3.0], shots=[10.0, 5.0, None])
    table = cross_table(estimates(frame, ["method", "shots"]), ["method"], ["shots"], core_metrics(), VARIED)
    assert table.headers == ["method", "5", "10", "–"]


def test_values_above_a_baseline_are_paired_by_seed_and_backbone():
    frame = scores(
        method=["a", "a", "a", "z", "z", "z", "raw", "raw"], backbone=["b", "b", "c", "b", "b", "c", "none", "none"],
        seed=[0, 1, 0, 0, 1, 0, 0, 1], value=[0.9, 0.7, 0.5, 0.1, 0.3, 0.4, 0.2, 0.0], fraction=[None] * 8,
        images=["p"] * 8, arm=["a", "a", "a", None, None, None, None, None],
    )  # fmt: skip
    found = paired_difference(frame, "z", ["images", "arm"], VARIED)
    assert found[found["method"] == "a"]["value"].tolist() == pytest.approx([0.8, 0.4, 0.1])
    assert set(found["method"]) == {"a"}  # raw pixels have no counterpart among encoders
    assert paired_difference(frame, "raw", ["images"], VARIED)["value"].tolist() == pytest.approx(
        [0.7, 0.7, 0.3, -0.1, 0.3, 0.2]
    )
    assert paired_difference(frame, "no-such-row", ["images"], VARIED).empty
    named = frame.assign(backbone=["b", "b", "c", "b", "b", "c", "none", "none"])
    assert len(paired_difference(named, "z", ["backbone", "method"], VARIED)) == 3  # axes that are called like facts
    table = cross_table(estimates(found, ["method", "backbone"]), ["method"], ["backbone"], core_metrics(), VARIED)
    assert table.rows[0] == ["a", "0.600 ±2.541", "0.100"]


def test_a_table_names_the_last_epoch_and_the_earlier_ones():
    found = estimates(scores(value=[1.0, 2.0], epoch=[5.0, None]), ["method", "epoch"])
    assert cross_table(found, ["method"], ["epoch"], core_metrics(), VARIED).headers == ["method", "5", "last"]


def test_estimates_average_within_a_seed_first():
    frame = scores(value=[1.0, 3.0, 5.0], seed=[0, 0, 1])
    found = estimates(frame, ["method"]).iloc[0]
    assert found["mean"] == pytest.approx(3.5)  # (mean of 1 and 3, and 5), not the mean of three
    assert (found["n"], found["unit"]) == (2, "seeds")
    found = estimates(frame.assign(axis=["u", "u", "u"]), ["method", "axis", "metric"])
    table = cross_table(found, ["method", "axis"], ["metric"], core_metrics(), VARIED)
    assert table.headers == ["method", "axis", "x"]
    assert table.rows[0][2].startswith("3.500 ±")


def test_runs_of_two_backbones_are_never_averaged_as_seeds():
    facts = {"augmentation": "crop", "dataset": "digits", "protocol": "knn", "metric": "micro_accuracy"}
    rows = [
        ("random-init", "cnn", 0, 0.9),
        ("random-init", "vit", 0, 0.5),
        ("mine", "cnn", 0, 0.8),
        ("mine", "cnn", 1, 0.6),
    ]
    frame = pd.DataFrame([{"method": m, "backbone": b, "seed": s, "value": v, **facts} for m, b, s, v in rows])
    found = seed_values(disambiguate(frame, ["method"]), ["method"])
    assert found.groupby("method")["value"].mean().to_dict() == {
        "random-init (cnn)": 0.9,
        "random-init (vit)": 0.5,
        "mine": pytest.approx(0.7),
    }
    assert disambiguate(frame, ["method", "backbone"]).equals(frame)
    assert disambiguate(frame, ["dataset"]).equals(frame)


def test_classes_are_set_against_the_same_class():
    frame = scores(method=["a", "a", "z", "z"], value=[0.9, 0.2, 0.8, 0.1], fraction=[None] * 4)
    frame["class"] = ["x", "y", "x", "y"]
    assert paired_difference(frame, "z", [], VARIED)["value"].tolist() == pytest.approx([0.1, 0.1])


def test_folds_of_one_seed_are_corrected_by_what_they_test():
    frame = scores(value=[0.1, 0.3], fold=[0, 1])
    half = {
        share: estimates(frame.assign(test_share=share), ["method"])["ci95_half_width"].iloc[0] for share in (0.2, 0.5)
    }
    assert half[0.5] > half[0.2] == estimates(frame, ["method"])["ci95_half_width"].iloc[0]
