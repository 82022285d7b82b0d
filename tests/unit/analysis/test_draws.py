"""Scores of several folds, draws and sizes: deviations, default selection and claims; costs and confusions of a study."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sslbench.analysis.tables.cost_tables import mean_costs, most_confused
from sslbench.analysis.tables.estimates import deviations
from sslbench.analysis.tables.hypotheses import Hypothesis, judge_hypothesis
from sslbench.analysis.tables.selection import select
from sslbench.analysis.tables.study_frames import study_frame
from tests.varied_settings import VARIED


def gallery_scores() -> pd.DataFrame:
    """Two methods, five folds, five draws, two sizes; the second method is better by 0.1 with noise of each fold."""
    rng, rows = np.random.default_rng(0), []
    for arm, gain in (("a", 0.0), ("b", 0.1)):
        for fold in range(5):
            for draw_ in range(5):
                for shots in (1, 4):
                    value = 0.4 + gain + 0.05 * shots + 0.01 * fold + rng.normal(0, 0.02 / shots)
                    setting = f'{{"draw": {draw_}, "shots": {shots}}}'
                    rows.append({"run": arm, "method": "m", "backbone": "x", "augmentation": "y", "dataset": "d",
                                 "protocol": "gallery", "metric": "micro_accuracy", "seed": 0, "fold": fold, "epoch": None,
                                 "setting": setting, "chosen": "{}", "chosen_on": "nothing", "value": value,
                                 "test_share": 0.2})  # fmt: skip
    return study_frame(pd.DataFrame(rows), {"a": [{"arm": "a"}], "b": [{"arm": "b"}]}, VARIED)


def test_deviations_are_over_folds_and_draws():
    chosen = select(gallery_scores(), {"shots": 4}, ["arm"], VARIED)
    found = deviations(chosen, ["arm"])
    assert found["n"].tolist() == [25, 25]
    assert set(found["unit"]) == {"folds x draws"}
    own = chosen[chosen["arm"] == "a"]["value"]
    assert found["deviation"].iloc[0] == pytest.approx(own.std(ddof=1))
    assert found["deviation_n"].iloc[0] == pytest.approx(own.std(ddof=0))


def test_the_largest_gallery_counts_by_default():
    frame = gallery_scores()
    assert set(select(frame, {}, ["arm"], VARIED)["shots"]) == {4}
    assert set(select(frame, {}, ["arm", "shots"], VARIED)["shots"]) == {1, 4}


def test_claims_are_judged_over_folds_with_the_p_of_whole_folds():
    place = {"protocol": "gallery", "metric": "micro_accuracy"}
    better = Hypothesis(claim="b is better", greater={"arm": "b"}, lesser={"arm": "a"}, where=place)
    (found,) = judge_hypothesis(gallery_scores(), better, ["arm"], VARIED)
    assert (found.verdict, found.n, found.unit) == ("holds", 5, "folds")
    assert found.difference == pytest.approx(0.1, abs=0.01)
    assert found.p == pytest.approx(2 / 2**5), "five folds have no smaller p, for any number of galleries"
    separate = Hypothesis(
        claim="few samples differ more", statistic="spread", greater={"shots": 1}, lesser={"shots": 4}, where=place
    )
    (spread,) = judge_hypothesis(gallery_scores(), separate, ["arm"], VARIED)
    assert spread.difference is not None
    assert spread.difference > 0.2


def test_costs_and_confusions():
    costs = pd.DataFrame(
        {"arm": ["a", "a", "b", "c"], "epochs": [2, 2, 4, 0], "samples_seen": [10, 10, 40, 0], "seconds": [1.0, 3.0, 5.0, 0.0],
         "samples_per_second": [10.0, 20.0, 8.0, 0.0], "peak_megabytes": [5.0, 5.0, 5.0, 5.0]}
    )  # fmt: skip
    found = mean_costs(costs, ["arm"])
    assert found["arm"].tolist() == ["a", "b"], "what trains nothing costs nothing"
    assert (found["seconds"].tolist(), found["trainings"].tolist()) == ([2.0, 5.0], [2, 1])
    pairs = pd.DataFrame(
        [("a", "x", "x", 6), ("a", "x", "y", 2), ("a", "x", "y", 2), ("a", "y", "y", 9), ("a", "y", "x", 1), ("b", "x", "x", 3)],
        columns=["arm", "class", "predicted_class", "count"],
    )  # fmt: skip
    (one,) = most_confused(pairs, ["arm"], 1).to_dict("records")
    assert (one["arm"], one["class"], one["predicted_class"], one["count"], one["share"]) == ("a", "x", "y", 4, 0.4)
