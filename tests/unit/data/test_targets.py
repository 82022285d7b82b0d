"""Splits, label fractions and checks of data with several labels or with numbers per sample."""

import re

import numpy as np
import pytest

from sslbench.api import Target
from sslbench.api.errors import RequestError
from sslbench.api.targets import KINDS, kind_of
from sslbench.data.label_subsets import label_subset, tasks_of
from sslbench.data.splits import SplitSettings, divide, has_official_split
from sslbench.results.coverage import count_missing_classes

RARE = np.array([0.5, 0.2, 0.05, 0.02])


def make_labels(rows: int = 1000, seed: int = 0) -> np.ndarray:
    """Four labels of different frequency; about a tenth is unknown, and every 50th sample has no known label."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((rows, 4)) < RARE).astype(np.int64)
    labels[rng.random(labels.shape) < 0.1] = -1
    labels[::50] = -1
    return labels


def make_values(rows: int = 1000, seed: int = 0) -> np.ndarray:
    """Two skewed numbers, with unknown entries and samples."""
    values = np.exp(np.random.default_rng(seed).normal(size=(rows, 2)))
    values[::7, 1] = np.nan
    values[::50] = np.nan
    return values


TARGETS = {"labels": make_labels(), "value": make_values()}


@pytest.mark.parametrize("kind", TARGETS)
def test_every_labeled_sample_is_tested_in_exactly_one_fold(kind):
    labels = TARGETS[kind]
    tested = np.concatenate([divide(labels, {}, SplitSettings(), fold, ()).query for fold in range(5)])
    known = np.flatnonzero(np.arange(1000) % 50)
    assert sorted(tested) == known.tolist()
    for fold in range(5):
        division = divide(labels, {}, SplitSettings(), fold, ())
        parts = [division.bank, division.validation, division.query]
        assert sorted(np.concatenate(parts)) == known.tolist()
        assert len(division.query) == pytest.approx(196, abs=1)
        assert len(division.validation) == pytest.approx(0.15 * 784, abs=2)


def test_folds_of_several_labels_contain_their_share_of_every_rare_label():
    labels = TARGETS["labels"]
    total = (labels > 0).sum(0)
    for fold in range(5):
        found = (labels[divide(labels, {}, SplitSettings(), fold, ()).query] > 0).sum(0)
        assert np.abs(found - total / 5)[2:].max() <= 2  # 43 and 15 positives; a random fold misses by 3 on average
        assert np.abs(found / total - 0.2).max() < 0.05


def test_folds_of_values_cover_the_whole_range():
    values = make_values()[:, :1]
    known = np.log(values[~np.isnan(values[:, 0])])
    for fold in range(5):
        tested = np.log(values[divide(values, {}, SplitSettings(), fold, ()).query])
        assert np.allclose(np.quantile(tested, [0.1, 0.5, 0.9]), np.quantile(known, [0.1, 0.5, 0.9]), atol=0.1)


@pytest.mark.parametrize("kind", TARGETS)
def test_groups_are_never_divided(kind):
    labels, groups = TARGETS[kind], (np.arange(1000) // 8).astype(str)
    for fold in range(5):
        division = divide(labels, {"slide": groups}, SplitSettings(groups="slide"), fold, ())
        sides = [set(groups[rows]) for rows in (division.bank, division.validation, division.query)]
        assert all(sides)
        assert len(set.union(*sides)) == sum(map(len, sides))


@pytest.mark.parametrize("kind", TARGETS)
def test_the_official_split_is_used(kind):
    labels, split = TARGETS[kind], np.array(["train", "validation", "test"])[np.arange(1000) % 3]
    columns = {"split": split}
    assert has_official_split(labels, columns, SplitSettings())
    division = divide(labels, columns, SplitSettings(), 0, ())
    known = np.arange(1000) % 50 > 0
    assert division.query.tolist() == np.flatnonzero(known & (split == "test")).tolist()
    assert division.validation.tolist() == np.flatnonzero(known & (split == "validation")).tolist()


@pytest.mark.parametrize("kind", TARGETS)
def test_a_transfer_tests_every_labeled_sample_of_the_other_side(kind):
    labels, side = TARGETS[kind], np.array(["lab", "sea"])[np.arange(1000) % 2]
    division = divide(labels, {"site": side}, SplitSettings(transfer="site", bank="lab", query="sea"), 0, ())
    assert set(side[division.query]) == {"sea"}
    assert len(division.query) == 500
    assert set(side[division.bank]) == {"lab"}


@pytest.mark.parametrize("kind", TARGETS)
def test_larger_label_fractions_contain_smaller_ones(kind):
    labels = TARGETS[kind]
    division = divide(labels, {}, SplitSettings(), 0, ())
    banks = [
        set(task.bank.tolist())
        for task in tasks_of(division, labels, (0.05, 0.2, 1.0), 0, np.arange(len(labels)).astype(str))
    ]
    assert banks[0] < banks[1] < banks[2]
    assert len(banks[1]) == pytest.approx(0.2 * len(banks[2]), abs=10)


def test_a_label_fraction_keeps_rare_labels():
    labels = TARGETS["labels"]
    rows = np.flatnonzero((labels >= 0).any(1))
    kept = label_subset(labels, rows, 0.01, np.random.default_rng(0))
    assert (labels[kept] > 0).any(0).all()


def test_classes_are_their_own_strata():
    codes = np.array([3, -1, 0, 2])
    assert KINDS["class"].make_strata(codes) is codes


@pytest.mark.parametrize(
    ("target", "labels", "told"),
    [
        (
            "class",
            np.zeros((4, 2), int),
            "labels are int64 of shape [4, 2], but a target of one class needs whole numbers",
        ),
        ("class", np.array([0, 5]), "labels range from 0 to 5, but there are 3 class names"),
        ("class", np.array([0.0, 1.0]), "labels are float64 of shape [2]"),
        ("labels", np.zeros(4, int), "needs whole numbers of shape [n, C]"),
        (
            "labels",
            np.array([[0, 2, 1]]),
            "labels contain 2, but a label is 1 (positive), 0 (negative) or -1 (unknown)",
        ),
        ("labels", np.zeros((4, 2), int), "labels have 2 columns, but there are 3 label names"),
        ("value", np.zeros(4), "needs floating-point numbers of shape [n, D]"),
        ("value", np.zeros((4, 2)), "labels have 2 columns, but there are 3 value names"),
        ("value", np.array([[0.0, np.inf, 1.0]]), "labels contain infinity, but an unknown value is NaN"),
    ],
)
def test_wrong_label_arrays_are_explained(target, labels, told):
    found = list(kind_of(Target(kind=target, names=("a", "b", "c"))).find_errors(labels, ("a", "b", "c")))
    assert re.search(re.escape(told), " ".join(found))


@pytest.mark.parametrize("kind", KINDS)
def test_generated_labels_are_valid(kind):
    names = ("a", "b", "c")
    for made in (KINDS[kind].generate(30, names), KINDS[kind].lay_out(dict.fromkeys(names, 10), 0)):
        assert len(made) == 30 or kind in ("labels", "value")
        assert not list(KINDS[kind].find_errors(made, names))


def test_labels_of_several_datasets_are_placed_by_name():
    assert KINDS["class"].rename(np.array([1, 0, -1]), ("b", "a"), ("a", "b", "c")).tolist() == [0, 1, -1]
    assert KINDS["labels"].rename(np.array([[1, 0]]), ("c", "a"), ("a", "b", "c")).tolist() == [[0, -1, 1]]
    placed = KINDS["value"].rename(np.array([[1.5, 2.5]]), ("c", "a"), ("a", "b", "c"))
    assert np.array_equal(placed, [[2.5, np.nan, 1.5]], equal_nan=True)


def test_labels_without_positives_in_a_part_are_counted():
    labels = np.zeros((40, 2), np.int64)
    labels[:, 0] = 1
    labels[:3, 1] = 1
    columns = {"split": np.where(np.arange(40) < 20, "train", "test")}
    division = divide(labels, columns, SplitSettings(validation=0), 0, ())
    found = count_missing_classes(division, labels, Target(kind="labels", names=("common", "rare")))
    assert found["without_test"] == {"rare": 3}
    assert found["without_training"] == {}


def test_too_few_labeled_samples_for_the_folds_are_refused():
    with pytest.raises(RequestError, match="3 labeled sample"):
        divide(np.array([[1.0], [2.0], [3.0]]), {}, SplitSettings(), 0, ())
