"""Hypotheses of a study: verdicts on tables with known answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslbench.analysis.statistics.intervals import mean_over_folds
from sslbench.analysis.tables.hypotheses import Hypothesis, judge_hypothesis
from tests.varied_settings import VARIED

FACTS = {"method": "m", "backbone": "b", "augmentation": "a", "dataset": "d", "protocol": "finetune", "metric": "x", "recipe": "r",
         "pool": "p", "fraction": np.nan, "epoch": np.nan, "bank": "", "query": "", "run": "r", "setting": "{}"}  # fmt: skip


def scores(*groups: tuple[dict, list[float]]) -> pd.DataFrame:
    """One row per fold of each group."""
    rows = [
        {**FACTS, **facts, "seed": 0, "fold": fold, "value": v}
        for facts, values in groups
        for fold, v in enumerate(values)
    ]
    return pd.DataFrame(rows)


LESS = [0.50, 0.60, 0.40, 0.55, 0.45]
ABOVE = Hypothesis(claim="c", greater={"arm": "a"}, lesser={"arm": "b"}, where={"metric": "x"})


@pytest.mark.parametrize(
    ("gaps", "verdict"),
    [
        ([0.10, 0.12, 0.11, 0.09, 0.10], "holds"),  # folds differ by more than this, and are paired
        ([-0.10, -0.12, -0.11, -0.09, -0.10], "fails"),
        ([0.10, -0.12, 0.05, -0.01, 0.02], "undecided"),
    ],
)
def test_a_claim_is_judged_by_paired_differences(gaps, verdict):
    frame = scores(({"arm": "a"}, list(np.add(LESS, gaps))), ({"arm": "b"}, LESS[::1]))
    (found,) = judge_hypothesis(frame, ABOVE, ["arm"], VARIED)
    assert (found.verdict, found.n, found.unit) == (verdict, 5, "folds")
    assert found.difference == pytest.approx(np.mean(gaps))
    assert found.ci95_half_width == pytest.approx(mean_over_folds(gaps, 0.2).ci95_half_width)
    turned = judge_hypothesis(frame, Hypothesis(claim="c", greater={"arm": "b"}, lesser={"arm": "a"}), ["arm"], VARIED)[
        0
    ]
    assert {verdict, turned.verdict} in ({"holds", "fails"}, {"undecided"})


def test_every_place_has_its_own_verdict_and_unset_facts_are_named():
    gain, loss = [0.2, 0.21, 0.2, 0.19, 0.2], [-0.2, -0.21, -0.2, -0.19, -0.2]
    frame = scores(
        *[
            ({"arm": "a", "target": t, "fraction": np.nan}, list(np.add(LESS, d)))
            for t, d in (("one", gain), ("two", loss))
        ],
        *[({"arm": "b", "target": t, "fraction": np.nan}, LESS) for t in ("one", "two")],
        *[({"arm": arm, "target": "one", "fraction": 0.1}, [0.0] * 5) for arm in "ab"],
    )
    claim = Hypothesis(
        claim="c", greater={"arm": "a"}, lesser={"arm": "b"}, where={"fraction": "all labels"}, by=("target",)
    )
    assert [(f.place, f.verdict) for f in judge_hypothesis(frame, claim, ["arm", "target"], VARIED)] == [
        ("one", "holds"),
        ("two", "fails"),
    ]


def test_a_lead_that_shrinks():
    few, full = [0.20, 0.22, 0.18, 0.21, 0.19], [0.02, 0.01, 0.02, 0.03, 0.02]
    frame = scores(
        ({"arm": "a", "fraction": 0.01}, list(np.add(LESS, few))), ({"arm": "b", "fraction": 0.01}, LESS),
        ({"arm": "a"}, list(np.add(LESS, full))), ({"arm": "b"}, LESS),
    )  # fmt: skip
    claim = {"claim": "c", "greater": {"arm": "a"}, "lesser": {"arm": "b"}}
    shrinks = Hypothesis(**claim, where={"fraction": 0.01}, versus={"fraction": "all labels"})
    found = judge_hypothesis(frame, shrinks, ["arm"], VARIED)[0]
    assert (found.verdict, found.difference) == ("holds", pytest.approx(0.18))
    grows = Hypothesis(**claim, where={"fraction": "all labels"}, versus={"fraction": 0.01})
    assert judge_hypothesis(frame, grows, ["arm"], VARIED)[0].verdict == "fails"


def test_spread_is_judged_by_log_deviations():
    wide, narrow = [0.1, 0.9, 0.5, 0.2, 0.8], [0.50, 0.51, 0.505, 0.49, 0.50]
    groups = [({"arm": arm, "fraction": f}, v) for arm in "ab" for f, v in ((0.01, wide), (0.1, narrow))]
    claim = Hypothesis(
        claim="c", statistic="spread", greater={"fraction": 0.01}, lesser={"fraction": (0.1, "all labels")}
    )
    found = judge_hypothesis(scores(*groups), claim, ["arm"], VARIED)[0]
    assert (found.verdict, found.n) == ("holds", 5)
    assert found.difference == pytest.approx(np.log(np.std(wide) / np.std(narrow)), abs=0.4)
    two = scores(*[(facts, values[:2]) for facts, values in groups])
    assert (
        judge_hypothesis(two, claim, ["arm"], VARIED)[0].verdict == "not measured"
    )  # without one of two folds no deviation is left


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_equal_spreads_are_rarely_called_different(seed):
    rng = np.random.default_rng(seed)
    claim = Hypothesis(claim="c", statistic="spread", greater={"arm": "a"}, lesser={"arm": "b"})
    verdicts = [
        judge_hypothesis(
            scores(*[({"arm": arm}, list(rng.normal(0.5, 0.1, 5))) for arm in "ab"]), claim, ["arm"], VARIED
        )[0].verdict
        for _ in range(20)
    ]
    assert verdicts.count("undecided") >= 14  # nominally 19 of 20, and never fewer by chance


def test_what_was_not_measured_is_stated():
    assert judge_hypothesis(pd.DataFrame(), ABOVE, [], VARIED)[0].place == "no finished run with these facts"
    found = judge_hypothesis(scores(({"arm": "a"}, LESS)), ABOVE, ["arm"], VARIED)[0]
    assert (found.verdict, found.place.startswith("no scores of ")) == ("not measured", True)
    without = scores(({"arm": "a"}, np.add(LESS, 0.1).tolist()), ({"arm": "b"}, LESS))
    along = Hypothesis(claim="c", greater={"crop": 1}, lesser={"crop": 2})  # an axis that this scale has not
    assert [(one.verdict, one.place) for one in judge_hypothesis(without, along, ["arm"], VARIED)] == [
        ("not measured", "not at this scale")
    ]
    only_placed = Hypothesis(claim="c", greater={"arm": "a"}, lesser={"arm": "b"}, where={"crop": 1}, by=("crop",))
    assert [(one.verdict, one.place) for one in judge_hypothesis(without, only_placed, ["arm"], VARIED)] == [
        ("holds", "")
    ]
    one = scores(({"arm": "a"}, [0.9]), ({"arm": "b"}, [0.1]))
    assert judge_hypothesis(one, ABOVE, ["arm"], VARIED)[0].verdict == "undecided"


@given(st.lists(st.floats(-1, 1), min_size=5, max_size=5), st.floats(-0.5, 0.5))
def test_what_is_added_to_both_sides_changes_nothing(gaps, shift):
    sides = [({"arm": "a"}, list(np.add(LESS, gaps))), ({"arm": "b"}, LESS)]
    moved = [(facts, [v + shift for v in values]) for facts, values in sides]
    before, after = (judge_hypothesis(scores(*groups), ABOVE, ["arm"], VARIED)[0] for groups in (sides, moved))
    assert after.difference == pytest.approx(before.difference, abs=1e-9)
    if abs(abs(before.difference) - before.ci95_half_width) > 1e-6:
        assert after.verdict == before.verdict
