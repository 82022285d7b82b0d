"""Problems of tables and figures that compare the values of an axis, or show training losses, are found in the plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sslbench.api.errors import RequestError
from sslbench.report.study import find_unknown_names
from sslbench.study.definition import Study, read_study

WHERE = {"metric": "macro_accuracy"}
WINS = {"name": "t", "kind": "wins", "axis": "arm", "where": WHERE}
GAINS = {"name": "t", "kind": "relative", "axis": "arm", "reference": "wide", "where": WHERE}
BOX = {"name": "f", "kind": "box", "x": "arm", "where": WHERE}


def study_of(tmp_path: Path, scale: str = "", **outputs: Any) -> Study:
    axes = {"arm": {"narrow": {"backbone.width": 32}, "wide": {"backbone.width": 64}}, "train.epochs": [1, 2]}
    content = {"base": {}, "axes": axes, "scales": {"one": {"axes": {"arm": None}}}, **outputs}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(content))
    return read_study(tmp_path / "s.yaml", scale)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({**WINS, "axis": "arms"}, "tables[t].axis: 'arms' is not an axis or a fact. Did you mean 'arm'?"),
        ({**WINS, "axis": ""}, "tables[t].axis: missing. Name the axis or fact whose values are compared"),
        ({**WINS, "cells": ["datset"]}, "tables[t].cells: 'datset' is not an axis or a fact. Did you mean 'dataset'?"),
        ({**WINS, "repetitions": ["sed"]}, "tables[t].repetitions: 'sed' is not an axis or a fact. Did you mean 'seed'?"),
        ({**GAINS, "reference": "wider"}, "tables[t].reference: arm has no value 'wider'. Did you mean 'wide'?"),
        ({**GAINS, "axis": "train.epochs", "reference": 3}, "tables[t].reference: train.epochs has no value '3'"),
        ({**GAINS, "reference": ""}, "tables[t].reference: missing. Name the value of arm over which gains are computed"),
        ({**GAINS, "welch": 0.05}, "tables[t].welch: has no effect with kind=relative and source=scores. Remove it"),
        ({**WINS, "reference": "wide"}, "tables[t].reference: has no effect with kind=wins"),
        ({"name": "t", "axis": "arm"}, "tables[t].axis: has no effect with kind=values"),
        ({**WINS, "extremes": True}, "tables[t].extremes: has no effect with kind=wins and source=scores. Remove it"),
        ({"name": "t", "source": "samples", "extremes": True}, "tables[t].extremes: has no effect with kind=values and source=samples"),
        ({**WINS, "source": "costs"}, "tables[t].source=costs: kind=wins needs scores or classes"),
        ({**WINS, "where": {}}, "tables[t]: selects no metric, so different metrics would be compared. Add one metric to where"),
        ({**WINS, "where": {"metric": ["a", "b"]}}, "tables[t]: selects no metric"),
        (
            {"name": "t", "source": "training", "rows": ["arm"], "where": {"protocol": "knn"}},
            "tables[t]: 'protocol' is not an axis or a fact of a training",
        ),
        ({"name": "t", "source": "training", "columns": ["ter"], "where": {"term": "loss"}}, "'ter' is not an axis or a fact of a training. Did you mean 'term'?"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_reported(table, sentence, tmp_path):
    (problem,) = find_unknown_names(study_of(tmp_path, tables=[table]), ["shots"])
    assert sentence in problem


@pytest.mark.parametrize(
    ("figure", "sentence"),
    [
        ({**BOX, "axis": "arm"}, "figures[f].axis: has no effect with kind=box"),
        ({**BOX, "where": {}}, "figures[f]: selects no metric"),
        ({**BOX, "x": ""}, "figures[f].x: missing. Name an axis or a fact"),
        ({**BOX, "reference": "widest"}, "figures[f].reference: arm has no value 'widest'"),
        ({"name": "f", "kind": "wins", "where": WHERE}, "figures[f].axis: missing"),
        ({"name": "f", "source": "training", "kind": "bar"}, "figures[f]: training losses are lines over epochs. Remove kind"),
        ({"name": "f", "source": "training", "x": "arm"}, "figures[f]: training losses are lines over epochs"),
        ({"name": "f", "source": "training", "panels": "arm"}, "figures[f]: selects no term, so different terms would be averaged"),
        ({"name": "f", "source": "training", "hue": "metric"}, "figures[f]: 'metric' is not an axis or a fact of a training"),
    ],
)  # fmt: skip
def test_a_wrong_figure_is_reported(figure, sentence, tmp_path):
    (problem,) = find_unknown_names(study_of(tmp_path, figures=[figure]), ["shots"])
    assert sentence in problem


@pytest.mark.parametrize(("level", "is_allowed"), [(0.05, True), (0, True), (1, False), (1.5, False), (-0.1, False)])
def test_the_level_of_the_test_is_a_probability(level, is_allowed, tmp_path):
    if is_allowed:
        assert study_of(tmp_path, tables=[{**WINS, "welch": level}]).tables[0].welch == level
        return
    with pytest.raises(RequestError) as raised:
        study_of(tmp_path, tables=[{**WINS, "welch": level}])
    assert f"tables[0].welch={level}: must be 0 or more, below 1" in str(raised.value)


def test_valid_outputs_have_no_problems(tmp_path):
    tables = [
        WINS, GAINS, {**WINS, "cells": ["fold", "dataset"], "repetitions": ["seed", "train.epochs"], "welch": 0.05},
        {**GAINS, "axis": "method", "reference": "random-init"}, {**GAINS, "axis": "train.epochs", "reference": 1},
        {**GAINS, "axis": "shots", "reference": 4},
        {"name": "t", "source": "training", "rows": ["arm", "seed"], "where": {"term": "loss"}, "extremes": True},
    ]  # fmt: skip
    figures = [
        BOX, {**BOX, "reference": "narrow", "hue": "protocol"}, {"name": "f", "kind": "wins", "axis": "arm", "where": WHERE},
        {"name": "f", "source": "training", "x": "epoch", "hue": "arm", "panels": "term"},
        {"name": "f", "source": "training", "panels": "arm", "where": {"term": "loss"}},
    ]  # fmt: skip
    for scale in ("", "one"):  # at scale 'one', the axis is of another scale
        assert find_unknown_names(study_of(tmp_path, scale, tables=tables, figures=figures), ["shots"]) == []
