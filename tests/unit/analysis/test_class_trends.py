"""Effects of a setting on classes: against scipy, on planted slopes, and with errors at their nominal rates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from sslbench.analysis.statistics.class_trends import (
    BASES,
    CORRECTIONS,
    agreement,
    correct_p,
    fit_class_trends,
    trend,
    trend_counts,
)
from sslbench.analysis.statistics.power import detection_rates, plant_trends
from sslbench.analysis.statistics.shared_bias import class_means, count_shared, shared_bias, signs

RNG = np.random.default_rng


def test_each_basis_is_scipys():
    frame = plant_trends(10, 5, [0.1, -0.05, 0.0], RNG(0), noise=0.02)
    found = fit_class_trends(frame, "setting").set_index("class")
    for name in range(3):
        mine = frame[frame["class"] == name]
        means = mine.groupby("setting")["value"].mean()
        pearson = stats.pearsonr(means.index, means)
        assert found.loc[name, ["pearson", "p_means"]].tolist() == pytest.approx(list(pearson))
        rho = stats.spearmanr(means.index, means)
        assert found.loc[name, "spearman"] == pytest.approx(rho.statistic)
        assert found.loc[name, "p_ranks"] == pytest.approx(rho.pvalue, abs=0.02)  # scipy's is approximate
        every = stats.pearsonr(mine["setting"], mine["value"])
        assert found.loc[name, "pearson_all"] == pytest.approx(every.statistic)
        assert found.loc[name, "p_all"] == pytest.approx(every.pvalue)
        slopes = [stats.linregress(one["setting"], one["value"]).slope for _, one in mine.groupby("seed")]
        assert found.loc[name, "slope_seeds"] == pytest.approx(np.mean(slopes))
        assert found.loc[name, "p_seeds"] == pytest.approx(stats.ttest_1samp(slopes, 0).pvalue)
        low, high = stats.t.interval(0.95, 4, np.mean(slopes), stats.sem(slopes))
        assert found.loc[name, "slope_seeds_ci95_half_width"] == pytest.approx((high - low) / 2)
    assert found["p_means_bh"].tolist() == pytest.approx(stats.false_discovery_control(found["p_means"]).tolist())
    assert found["p_means_holm"].tolist() == pytest.approx(multipletests(found["p_means"], method="holm")[1].tolist())
    assert (found["settings"].tolist(), found["seeds"].tolist()) == ([10] * 3, [5] * 3)


@pytest.mark.parametrize(("n", "critical"), [(10, 0.632), (11, 0.602), (20, 0.444), (21, 0.433)])
def test_the_critical_correlations_of_the_paper(n, critical):
    x = np.linspace(0, 1, n)
    across = np.where(np.arange(n) % 2, 1.0, -1.0)
    across -= np.polyval(np.polyfit(x, across, 1), x)
    for r, wanted in ((critical + 0.002, 1), (critical - 0.002, 0)):
        line = (x - x.mean()) / np.linalg.norm(x - x.mean())
        y = r * line + np.sqrt(1 - r**2) * across / np.linalg.norm(across)
        assert signs(x, y[None])[0] == wanted


def test_trends_have_names_and_a_class_that_never_moves_has_none():
    frame = plant_trends(8, 5, [0.3, -0.3, 0.0], RNG(1), noise=0.01)
    frame.loc[frame["class"] == 2, "value"] = 1.0
    found = fit_class_trends(frame, "setting")
    for basis in BASES:
        for correction in CORRECTIONS:
            assert trend(found, basis, correction).tolist() == ["ascending", "descending", "none"]
    counts = trend_counts(found)
    assert len(counts) == len(BASES) * len(CORRECTIONS)
    assert (counts[["ascending", "descending", "none"]] == 1).all(axis=None)
    assert counts[counts["correction"] == "raw"]["expected"].tolist() == pytest.approx([0.15] * len(BASES))


def test_too_few_settings_have_no_trend():
    found = fit_class_trends(plant_trends(2, 5, [0.5], RNG(0), noise=0.01), "setting")
    assert trend(found, "means", "raw").tolist() == ["none"]


def test_each_seed_has_an_order_of_its_own():
    """Means of four settings have 24 orders, so no p below 2/24; three seeds have 24 each, so that smaller p are possible."""
    found = fit_class_trends(plant_trends(4, 3, [0.5], RNG(0), noise=0.01), "setting").iloc[0]
    assert found["p_means"] == pytest.approx(2 / 24)
    assert found["p_seeds"] < 0.01


def test_rank_correlations_of_few_settings_are_exact():
    y = np.array([0.1, 0.4, 0.2, 0.3, 0.5, 0.6])

    def statistic(order):
        return stats.spearmanr(np.arange(6), order).statistic

    theirs = stats.permutation_test((y,), statistic, permutation_type="pairings", n_resamples=1000, rng=0).pvalue
    frame = pd.DataFrame({"method": "m", "class": "c", "setting": np.arange(6.0), "seed": 0, "value": y})
    assert fit_class_trends(frame, "setting")["p_ranks"].iloc[0] == pytest.approx(theirs, abs=0.005)


@settings(max_examples=20)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_corrections_are_those_of_statsmodels(values):
    p = np.array(values)
    assert correct_p(p, "holm").tolist() == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert correct_p(p, "bh").tolist() == pytest.approx(multipletests(p, method="fdr_bh")[1].tolist())
    assert correct_p(np.stack([p, p]), "holm")[1].tolist() == correct_p(p, "holm").tolist()


@pytest.mark.parametrize(("settings_", "seeds"), [(3, 1), (3, 3), (4, 1), (5, 3)])
@pytest.mark.parametrize("tested", [5, 10, 100])
def test_counts_that_lie_on_a_line_by_chance_are_no_trend(settings_, seeds, tested):
    """Recalls of few test samples take few values: with few settings many of them lie exactly on a line."""
    rng = RNG((settings_, seeds, tested))
    shape = (100 * 50, settings_, seeds)
    counts = rng.binomial(tested, 0.6, shape) / tested
    index = pd.MultiIndex.from_product(
        [range(100), range(50), np.linspace(0, 1, settings_), range(seeds)],
        names=["method", "class", "setting", "seed"],
    )
    found = fit_class_trends(pd.DataFrame({"value": counts.reshape(-1)}, index=index).reset_index(), "setting")
    for basis in ("means", "ranks", "seeds"):
        families = (trend(found, basis, "holm") != "none").groupby(found["method"]).any()
        assert families.mean() <= 0.14, basis  # 5 % and three deviations of 100 families


def test_settings_that_a_method_lacks_are_ranked_without():
    frame = plant_trends(8, 2, [0.3], RNG(0), noise=0.001)
    lacking = frame[~frame["setting"].isin(sorted(frame["setting"].unique())[2:5])]
    found = fit_class_trends(pd.concat([frame.assign(method="a"), lacking.assign(method="b")]), "setting").set_index(
        "method"
    )
    assert found["spearman"].tolist() == pytest.approx([1.0, 1.0])
    assert found["settings"].tolist() == [8, 5]
    unnamed = fit_class_trends(frame.assign(kind=None), "setting", ["method", "kind"])
    assert len(unnamed) == 1


def test_one_seed_has_no_interval():
    found = fit_class_trends(plant_trends(6, 1, [0.3], RNG(0), noise=0.01), "setting").iloc[0]
    assert np.isnan(found["slope_seeds_ci95_half_width"])
    assert (found["p_seeds"], found["p_means"] < 0.05) == (1.0, True)


def test_groups_are_corrected_apart():
    frame = pd.concat([plant_trends(10, 3, [0.02] * 4, RNG(2), noise=0.02), plant_trends(10, 3, [0.0] * 400, RNG(3), noise=0.02).assign(method="other")])  # fmt: skip
    together, alone = (
        fit_class_trends(frame, "setting"),
        fit_class_trends(frame[frame["method"] == "planted"], "setting"),
    )
    mine = together[together["method"] == "planted"]
    assert mine["p_means_holm"].tolist() == pytest.approx(alone["p_means_holm"].tolist())


def test_errors_come_at_their_nominal_rates():
    """1,000 draws of ten classes without effect: raw errors at 5 %, and families with any error at 5 % with Holm and BH."""
    tables = [
        plant_trends(10, 5, [0.0] * 10, RNG(n), noise=0.02, between=0.02).assign(method=str(n)) for n in range(1000)
    ]
    found = fit_class_trends(pd.concat(tables), "setting")
    for basis in BASES:
        wrong = trend(found, basis, "raw") != "none"
        assert wrong.mean() < 0.058, basis
        if basis in ("means", "seeds"):
            assert wrong.mean() > 0.042, basis
        for correction in ("bh", "holm"):
            families = (trend(found, basis, correction) != "none").groupby(found["method"]).any()
            assert families.mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000), (basis, correction)


@pytest.mark.parametrize("settings_", [6, 10, 20])
def test_power_grows_and_errors_do_not(settings_, capsys):
    """Power of 5 seeds for a class that gains or loses 3 points from end to end, scores of deviation 2 points; printed."""
    shares = [detection_rates(settings_, 5, slope, RNG(4), noise=0.02, draws=25) for slope in (0.03, -0.03)]
    table = pd.concat(shares).groupby(["basis", "correction"])[["power", "false"]].mean()
    with capsys.disabled():
        print(f"\n{settings_} settings x 5 seeds, 3 points in all, deviation 2 points\n{table.round(2).to_string()}")
    raw = table.xs("raw", level="correction")
    assert (table["power"] >= table["false"]).all()
    assert (raw["false"] < 0.1).all()
    assert raw.loc["means", "power"] > {6: 0.5, 10: 0.7, 20: 0.9}[settings_]


@settings(max_examples=30)
@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-5, 5))
def test_a_setting_in_other_units_changes_no_p(seed, scale, shift):
    frame = plant_trends(7, 3, [0.02, 0.0], RNG(seed), noise=0.02)
    before = fit_class_trends(frame, "setting")
    after = fit_class_trends(frame.assign(setting=frame["setting"] * scale + shift), "setting")
    for _, p in BASES.values():
        assert after[p].tolist() == pytest.approx(before[p].tolist(), abs=1e-9)
    assert after["slope"].tolist() == pytest.approx((before["slope"] / scale).tolist())


def test_what_methods_share_is_compared_with_chance():
    slopes = [0.3] * 4 + [-0.3] * 3 + [0.0] * 13
    tables = {name: plant_trends(10, 3, slopes, RNG(n), noise=0.02) for n, name in enumerate("abc")}
    opposite = plant_trends(10, 3, [-s for s in slopes], RNG(9), noise=0.02)
    frame = pd.concat([*(t.assign(method=name) for name, t in tables.items()), opposite.assign(method="d")])
    found = shared_bias(frame, "setting", ["a", "b", "c", "d"], RNG(0), draws=200).set_index(["methods", "signs"])
    assert found.loc[("at least 3", "same sign"), "classes"] == 7
    assert found.loc[("all 4", "same sign"), "classes"] == 0  # the fourth has the opposite effect
    assert found.loc[("all 4", "any sign"), "classes"] >= 7
    assert found.loc[("at least 3", "same sign"), "p"] < 0.01
    assert found.loc[("at least 3", "same sign"), "by_chance"] < 1
    assert (found["tested_classes"] == 20).all()


def test_what_chance_shares_is_not_called_more():
    low = 0
    for seed in range(60):
        frame = pd.concat(
            [plant_trends(10, 3, [0.0] * 20, RNG((seed, n)), noise=0.02).assign(method=str(n)) for n in range(3)]
        )
        found = shared_bias(frame, "setting", ["0", "1", "2"], RNG(seed), draws=100).set_index(["methods", "signs"])
        low += found.loc[("at least 2", "same sign"), "p"] < 0.05
    assert low <= 8  # nominally 3 of 60


def test_shared_counts_by_hand():
    found = np.array([[1, 1, 0, -1], [1, -1, 0, -1], [1, 1, 1, 0]])
    assert [int(n) for n in count_shared(found, 3)] == [1, 2]
    assert [int(n) for n in count_shared(found, 2)] == [3, 3]
    frame = plant_trends(4, 2, [0.1, 0.2], RNG(0), noise=0.01)
    lacking = pd.concat([frame.assign(method="a"), frame[frame["class"] == 0].assign(method="b")])
    assert class_means(lacking, "setting", ["a", "b"])[2] == [0]


def test_agreement_of_two_measurements():
    first = fit_class_trends(plant_trends(10, 5, [0.3, -0.3, 0.0, -0.3], RNG(0), noise=0.01), "setting")
    second = fit_class_trends(plant_trends(10, 5, [0.3, 0.3, 0.0, -0.3], RNG(1), noise=0.01), "setting")
    row = agreement(first, second, ["method"], "seeds", "holm").iloc[0]
    assert (row["classes"], row["same"], row["descending_first"], row["descending_second"]) == (4, 0.75, 2, 1)
