"""Tables show what was measured, also where a protocol's default score (all labels, every modality) was not computed."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

import sslbench
from sslbench.analysis.tables.selection import select_scores
from sslbench.catalog.metrics import core_metrics
from sslbench.report.console.terminal import show_results
from sslbench.results.record import Score
from tests.unit.analysis.test_selection import scores, select, study_frame
from tests.varied_settings import VARIED


def score(setting: str, metric: str = "micro_accuracy") -> Score:
    return Score(dataset="d", protocol="p", seed=0, fold=0, epoch=None, setting=setting, chosen="{}",
                 chosen_on="nothing", metric=metric, value=0.5)  # fmt: skip


def test_a_run_with_few_labels_only_shows_their_scores(tmp_path):
    settings = {"seeds": [0], "splits.label_fractions": [0.1, 0.2], "protocols": "knn", "baselines": "none"}
    results = sslbench.run("raw-features", "digits", out=tmp_path, settings=settings)
    shown = io.StringIO()
    show_results(Console(file=shown, width=120), results, core_metrics())
    text = shown.getvalue()
    measured = results.scores.query("metric == 'macro_accuracy' and setting.str.contains('0.2')")
    assert f"{measured['value'].iloc[0]:.3f} ±" in text
    assert "nothing measured" not in text
    assert "knn: 20 % of the training labels" in text
    assert "test samples: 360" in text


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        (['{"fraction": 0.1}', '{"fraction": 0.5}'], [1]),
        (['{"fraction": 0.1}', "{}"], [1]),
        (['{"gallery": "image", "queries": "profile"}', '{"gallery": "profile", "queries": "image"}'], [0]),
        (['{"against": "size", "clusters": 5}', '{"clusters": 5}'], [1]),
    ],
)
def test_scores_of_the_largest_number_or_first_name_stand_for_a_question_that_was_not_asked(settings, own):
    rows = [score(setting) for setting in settings]
    assert select_scores(rows, VARIED) == [rows[place] for place in own]


def test_a_table_of_a_study_shows_the_largest_fraction_of_a_protocol_without_scores_for_all_labels():
    settings = ['{"fraction": 0.1}', '{"fraction": 0.5}', "{}", '{"fraction": 0.1}']
    frame = study_frame(
        scores(value=[0.1, 0.2, 0.3, 0.4], setting=settings, protocol=["few", "few", "all", "all"]),
        {"r": [{"x": 1}]},
        VARIED,
    )
    assert select(frame, {}, (), VARIED)["value"].tolist() == [0.2, 0.3]
    assert select(frame, {"fraction": 0.1}, (), VARIED)["value"].tolist() == [0.1, 0.4]
