"""Tables of studies: what may be averaged, what is kept apart, and which label a shared row has."""

from __future__ import annotations

import pandas as pd
import pytest

from sslbench.analysis.tables.selection import (
    NOT_REQUESTED,
    add_unmeasured,
    cross_table,
    disambiguate,
    estimates,
    paired_difference,
    seed_values,
    select,
    study_frame,
)


def scores(**columns) -> pd.DataFrame:
    base = {"run": "r", "method": "m", "backbone": "b", "augmentation": "a", "dataset": "d", "protocol": "knn", "seed": 0,
            "fold": 0, "epoch": None, "setting": "{}", "chosen": "{}", "chosen_on": "validation", "metric": "x", "value": 0.0}  # fmt: skip
    length = max(len(v) for v in columns.values())
    return pd.DataFrame({**{k: [v] * length for k, v in base.items()}, **columns})


def test_fractions_and_snapshots_are_not_mixed_into_estimates():
    frame = study_frame(
        scores(value=[0.5, 0.1, 0.2], setting=["{}", '{"fraction": 0.1}', "{}"], epoch=[None, None, 3.0]),
        {"r": [{"axis": 1}]},
    )
    assert select(frame, {}, ())["value"].tolist() == [0.5]
    assert select(frame, {"fraction": 0.1}, ())["value"].tolist() == [0.1]
    assert sorted(select(frame, {}, ("epoch",))["value"]) == [0.2, 0.5]


def test_reference_rows_count_only_where_methods_are_compared():
    frame = study_frame(
        scores(value=[1.0, 2.0], run=["a", "b"], method=["m", "rows"]),
        {"a": [{"x": 1}], "b": [{"x": 1, NOT_REQUESTED: True}]},
    )
    assert select(frame, {}, ("x",))["value"].tolist() == [1.0]
    assert select(frame, {}, ("method", "x"))["value"].tolist() == [1.0, 2.0]
    assert select(frame, {"method": "rows"}, ("x",))["value"].tolist() == [2.0]


def test_a_baseline_that_answers_several_points_has_no_label_where_they_differ():
    frame = study_frame(
        scores(value=[1.0, 2.0], run=["a", "b"]),
        {"a": [{"x": 1, "y": 5, NOT_REQUESTED: True}, {"x": 2, "y": 5, NOT_REQUESTED: True}], "b": [{"x": 1, "y": 6}]},
    )
    assert frame["x"].isna().tolist() == [True, False]
    assert frame["y"].tolist() == [5, 6]


def test_a_run_that_several_points_ask_for_stands_at_each_of_them():
    """An encoder that learns nothing is one run for every pool that was asked for."""
    points = {"a": [{"x": 1, "y": 5}, {"x": 2, "y": 5}], "b": [{"x": 1, "y": 6}]}
    frame = study_frame(scores(value=[1.0, 2.0], run=["a", "b"]), points)
    shown = select(frame, {}, ["x", "y"])
    assert shown[["x", "y", "value"]].to_numpy().tolist() == [[1, 5, 1.0], [2, 5, 1.0], [1, 6, 2.0]]
    assert pd.api.types.is_numeric_dtype(shown["x"])
    assert select(frame, {"x": 2}, [])["value"].tolist() == [1.0]
    assert select(frame, {}, ["y"])["value"].tolist() == [1.0, 2.0], "where the axis is not told it counts once"
    alone = study_frame(scores(value=[1.0, 2.0], run=["a", "b"]), points, several=False)
    assert alone["x"].isna().tolist() == [True, False]


def test_a_run_without_numbers_keeps_its_row():
    table = cross_table(
        estimates(scores(value=[1.0]), ["method", "protocol", "metric"]), ["method"], ["protocol", "metric"]
    )
    runs = pd.DataFrame([{"run": "p", "method": "pretrained", "status": "unavailable"}])
    assert add_unmeasured(table, ["method"], runs).to_numpy().tolist() == [
        ["m", "1.000"],
        ["pretrained (unavailable)", "–"],
    ]
    assert add_unmeasured(table, ["method"], runs[:0]).equals(table)
    crossed_too = table.assign(axis=[10])[["axis", "method", *table.columns[1:]]]
    shown = add_unmeasured(crossed_too, ["axis", "method"], runs.assign(axis=[float("nan")]))
    assert shown.iloc[1].tolist() == ["–", "pretrained (unavailable)", "–"]


def test_values_above_a_baseline_are_paired_by_seed_and_backbone():
    frame = scores(
        method=["a", "a", "a", "z", "z", "z", "raw", "raw"], backbone=["b", "b", "c", "b", "b", "c", "none", "none"],
        seed=[0, 1, 0, 0, 1, 0, 0, 1], value=[0.9, 0.7, 0.5, 0.1, 0.3, 0.4, 0.2, 0.0], fraction=[None] * 8,
        images=["p"] * 8, arm=["a", "a", "a", None, None, None, None, None],
    )  # fmt: skip
    found = paired_difference(frame, "z", ["images", "arm"])
    assert found[found["method"] == "a"]["value"].tolist() == pytest.approx([0.8, 0.4, 0.1])
    assert set(found["method"]) == {"a"}  # raw pixels have no counterpart among encoders
    assert paired_difference(frame, "raw", ["images"])["value"].tolist() == pytest.approx(
        [0.7, 0.7, 0.3, -0.1, 0.3, 0.2]
    )
    assert paired_difference(frame, "no-such-row", ["images"]).empty
    named = frame.assign(backbone=["b", "b", "c", "b", "b", "c", "none", "none"])
    assert len(paired_difference(named, "z", ["backbone", "method"])) == 3  # axes that are called like facts
    table = cross_table(estimates(found, ["method", "backbone"]), ["method"], ["backbone"])
    assert table.iloc[0].tolist() == ["a", "0.600 ±2.541", "0.100"]


def test_a_table_names_the_last_epoch_and_the_earlier_ones():
    found = estimates(scores(value=[1.0, 2.0], epoch=[5.0, None]), ["method", "epoch"])
    assert list(cross_table(found, ["method"], ["epoch"]).columns) == ["method", "5", "last"]


def test_estimates_average_within_a_seed_first():
    frame = scores(value=[1.0, 3.0, 5.0], seed=[0, 0, 1])
    found = estimates(frame, ["method"]).iloc[0]
    assert found["mean"] == pytest.approx(3.5)  # (mean of 1 and 3, and 5), not the mean of three
    assert (found["n"], found["unit"]) == (2, "seeds")
    table = cross_table(
        estimates(frame.assign(axis=["u", "u", "u"]), ["method", "axis", "metric"]), ["method", "axis"], ["metric"]
    )
    assert table.columns.tolist() == ["method", "axis", "x"]
    assert table["x"].iloc[0].startswith("3.500 ±")


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
    assert paired_difference(frame, "z", [])["value"].tolist() == pytest.approx([0.1, 0.1])


def test_folds_of_one_seed_are_corrected_by_what_they_test():
    frame = scores(value=[0.1, 0.3], fold=[0, 1])
    half = {
        share: estimates(frame.assign(test_share=share), ["method"])["ci95_half_width"].iloc[0] for share in (0.2, 0.5)
    }
    assert half[0.5] > half[0.2] == estimates(frame, ["method"])["ci95_half_width"].iloc[0]
