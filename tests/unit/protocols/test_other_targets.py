"""Losses, protocols and metrics of several labels and of numbers, compared with scikit-learn, torch and closed forms."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score, f1_score, mean_absolute_error, r2_score
from sklearn.neighbors import KNeighborsRegressor

from sslbench.api import target_metrics
from sslbench.api.target_losses import LOSSES
from sslbench.api.targets import KINDS, kind_of
from sslbench.protocols.knn import KnnConfig
from sslbench.protocols.knn_evaluator import Knn
from sslbench.protocols.linear import LinearConfig
from sslbench.protocols.linear_evaluator import Linear
from tests.fake_trial import trial_of

ROWS, WIDTH = 800, 12


def make_features() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)


def make_labels(features: np.ndarray) -> np.ndarray:
    """Three labels of different frequency that follow from the features, with noise and unknown entries."""
    rng = np.random.default_rng(1)
    scores = features @ rng.normal(size=(WIDTH, 3)) + rng.normal(size=(ROWS, 3)) + [1.0, -2.0, -4.0]
    labels = (scores > 0).astype(np.int64)
    labels[rng.random(labels.shape) < 0.1] = -1
    return labels


def make_values(features: np.ndarray) -> np.ndarray:
    """Two numbers of very different size, with noise and unknown entries."""
    rng = np.random.default_rng(2)
    values = features @ rng.normal(size=(WIDTH, 2)) + 0.3 * rng.normal(size=(ROWS, 2))
    values = values * [1000.0, 0.01] + [5000.0, -1.0]
    values[::9, 1] = np.nan
    return values


def selected(outcomes):
    return next(o for o in outcomes if o.chosen_on == "validation")


@pytest.mark.parametrize("kind", ["labels", "value"])
def test_gradients_of_probes_equal_autograd(kind):
    torch.manual_seed(0)
    scores = torch.randn(6, 3, 4, dtype=torch.float64, requires_grad=True)
    target = torch.randint(0, 2, (6, 4)).double()
    target[0, 1] = target[5] = torch.nan
    known = ~target.isnan()
    losses = []
    for probe in scores.unbind(1):
        if kind == "labels":
            own = torch.nn.functional.binary_cross_entropy_with_logits(probe, target.nan_to_num(), reduction="none")
        else:
            own = (probe - target.nan_to_num()).square() / 2
        losses.append(own[known].sum() / 6)
    sum(losses).backward()
    assert torch.allclose(LOSSES[kind].gradient(scores.detach(), target), scores.grad)


def test_losses_leave_out_unknown_entries():
    scores, target = torch.randn(5, 3), torch.randint(0, 2, (5, 3)).float()
    target[1, 2] = torch.nan
    known = ~target.isnan()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(scores[known], target[known])
    assert LOSSES["labels"].loss(scores, target, 0.0).item() == pytest.approx(expected.item())
    expected = torch.nn.functional.mse_loss(scores[known], target[known]) / 2
    assert LOSSES["value"].loss(scores, target, 0.3).item() == pytest.approx(expected.item())
    assert LOSSES["labels"].loss(scores, torch.full((5, 3), torch.nan), 0.0).item() == 0


def test_binary_smoothing_equals_that_of_two_classes():
    score, code = torch.randn(7), torch.randint(0, 2, (7,))
    ours = LOSSES["labels"].loss(score[:, None], code[:, None].float(), 0.2)
    theirs = torch.nn.functional.cross_entropy(torch.stack([0 * score, score], 1), code, label_smoothing=0.2)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)


def test_values_are_standardized_by_the_bank_and_restored():
    values = make_values(make_features())
    encoded = KINDS["value"].encode(values, values[:400])
    assert np.allclose(np.nanmean(encoded[:400], 0), 0, atol=1e-5)
    assert np.allclose(np.nanstd(encoded[:400], 0), 1, atol=1e-5)
    assert np.allclose(KINDS["value"].decode(encoded, values[:400]), values, rtol=1e-4, equal_nan=True)
    assert np.isfinite(KINDS["value"].encode(np.full((4, 1), 3.0), np.full((4, 1), 3.0))).all()


def test_the_linear_probe_reaches_logistic_regression_per_label():
    features = make_features()
    labels = make_labels(features)
    trial = trial_of(features, labels)
    task, found = trial.tasks[0], selected(Linear(LinearConfig()).measure(trial))
    assert found.predicted.shape == (len(task.query), 3)
    assert 0 <= found.predicted.min() <= found.predicted.max() <= 1
    for place in range(3):
        bank, query = (rows[labels[rows, place] >= 0] for rows in (task.bank, task.query))
        theirs = LogisticRegression().fit(features[bank], labels[bank, place]).decision_function(features[query])
        own = found.predicted[np.isin(found.rows, query), place]
        truth = labels[query, place]
        assert average_precision_score(truth, own) > average_precision_score(truth, theirs) - 0.02
    best = max(share for _, share in found.considered)
    expected = target_metrics.macro_average_precision(labels[task.validation], found.validation)
    assert best == pytest.approx(expected)


def test_the_linear_probe_reaches_ridge_regression():
    features = make_features()
    values = make_values(features)
    trial = trial_of(features, values)
    task, found = trial.tasks[0], selected(Linear(LinearConfig()).measure(trial))
    for place in range(2):
        bank = task.bank[~np.isnan(values[task.bank, place])]
        theirs = Ridge().fit(features[bank], values[bank, place]).predict(features[task.query])
        known = ~np.isnan(values[found.rows, place])
        truth = values[found.rows, place][known]
        assert r2_score(truth, found.predicted[known, place]) > r2_score(truth, theirs[known]) - 0.01


def test_a_diverged_probe_is_never_chosen():
    features = make_features()
    trial = trial_of(features, make_values(features))
    found = selected(Linear(LinearConfig(lrs=(1e4, 0.01), weight_decays=(0.0,))).measure(trial))
    assert found.chosen["rate"] == 0.01
    assert np.isfinite([share for _, share in found.considered]).all()


def test_neighbors_average_numbers_like_scikit_learn():
    features = make_features()
    values = make_values(features)[:, :1]
    trial = trial_of(features, values)
    task, config = trial.tasks[0], KnnConfig(neighbors=(7,), vote="inverse")
    found = selected(Knn(config).measure(trial))
    theirs = KNeighborsRegressor(7, metric="cosine", algorithm="brute", weights="distance")
    expected = theirs.fit(features[task.bank], values[task.bank]).predict(features[task.query])
    assert np.allclose(found.predicted, expected, rtol=1e-3)


def test_neighbors_ignore_unknown_labels():
    features = np.array([[1, 0.0], [1, 0.01], [1, 0.02], [1, 0.03], [1, 0.0]] * 4, np.float32)
    labels = np.array([[1, -1], [0, -1], [1, 1], [0, 0], [1, 1]] * 4)
    trial = trial_of(features, labels)
    found = selected(Knn(KnnConfig(neighbors=(3,))).measure(trial))
    assert np.isfinite(found.predicted).all()
    assert 0 <= found.predicted.min() <= found.predicted.max() <= 1


@pytest.mark.parametrize("kind", ["labels", "value"])
def test_k_is_chosen_by_the_score_of_the_target(kind):
    features = make_features()
    labels = {"labels": make_labels, "value": make_values}[kind](features)
    trial = trial_of(features, labels)
    task, found = trial.tasks[0], selected(Knn(KnnConfig(neighbors=(1, 10, 60))).measure(trial))
    scores = {what["k"]: share for what, share in found.considered}
    assert found.chosen["k"] == max(scores, key=scores.get)
    own = kind_of(trial.target).score(labels[task.validation], found.validation)
    assert scores[found.chosen["k"]] == pytest.approx(own)


def test_metrics_of_labels_equal_scikit_learn():
    rng = np.random.default_rng(0)
    truth, scores = (rng.random((300, 4)) < [0.5, 0.2, 0.05, 0.3]).astype(int), rng.random((300, 4))
    assert target_metrics.macro_average_precision(truth, scores) == pytest.approx(
        average_precision_score(truth, scores)
    )
    micro = average_precision_score(truth, scores, average="micro")
    assert target_metrics.micro_average_precision(truth, scores) == pytest.approx(micro)
    for average, ours in (("micro", target_metrics.micro_f1), ("macro", target_metrics.macro_f1)):
        assert ours(truth, scores) == pytest.approx(f1_score(truth, scores > 0.5, average=average))
    assert target_metrics.exact_match(truth, scores) == pytest.approx(((scores > 0.5) == truth).all(1).mean())


def test_unknown_labels_do_not_count():
    rng = np.random.default_rng(0)
    truth, scores = rng.integers(-1, 2, (300, 3)), rng.random((300, 3))
    truth[:, 2] = np.minimum(truth[:, 2], 0)  # no positive
    per_label = target_metrics.average_precisions(truth, scores)
    for place in range(2):
        known = truth[:, place] >= 0
        assert per_label[place] == pytest.approx(average_precision_score(truth[known, place], scores[known, place]))
    assert np.isnan(per_label[2])
    assert target_metrics.macro_average_precision(truth, scores) == pytest.approx(per_label[:2].mean())
    flipped = np.where(truth < 0, 1 - scores, scores)
    for metric in (target_metrics.micro_average_precision, target_metrics.micro_f1, target_metrics.macro_f1,
                   target_metrics.exact_match):  # fmt: skip
        assert metric(truth, scores) == metric(truth, flipped)
    assert target_metrics.macro_average_precision(np.full((3, 2), -1), rng.random((3, 2))) is None


def test_metrics_of_numbers_equal_scikit_learn():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(100, 3))
    predicted = truth + rng.normal(size=(100, 3))
    truth[:20, 1], truth[:, 2] = np.nan, 1.0
    pairs = [(truth[:, 0], predicted[:, 0]), (truth[20:, 1], predicted[20:, 1])]
    assert target_metrics.r2(truth, predicted) == pytest.approx(np.mean([r2_score(*pair) for pair in pairs]))
    assert target_metrics.spearman(truth, predicted) == pytest.approx(np.mean([spearmanr(*p).statistic for p in pairs]))
    errors = [mean_absolute_error(*pair) for pair in [*pairs, (truth[:, 2], predicted[:, 2])]]
    assert target_metrics.mean_absolute_error(truth, predicted) == pytest.approx(np.mean(errors))
    assert target_metrics.spearman(truth, np.zeros_like(truth)) == 0
    assert target_metrics.r2(np.full((4, 1), np.nan), np.zeros((4, 1))) is None
