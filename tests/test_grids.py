"""Tables of studies: what may be averaged, what is kept apart, and which label a shared row bears."""

from __future__ import annotations

import pandas as pd
import pytest

from sslbench.analysis.grids import crossed, estimates, select, study_frame


def scores(**columns) -> pd.DataFrame:
    base = {"run": "r", "method": "m", "backbone": "b", "augmentation": "a", "dataset": "d", "protocol": "knn", "seed": 0,
            "fold": 0, "epoch": None, "setting": "{}", "chosen": "{}", "chosen_on": "validation", "metric": "x", "value": 0.0}  # fmt: skip
    length = max(len(v) for v in columns.values())
    return pd.DataFrame({**{k: [v] * length for k, v in base.items()}, **columns})


def test_oracles_fractions_and_snapshots_are_not_mixed_into_estimates():
    frame = study_frame(
        scores(value=[0.5, 0.9, 0.1, 0.2], chosen_on=["validation", "query", "validation", "validation"],
               setting=["{}", "{}", '{"fraction": 0.1}', "{}"], epoch=[None, None, None, 3.0]),
        {"r": [{"axis": 1}]},
    )  # fmt: skip
    assert select(frame, {}, ())["value"].tolist() == [0.5]
    assert select(frame, {"fraction": 0.1}, ())["value"].tolist() == [0.1]
    assert sorted(select(frame, {}, ("epoch",))["value"]) == [0.2, 0.5]


def test_a_baseline_that_answers_several_points_has_no_label_where_they_differ():
    frame = study_frame(
        scores(value=[1.0, 2.0], run=["a", "b"]), {"a": [{"x": 1, "y": 5}, {"x": 2, "y": 5}], "b": [{"x": 1, "y": 6}]}
    )
    assert frame["x"].isna().tolist() == [True, False]
    assert frame["y"].tolist() == [5, 6]


def test_estimates_average_within_a_seed_first():
    frame = scores(value=[1.0, 3.0, 5.0], seed=[0, 0, 1])
    found = estimates(frame, ["method"]).iloc[0]
    assert found["mean"] == pytest.approx(3.5)  # (mean of 1 and 3, and 5), not the mean of three
    assert (found["n"], found["over"]) == (2, "seeds")
    table = crossed(
        estimates(frame.assign(axis=["u", "u", "u"]), ["method", "axis", "metric"]), ["method", "axis"], ["metric"]
    )
    assert table.columns.tolist() == ["method", "axis", "x"]
    assert table["x"].iloc[0].startswith("3.500 ±")
