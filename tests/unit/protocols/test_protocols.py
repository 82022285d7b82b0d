"""Compare evaluators and metrics with other libraries and closed forms: perfect features score 1, random ones chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    adjusted_mutual_info_score,
    balanced_accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
)

from sslbench.analysis.statistics import metrics
from sslbench.analysis.statistics.intervals import mean_over_folds, mean_over_seeds
from sslbench.api import adjusted_mutual_info, feature_geometry
from sslbench.api.errors import RequestError
from sslbench.protocols.clustering import ClusteringConfig
from sslbench.protocols.clustering_evaluator import Clustering
from sslbench.protocols.diagnostics import DiagnosticsConfig, sslbench_protocols
from sslbench.protocols.diagnostics_evaluator import Diagnostics
from sslbench.protocols.knn import KnnConfig
from sslbench.protocols.knn_evaluator import Knn
from sslbench.protocols.linear import LinearConfig
from sslbench.protocols.linear_evaluator import Bank, Linear, cross_entropy_gradient, train_probes
from tests.fake_trial import accuracy, digit_pixels, trial_of


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    return digit_pixels()


def test_the_gradient_of_probes_equals_autograd():
    torch.manual_seed(0)
    scores = torch.randn(6, 3, 4, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, 4, (6,))
    loss = sum(torch.nn.functional.cross_entropy(scores[:, g], targets) for g in range(3))
    loss.backward()
    assert torch.allclose(cross_entropy_gradient(scores.detach(), targets), scores.grad)


def make_bank(digits, rows: slice, seeds: range) -> Bank:
    features, labels = torch.from_numpy(digits[0][rows]), torch.from_numpy(digits[1][rows])
    return Bank(features=features, labels=labels, rngs=[np.random.default_rng(seed) for seed in seeds])


def test_a_probe_trained_alone_equals_the_probe_in_a_grid_of_several_banks(digits):
    """Learning rates, weight decays, folds, fractions and seeds are trained at once without changing each other."""
    config = LinearConfig(epochs=3, min_steps=0)
    grid = [(0.01, 0.0), (0.1, 1e-3), (1.0, 0.0)]
    parts = [(slice(0, 600), range(2)), (slice(600, 1200), range(1, 2)), (slice(0, 40), range(2, 3))]
    joint = train_probes([make_bank(digits, *part) for part in parts], 10, grid, config, "float32")
    for by_seed, (rows, seeds) in zip(joint, parts, strict=True):
        for probes, seed in zip(by_seed, seeds, strict=True):
            for place, one in enumerate(grid):
                bank = make_bank(digits, rows, range(seed, seed + 1))
                alone = train_probes([bank], 10, [one], config, "float32")[0][0]
                assert torch.allclose(probes.weights[:, place], alone.weights[:, 0], atol=1e-4)
                assert torch.allclose(probes.biases[place], alone.biases[0], atol=1e-4)


def test_half_precision_changes_accuracy_by_at_most_a_fifth_of_a_point(digits):
    config, grid = LinearConfig(), [(0.003, 0.0), (0.03, 1e-4), (0.3, 1e-3)]
    bank, query = make_bank(digits, slice(0, 1200), range(20)), torch.from_numpy(digits[0][1200:])
    truth = torch.from_numpy(digits[1][1200:])
    accuracies = []
    for precision in ("float32", "bfloat16"):
        by_seed = train_probes([bank], 10, grid, config, precision)[0]
        bank = make_bank(digits, slice(0, 1200), range(20))
        predicted = torch.stack([probes.scores(query).argmax(2) for probes in by_seed])
        accuracies.append((predicted == truth[:, None]).double().mean((0, 1)))
    assert torch.allclose(accuracies[0], accuracies[1], atol=0.002)


def test_the_linear_probe_reaches_logistic_regression(digits):
    features, labels = digits
    trial = trial_of(features, labels)
    task = trial.tasks[0]
    ours = accuracy(list(Linear(LinearConfig()).measure(trial)), labels)
    theirs = LogisticRegression(max_iter=2000, C=0.1).fit(features[task.bank] / 16, labels[task.bank])
    assert ours >= theirs.score(features[task.query] / 16, labels[task.query]) - 0.02


@pytest.mark.parametrize(
    "evaluator",
    [Knn(KnnConfig(neighbors=(5,))), Linear(LinearConfig(lrs=(0.1,), weight_decays=(0.0,), epochs=3, seeds=1))],
    ids=["knn", "linear"],
)
def test_a_grid_with_one_entry_needs_no_validation_data(evaluator, digits):
    """Nothing is chosen, so the result is no oracle."""
    features, labels = digits
    trial = trial_of(features, labels)
    (task,) = trial.tasks
    outcomes = list(evaluator.measure(replace(trial, tasks=[replace(task, validation=task.validation[:0])])))
    assert [outcome.chosen_on for outcome in outcomes] == ["nothing", "query"]
    assert accuracy(outcomes, labels, on="nothing") == accuracy(outcomes, labels, on="query") > 0.8


@pytest.mark.parametrize("evaluator", [Knn(KnnConfig()), Linear(LinearConfig(epochs=20, min_steps=0))])
def test_perfect_features_score_one_and_random_ones_chance(evaluator):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 1500)
    perfect = (np.eye(5)[labels] + 0.01 * rng.normal(size=(1500, 5))).astype(np.float32)
    assert accuracy(list(evaluator.measure(trial_of(perfect, labels))), labels) == 1.0
    noise = rng.normal(size=(1500, 20)).astype(np.float32)
    assert accuracy(list(evaluator.measure(trial_of(noise, labels))), labels) == pytest.approx(0.2, abs=0.07)


@pytest.mark.parametrize("evaluator", [Knn(KnnConfig(neighbors=(5,))), Linear(LinearConfig(epochs=2, min_steps=0))])
def test_evaluators_are_deterministic_and_do_not_change_their_input(evaluator, digits):
    features, labels = digits[0].copy(), digits[1].copy()
    first = [o.predicted for o in evaluator.measure(trial_of(features, labels))]
    again = [o.predicted for o in evaluator.measure(trial_of(features, labels))]
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert (features == digits[0]).all()


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=80))
def test_metrics_agree_with_scikit_learn(pairs):
    truth, predicted = np.array(pairs).T
    matrix = metrics.confusion(truth, predicted, 5)
    assert (matrix == confusion_matrix(truth, predicted, labels=range(5))).all()
    scores = metrics.class_scores(matrix)
    assert metrics.micro_accuracy(matrix) == pytest.approx(accuracy_score(truth, predicted))
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert metrics.macro_accuracy(matrix) == pytest.approx(balanced_accuracy_score(truth, predicted))
        precision, recall, f1, support = precision_recall_fscore_support(
            truth, predicted, labels=range(5), zero_division=0
        )
    assert scores.precision.tolist() == pytest.approx(precision)
    assert np.nan_to_num(scores.recall).tolist() == pytest.approx(recall)
    assert scores.f1.tolist() == pytest.approx(f1)
    assert scores.support.tolist() == support.tolist()


def test_micro_and_macro_accuracy_differ_for_unequal_classes():
    matrix = np.array([[90, 0], [9, 1]])
    assert metrics.micro_accuracy(matrix) == pytest.approx(0.91)
    assert metrics.macro_accuracy(matrix) == pytest.approx(0.55)


@settings(max_examples=25)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(10, 200), st.integers(0, 1000))
def test_ami_agrees_with_scikit_learn_in_both_normalizations(classes, clusters, n, seed):
    rng = np.random.default_rng(seed)
    labels, assigned = rng.integers(0, classes, n), rng.integers(0, clusters, n)
    found = adjusted_mutual_info.adjusted_mutual_info(labels, assigned, 0, rng)
    for name, method in (("ami_max", "max"), ("ami_arithmetic", "arithmetic")):
        expected = adjusted_mutual_info_score(labels, assigned, average_method=method)
        assert found[name] == pytest.approx(expected, abs=1e-9)


def test_the_permutation_null_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    labels, assigned = rng.integers(0, 5, 300), rng.integers(3, 9, 300)
    found = adjusted_mutual_info.adjusted_mutual_info(labels, assigned, 20, np.random.default_rng(1))
    other = np.random.default_rng(1)
    null = [adjusted_mutual_info_score(other.permutation(labels), assigned, average_method="max") for _ in range(20)]
    assert found["ami_max_null"] == pytest.approx(np.mean(null), abs=1e-9)
    assert found["ami_max_null_sd"] == pytest.approx(np.std(null, ddof=1), abs=1e-9)


def test_the_permutation_null_agrees_with_published_values():
    """200 permutations of random labels: n = 700, K = 2: mean 0.0001, deviation 0.0017; n = 1000, K = 10: 0.0000, 0.0034."""
    for n, k, deviation in ((700, 2, 0.0017), (1000, 10, 0.0034)):
        rng = np.random.default_rng(0)
        found = adjusted_mutual_info.adjusted_mutual_info(np.arange(n) % k, rng.integers(0, k, n), 200, rng)
        assert found["ami_max_null"] == pytest.approx(0, abs=4 * deviation / np.sqrt(200))
        assert found["ami_max_null_sd"] == pytest.approx(deviation, rel=0.35)


def test_clustering_finds_clusters_and_exemplars():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 600)
    features = (10 * np.eye(4)[labels] + rng.normal(size=(600, 4))).astype(np.float32)
    outcomes = list(Clustering(ClusteringConfig(clusters=(4, 2))).measure(trial_of(features, labels)))
    assert [o.setting["clusters"] for o in outcomes] == [4, 2]
    first, second = (adjusted_mutual_info.ami_max(labels[o.rows], o.clusters) for o in outcomes)
    assert second < 0.7 < 0.99 < first
    assert set(outcomes[0].scores) == {"ami_max_null", "ami_max_null_sd"}  # the harness computes the others
    assert abs(outcomes[0].scores["ami_max_null"]) < 0.02
    assert len(outcomes[0].clusters) == 3
    assert all(len(codes) == len(outcomes[0].rows) for codes in outcomes[0].clusters)
    for rows in outcomes[0].artifacts[0].groups.values():
        assert len(rows) == 8
        assert len(set(labels[list(rows)])) == 1


def test_numbers_of_clusters_above_the_samples_are_fitted_once():
    features = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    trial = trial_of(features, np.arange(40) % 4)
    query = len(trial.tasks[0].query)
    outcomes = list(Clustering(ClusteringConfig(clusters=(2, query + 1, query + 2))).measure(trial))
    assert [o.setting["clusters"] for o in outcomes] == [2, query]


def test_clusters_are_scored_against_other_columns():
    rng = np.random.default_rng(0)
    labels, hidden = rng.integers(0, 4, 600), rng.uniform(0, 100, 600)
    features = (np.eye(4)[labels] + 10 * np.eye(4)[(hidden // 25).astype(int)]).astype(np.float32)
    features += rng.normal(0, 0.1, features.shape).astype(np.float32)
    written = np.where(rng.random(600) < 0.2, "", np.array([f"{value:.3f}" for value in hidden]))
    config = ClusteringConfig(also_score_against=("depth", "place"), bins=4)
    trial = trial_of(features, labels, depth=written, place=np.array(["deep", "shallow"])[(hidden < 50).astype(int)])
    of_class, of_depth, of_place = Clustering(config).measure(trial)
    assert "against" not in of_class.setting
    assert [o.setting["against"] for o in (of_depth, of_place)] == ["depth", "place"]
    assert adjusted_mutual_info.ami_max(labels[of_class.rows], of_class.clusters) < 0.1
    assert of_depth.scores["ami_max"] > 0.9  # a fifth of the depths is unknown
    assert of_place.scores["ami_max"] == pytest.approx(0.5, abs=0.05)  # one of the two bits of four clusters
    assert abs(of_depth.scores["ami_max_null"]) < 0.02
    with pytest.raises(
        RequestError, match=r"also_score_against=dept: the data has no such column\. Did you mean 'depth'"
    ):
        list(Clustering(ClusteringConfig(also_score_against=("dept",))).measure(trial))


def test_centered_rank_reaches_its_ceiling_only_for_isotropic_features():
    rng = np.random.default_rng(0)
    isotropic = rng.normal(size=(4000, 16)).astype(np.float32)
    assert feature_geometry.centered_effective_rank(isotropic) == pytest.approx(16, rel=0.01)
    assert feature_geometry.centered_rank_ceiling(isotropic) == 16
    few = rng.normal(size=(5, 16)).astype(np.float32)
    assert feature_geometry.centered_rank_ceiling(few) == 4
    assert feature_geometry.centered_effective_rank(few) <= 4 + 1e-9
    line = np.outer(rng.normal(size=200), rng.normal(size=16)).astype(np.float32)
    assert feature_geometry.centered_effective_rank(line) == pytest.approx(1, abs=1e-3)


def test_rank_me_is_the_published_measure_and_not_the_centered_one():
    """Garrido et al. 2023, eq. 1 and 2, with loops: uncentered singular values, 1e-7 added to each share."""
    rng = np.random.default_rng(0)
    offset = (rng.normal(size=(200, 8)) + 5).astype(np.float32)
    values = [float(np.sqrt(max(v, 0))) for v in np.linalg.eigvalsh(offset.astype(float).T @ offset.astype(float))]
    expected = np.exp(-sum(p * np.log(p) for p in (v / sum(values) + 1e-7 for v in values)))
    assert feature_geometry.rank_me(offset) == pytest.approx(expected, rel=1e-9)
    assert feature_geometry.rank_me(offset) < 5 < 7.5 < feature_geometry.centered_effective_rank(offset)
    moved = offset - offset.mean(0)
    assert feature_geometry.centered_effective_rank(moved) == pytest.approx(
        feature_geometry.centered_effective_rank(offset), rel=1e-4
    )
    assert feature_geometry.rank_me(moved) == pytest.approx(feature_geometry.centered_effective_rank(offset), rel=1e-4)
    assert feature_geometry.rank_me(np.zeros((5, 3), np.float32)) == 1
    assert (
        feature_geometry.rank_me(np.ones((1, 3), np.float32)) == 1
    )  # never below 1, the lower limit that the protocol declares
    scores = next(Diagnostics(DiagnosticsConfig()).measure(trial_of(offset, np.arange(200) % 2))).scores
    declared = {metric.name for metric in next(iter(sslbench_protocols())).metrics}
    assert scores.keys() <= declared
    assert scores["rank_me"] < 5 < scores["centered_effective_rank"] < scores["centered_rank_ceiling"]


def test_collapse_is_detected_and_a_narrow_cone_is_not_collapse():
    rng = np.random.default_rng(0)
    point = np.ones((300, 8), np.float32) + 1e-6 * rng.normal(size=(300, 8)).astype(np.float32)
    line = np.outer(rng.normal(size=300), np.ones(8)).astype(np.float32)
    cone = np.ones((300, 8), np.float32) + 0.02 * rng.normal(size=(300, 8)).astype(np.float32)
    assert [feature_geometry.describe(f)["collapsed"] for f in (point, line, cone)] == [1, 1, 0]
    outcome = next(Diagnostics(DiagnosticsConfig()).measure(trial_of(point, np.arange(300) % 2)))
    assert outcome.scores["collapsed"] == 1


def test_alignment_and_uniformity_equal_their_definitions():
    first, second = np.array([[2.0, 0], [0, 3]], np.float32), np.array([[0, 1.0], [0, 1]], np.float32)
    assert feature_geometry.alignment(first, second) == pytest.approx((2 + 0) / 2)
    assert feature_geometry.uniformity(first) == pytest.approx(-4)


def test_intervals():
    estimate = mean_over_seeds([0.5, 0.6, 0.7])
    assert estimate.ci95_half_width == pytest.approx(4.302653 * 0.1 / np.sqrt(3), rel=1e-5)
    assert mean_over_seeds([0.5]).ci95_half_width is None
    folds = mean_over_folds([0.5, 0.6, 0.7, 0.6, 0.6], 0.2)
    assert folds.unit == "folds"
    variance = np.var([0.5, 0.6, 0.7, 0.6, 0.6], ddof=1)
    assert folds.ci95_half_width == pytest.approx(2.776445 * np.sqrt(variance * (1 / 5 + 0.25)), rel=1e-5)


def test_generators_depend_on_seed_and_name_only(digits):
    features, labels = digits
    one, other = trial_of(features, labels), trial_of(features * 2, labels)
    assert one.rng("a", 1).integers(1 << 30) == other.rng("a", 1).integers(1 << 30)
    assert one.rng("a", 1).integers(1 << 30) != one.rng("a", 2).integers(1 << 30)
    assert one.rng("a", 1).integers(1 << 30) != trial_of(features, labels, seed=1).rng("a", 1).integers(1 << 30)
