"""Statistics of leaderboards: draws, ranks that admit ties, wins, orders, spread, disagreement."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sslbench.analysis.statistics.bootstrap import resampled_weights, sample_draws, sample_weights, strata
from sslbench.analysis.statistics.protocol_agreement import correlations, find_flips
from sslbench.analysis.statistics.rank_aggregation import aggregate_ranks, cliques, nemenyi
from sslbench.analysis.statistics.score_variance import variance_of_answers, variance_over_seeds
from sslbench.analysis.statistics.shared_ranks import ComparedScores, difference, rank_rows
from sslbench.analysis.statistics.variance_components import power, seeds_needed, split_variance
from sslbench.analysis.statistics.win_matrix import gain_summary, relative_gain, win_matrix
from sslbench.leaderboard.standings.entries import split_answer_variance, summarize
from sslbench.leaderboard.submission.bundle import Answers, pack_bits

RNG = np.random.default_rng(7)


def field(right: dict[str, np.ndarray], draws: int = 400, seed: int = 0) -> ComparedScores:
    """Entries by the samples [S, n] that they predict correctly."""
    n = next(iter(right.values())).shape[1]
    codes, shares = strata(np.zeros(n, np.int64), np.zeros(n, np.int64), by_class=False)
    rng = np.random.default_rng(seed)
    weights = resampled_weights(codes, shares, draws, rng)
    return ComparedScores(
        names=list(right),
        scores=np.array([one.mean() for one in right.values()]),
        draws=np.stack([sample_draws(one.astype(float), weights) for one in right.values()]),
        variances=[
            variance_of_answers(one.astype(float), codes, shares, depends_on_seed=True) for one in right.values()
        ],
    )


def answers(
    rng: np.random.Generator, n: int, seeds: int, ability: float, hard: np.ndarray, wobble: float
) -> np.ndarray:
    """Samples with a difficulty each, and seeds with a deviation each."""
    luck = rng.normal(ability, wobble, (seeds, 1))
    return rng.random((seeds, n)) < 1 / (1 + np.exp(hard - luck))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=60), st.booleans())
def test_weights_are_those_of_mean_over_folds_of_micro_and_macro_accuracy(rows, by_class):
    labels, folds = (np.array(column) for column in zip(*rows, strict=True))
    weights = sample_weights(*strata(labels, folds, by_class=by_class))
    right = np.arange(len(rows)) % 2 == 0
    wanted = []
    for fold in np.unique(folds):
        here = folds == fold
        by = [here & (labels == c) for c in np.unique(labels[here])] if by_class else [here]
        wanted.append(np.mean([right[some].mean() for some in by]))
    assert weights.sum() == pytest.approx(1)
    assert right @ weights == pytest.approx(np.mean(wanted))


def test_draws_keep_every_class_as_large_as_it_is():
    labels = np.array([0] * 5 + [1] * 50)
    codes, shares = strata(labels, np.zeros(55, np.int64), by_class=True)
    weights = resampled_weights(codes, shares, 200, np.random.default_rng(0))
    assert weights[:, labels == 0].sum(1) == pytest.approx(0.5)
    assert weights.mean(0) == pytest.approx(sample_weights(codes, shares), abs=0.04)


def test_methods_far_apart_are_separated_and_ties_share_a_rank():
    rng = np.random.default_rng(3)
    hard = rng.normal(0, 1, 500)
    made = {
        name: answers(rng, 500, 5, ability, hard, 0.1)
        for name, ability in (("low", -2), ("b", 1), ("a", 1), ("top", 4))
    }
    found = {one.name: one for one in rank_rows(field(made))}
    assert {name: one.rank for name, one in found.items()} == {"top": 1, "a": 2, "b": 2, "low": 4}
    assert found["top"].ranks == (1, 1)
    assert found["a"].ranks == found["b"].ranks == (2, 3)
    assert [one.rank for one in rank_rows(field(made))] == [1, 2, 2, 4]


def test_shared_test_samples_make_a_small_gap_significant():
    """Paired: one method is right on all samples on which the other is, and on four percent more."""
    base = np.tile(RNG.random(1000) < 0.7, (3, 1))
    better = base.copy()
    better[:, np.flatnonzero(~base[0])[:40]] = True
    found = rank_rows(field({"base": base, "better": better}))
    assert [(one.name, one.rank) for one in found] == [("better", 1), ("base", 2)]


def test_equal_rows_tie_and_an_empty_field_has_no_rows():
    same = RNG.random((3, 50)) < 0.5
    assert [one.rank for one in rank_rows(field({"x": same, "y": same}))] == [1, 1]
    assert (
        rank_rows(ComparedScores(names=[], scores=np.array([]), draws=np.zeros((0, 3), np.float32), variances=[])) == []
    )


@given(st.lists(st.lists(st.booleans(), min_size=60, max_size=60), min_size=1, max_size=6))
def test_a_rank_lies_within_the_ranks_that_it_could_be(rows):
    found = rank_rows(field({f"m{i}": np.array(row).reshape(3, 20) for i, row in enumerate(rows)}))
    assert len(found) == len(rows)
    for one in found:
        assert 1 <= one.rank == one.ranks[0] <= one.ranks[1] <= len(rows)


def test_a_score_is_the_same_in_any_order_of_addition():
    orders = [(0.1, 0.2, 0.3), (0.3, 0.2, 0.1), (0.2, 0.3, 0.1)]
    assert len({float(np.mean(order)) for order in orders}) > 1
    variance = variance_over_seeds((0.1, 0.2, 0.3), depends_on_seed=True)
    assert {summarize(order, variance).mean for order in orders} == {0.2}


def test_ranks_are_those_of_all_pairs_one_by_one():
    rng = np.random.default_rng(8)
    hard = rng.normal(0, 1, 150)
    made = field({f"m{i}": answers(rng, 150, 3, rng.normal(), hard, 0.2) for i in range(80)})
    better = np.zeros((80, 80), bool)
    for one, other in itertools.permutations(range(80), 2):
        gap, half = difference(made, one, other)
        better[one, other] = half is not None and gap > half
    ranks = {row.name: row.ranks for row in rank_rows(made)}
    assert ranks == {
        name: (1 + better[:, place].sum(), 80 - better[place].sum()) for place, name in enumerate(made.names)
    }


def test_blocks_of_rows_give_what_one_block_gives(monkeypatch):
    rng = np.random.default_rng(5)
    hard = rng.normal(0, 1, 200)
    made = {f"m{i}": answers(rng, 200, 3, i / 3, hard, 0.1) for i in range(12)}
    whole = rank_rows(field(made))
    monkeypatch.setattr("sslbench.analysis.statistics.shared_ranks.ROW_BLOCK", 5)
    monkeypatch.setattr("sslbench.analysis.statistics.shared_ranks.COLUMN_BLOCK", 3)
    assert rank_rows(field(made)) == whole


# ---- wins, gains, orders ---------------------------------------------------------------------------------------------

SEEDS = {
    ("a", "x"): [0.9, 0.9, 0.9], ("b", "x"): [0.8, 0.8, 0.8], ("a", "y"): [0.5, 0.6, 0.4], ("b", "y"): [0.5, 0.5, 0.5],
    ("a", "z"): [0.2, 0.21, 0.19], ("b", "z"): [0.4, 0.41, 0.39],
}  # fmt: skip


def test_wins_are_strict_and_welch_counts_only_what_it_decides():
    plain, welch = win_matrix(SEEDS), win_matrix(SEEDS, 0.05)
    assert (plain.loc["a", "b"], plain.loc["b", "a"]) == pytest.approx((1 / 3, 1 / 3))
    assert (welch.loc["a", "b"], welch.loc["b", "a"]) == pytest.approx((1 / 2, 1 / 2))
    assert np.isnan(plain.loc["a", "a"])
    assert np.isnan(win_matrix({k: v for k, v in SEEDS.items() if k[1] == "y"}, 0.05).loc["a", "b"])


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=4))
def test_wins_of_two_never_exceed_one(rows):
    values = {(f"m{i}", f"e{j}"): [value] for i, row in enumerate(rows) for j, value in enumerate(row)}
    matrix = win_matrix(values)
    for first in matrix.index:
        for second in matrix.columns:
            if first != second:
                assert matrix.loc[first, second] + matrix.loc[second, first] <= 1


def test_relative_gain_is_that_of_the_reference():
    assert relative_gain(0.6, 0.5) == pytest.approx(20)
    means = {("a", "x"): 0.6, ("s", "x"): 0.5, ("a", "y"): 0.4, ("s", "y"): 0.5, ("a", "z"): 0.9}
    found = gain_summary(means, {("a", "x"): 0.5, ("a", "y"): 0.5})
    assert list(found["method"]) == ["a"]
    assert found.iloc[0].to_dict() == {"method": "a", "min": pytest.approx(-20), "median": pytest.approx(0),
                                       "mean": pytest.approx(0), "max": pytest.approx(20), "experiments": 2}  # fmt: skip


def test_orders_share_ranks_and_leave_out_by_name():
    scores = pd.DataFrame({"x": [0.9, 0.5, 0.5, 0.1], "y": [0.8, 0.6, 0.7, np.nan]}, index=["a", "b", "c", "d"])
    found = aggregate_ranks(scores)
    assert found.left_out == ("d",)
    assert found.rows.to_dict("list") == {
        "method": ["a", "c", "b"],
        "mean_rank": [1.0, 2.25, 2.75],
        "borda": [4.0, 1.5, 0.5],
    }


def test_the_critical_difference_groups_what_does_not_differ():
    rng = np.random.default_rng(0)
    scores = pd.DataFrame(rng.normal(0, 0.01, (4, 12)) + np.array([[0.9], [0.89], [0.4], [0.39]]), index=list("abcd"))
    found = aggregate_ranks(scores)
    assert found.p < 1e-5
    assert [set(group) for group in found.groups] == [{"a", "b"}, {"c", "d"}]
    p = nemenyi(scores)
    assert p.loc["a", "d"] < 0.05 < p.loc["a", "b"]
    q = stats.studentized_range.sf(np.sqrt(2) * abs(scores.rank(ascending=False).mean(axis=1).diff().iloc[1])
                                   / np.sqrt(4 * 5 / (6 * 12)), 4, np.inf)  # fmt: skip
    assert p.loc["a", "b"] == pytest.approx(q, abs=1e-6)  # Demsar 2006, eq. of section 3.2.2


def test_a_run_of_ties_is_one_bar_only_where_all_of_it_ties():
    p = pd.DataFrame([[1, 0.5, 0.01], [0.5, 1, 0.5], [0.01, 0.5, 1]], index=list("abc"), columns=list("abc"))
    assert cliques(["a", "b", "c"], p, 0.05) == (("a", "b"), ("b", "c"))


# ---- spread and disagreement -----------------------------------------------------------------------------------------


def test_causes_of_spread_are_parted():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(300):
        of_seed, of_fold = rng.normal(0, 3, 6), rng.normal(0, 2, 5)
        both = rng.normal(0, 1, (6, 5))
        found.append(split_variance((of_seed[:, None] + of_fold + both)[..., None] + rng.normal(0, 0.5, (6, 5, 3))))
    for cause, wanted in (("pretraining", 9), ("subset", 4), ("probe", 0.25), ("rest", 1)):
        assert np.mean([getattr(one, cause) for one in found]) == pytest.approx(wanted, rel=0.15), cause


def test_what_was_not_varied_has_no_share():
    one_fold = split_variance(np.array([[[0.1]], [[0.3]]]))
    assert (one_fold.pretraining, one_fold.subset, one_fold.probe) == (pytest.approx(0.02), None, None)
    nothing = split_variance(np.array([[[0.1]]]))
    assert nothing.pretraining is nothing.subset is nothing.probe is None


def test_answers_in_any_order_have_the_same_spread():
    data = SimpleNamespace(tests={"0": SimpleNamespace(labels=range(8)), "1": SimpleNamespace(labels=range(8))})
    made = [
        Answers(dataset="d", protocol="p", seed=seed, fold=fold, setting="{}", right=pack_bits(RNG.random(8) < 0.3 + 0.5 * fold))
        for seed in range(3) for fold in range(2)
    ]  # fmt: skip
    turned = [*made[:2], *reversed(made[2:])]
    assert split_answer_variance(data, made) == split_answer_variance(data, turned)  # type: ignore[arg-type]
    assert split_answer_variance(data, made[:-1]) is None  # type: ignore[arg-type]


def test_power_and_seeds_are_those_of_another_library():
    from statsmodels.stats.power import TTestIndPower

    for gap, deviation, seeds in ((1.0, 1.0, 10), (0.3, 1.0, 60), (2.0, 1.0, 4)):
        theirs = TTestIndPower().power(gap / deviation, seeds, 0.05)
        assert power(gap, deviation, seeds) == pytest.approx(theirs, abs=1e-6)
    first, second = [0.5, 0.6, 0.7], [0.6, 0.7, 0.8]
    assert seeds_needed(first, second) == int(np.ceil(TTestIndPower().solve_power(1.0, None, 0.05, 0.8)))
    assert seeds_needed([0.5], [0.6]) is None
    assert seeds_needed(first, first) is None
    assert seeds_needed([0.5, 0.5], [0.6, 0.6]) == 2


def test_protocols_that_disagree_are_named():
    scores = pd.DataFrame({"p": [1, 2, 3, 4.0], "q": [4, 3, 2, 1.0], "r": [1, 2, np.nan, np.nan]}, index=list("abcd"))
    found = correlations(scores).set_index(["first", "second"])
    assert found.loc[("p", "q"), "tau"] == -1
    assert np.isnan(found.loc[("p", "r"), "tau"])
    low, high = np.tile(np.arange(200) < 40, (3, 1)), np.tile(np.arange(200) < 160, (3, 1))
    turned = find_flips({"knn": field({"a": high, "b": low}), "linear": field({"a": low, "b": high})})
    assert [(one.first, one.second, one.prefers_first, one.prefers_second) for one in turned] == [
        ("a", "b", "knn", "linear")
    ]
