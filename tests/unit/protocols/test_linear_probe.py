"""Test the linear probe: constant units, the number of steps, and accuracy against logistic regression."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sslbench.api.values import Modality, Target, Task
from sslbench.data.table import with_statistics
from sslbench.evaluation.bench import HarnessTrial
from sslbench.evaluation.features import DiskFeatureTable
from sslbench.protocols.linear import LinearConfig
from sslbench.protocols.linear_evaluator import Bank, Linear, compute_standardization, train_probes
from tests.fake_trial import accuracy, codes_of, digit_pixels, trial_of

QUICK = LinearConfig(epochs=20, min_steps=0, lrs=(0.1,), weight_decays=(0.0, 1e-2))
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
"""Values of C of scikit-learn's logistic regression; the best on the test set is compared."""
TOLERANCE = 0.005
"""Largest accepted deficit of the mean accuracy of probes, chosen on validation, against the best C."""


# ---- units that are constant in the bank


def separable(scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Four classes in eight units, with noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 600)
    return (scale * (np.eye(4, 8)[labels] + 0.5 * rng.normal(size=(600, 8)))).astype(np.float32), labels


def predictions(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    outcomes = list(Linear(QUICK).measure(trial_of(features, labels)))
    return next(codes_of(o) for o in outcomes if o.chosen_on == "validation")


@pytest.mark.parametrize("noise", [0.0, 1e-8])
def test_units_that_are_constant_in_the_bank_change_no_prediction(noise):
    """Test rows hold 1, which 1 / deviation would magnify; at 0.1, 1e-8 is a rounding error of float32."""
    features, labels = separable()
    bank = trial_of(features, labels).tasks[0].bank
    constant = np.ones((600, 3), np.float32)
    constant[bank] = 0.1 * (noise > 0) + noise * np.random.default_rng(1).normal(size=(len(bank), 3))
    widened = np.concatenate([features, constant], axis=1)
    assert (predictions(widened, labels) == predictions(features, labels)).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e6])
def test_units_with_only_small_or_large_values_keep_their_information(scale):
    (features, labels), (scaled, _) = separable(), separable(scale)
    assert (predictions(scaled, labels) == predictions(features, labels)).mean() > 0.99


def test_standardization_agrees_with_scikit_learn_and_is_zero_for_constant_units():
    rng = np.random.default_rng(0)
    means, deviations = [0.0, 0.0, 100.0, 0.0], [1.0, 1e-8, 1e-3, 10.0]  # the third is small compared with its mean
    varying = rng.normal(means, deviations, (5000, 4))
    rounding = np.float32(1 / 3) + np.float32(2**-25) * rng.integers(-1, 2, (5000, 1))
    constant = np.concatenate(
        [np.zeros((5000, 1)), np.full((5000, 1), 1e7), rounding, np.full((5000, 1), 1e-42)], axis=1
    )
    features = np.concatenate([varying, constant], axis=1).astype(np.float32)
    mean, scale = compute_standardization(torch.from_numpy(features))
    expected = StandardScaler().fit(features[:, :4].astype(np.float64))
    assert mean[:4].numpy() == pytest.approx(expected.mean_, rel=1e-5, abs=1e-10)
    assert 1 / scale[:4].numpy() == pytest.approx(expected.scale_, rel=1e-4)
    assert (scale[4:] == 0).all()
    assert torch.isfinite(mean).all()


class Volts:
    """A pool of vectors: two channels of small values, one of them constant, and a constant large one."""

    values = np.stack([1e-8 * np.arange(100), np.full(100, 1e-8), np.full(100, 1e8 / 3)], axis=1).astype(np.float32)

    def __len__(self) -> int:
        return len(self.values)

    def read(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {"volts": self.values[rows]}


def test_input_channels_of_small_values_are_scaled_too():
    """Channels have the same relative limit as units of features, because they have different physical units."""
    pool: Any = Volts()
    found = with_statistics({"volts": Modality(layout="vector", shape=(3,))}, pool)["volts"]
    assert found.std == pytest.approx((Volts.values[:, 0].std(dtype=np.float64), 1.0, 1.0))


# ---- how many steps


def probe(rows: int, config: LinearConfig) -> torch.Tensor:
    features, labels = digit_pixels()
    bank = Bank(
        features=torch.from_numpy(features[:rows]),
        labels=torch.from_numpy(labels[:rows]),
        rngs=[np.random.default_rng(0)],
    )
    return train_probes([bank], 10, [(0.1, 0.0)], config, "float32")[0][0].weights


def test_epochs_are_raised_until_there_are_enough_steps_and_never_lowered():
    few = probe(41, LinearConfig(epochs=3, min_steps=50))
    assert torch.equal(few, probe(41, LinearConfig(epochs=50, min_steps=0)))
    # three batches; the incomplete fourth is left out
    several = probe(200, LinearConfig(epochs=3, min_steps=50, batch_size=64))
    assert torch.equal(several, probe(200, LinearConfig(epochs=17, min_steps=0, batch_size=64)))
    enough = probe(200, LinearConfig(epochs=20, min_steps=50, batch_size=64))
    assert torch.equal(enough, probe(200, LinearConfig(epochs=20, min_steps=0, batch_size=64)))


# ---- against scikit-learn


def relu_features(pixels: np.ndarray, width: int = 256) -> np.ndarray:
    """Return sparse features of a random layer: at least 80 % are zero, and some units are constant in a small bank."""
    weights = np.random.default_rng(0).normal(size=(pixels.shape[1], width))
    projected = (pixels - pixels.mean(0)) @ weights / np.sqrt((pixels.std(0) ** 2).sum())
    return np.maximum(projected - 1, 0).astype(np.float32)


def mnist_pixels(shared: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    def read(name: str, head: int) -> np.ndarray:
        return np.frombuffer(gzip.decompress((shared / "mnist" / f"{name}.gz").read_bytes()), np.uint8, offset=head)

    pixels = read("train-images-idx3-ubyte", 16).reshape(-1, 784)[:count].astype(np.float32) / 255
    return pixels, read("train-labels-idx1-ubyte", 8)[:count].astype(np.int64)


def trial_of_subsets(features: np.ndarray, labels: np.ndarray, fraction: float, subsets: int) -> HarnessTrial:
    """Return splits of 68, 12 and 20 %, as the harness makes them, each with its own stratified share of the bank."""
    tasks = []
    for seed in range(subsets):
        known, query = train_test_split(np.arange(len(labels)), test_size=0.2, stratify=labels, random_state=seed)
        bank, validation = train_test_split(known, test_size=0.15, stratify=labels[known], random_state=seed)
        if fraction < 1:
            count = max(10, round(fraction * len(bank)))
            bank = train_test_split(bank, train_size=count, stratify=labels[bank], random_state=seed)[0]
        tasks.append(Task(setting={"subset": seed}, bank=bank, validation=validation, query=query))
    table = DiskFeatureTable(features={"image": features}, target=labels, columns={})
    names = tuple(map(str, range(10)))
    return HarnessTrial(
        tasks=tasks, target=Target(kind="class", names=names), bench=None, rng_key=(0, "p", "d"), open_table=lambda space: table
    )  # type: ignore[arg-type]  # fmt: skip


def regression_accuracy(features: np.ndarray, labels: np.ndarray, task: Task, strength: float) -> float:
    scaler = StandardScaler().fit(features[task.bank])
    bank, query = scaler.transform(features[task.bank]), scaler.transform(features[task.query])
    constant = features[task.bank].std(0) == 0
    bank[:, constant], query[:, constant] = 0, 0
    regression = LogisticRegression(C=strength, max_iter=300).fit(bank, labels[task.bank])
    return float(regression.score(query, labels[task.query]))


def lead_over_regression(features: np.ndarray, labels: np.ndarray, fraction: float, subsets: int) -> float:
    """Return the mean accuracy of probes chosen on validation minus that of logistic regression with the best test C."""
    trial = trial_of_subsets(features, labels, fraction, subsets)
    outcomes = [o for o in Linear(LinearConfig()).measure(trial) if o.chosen_on == "validation"]
    ours = np.mean([(codes_of(o) == labels[o.rows]).mean() for o in outcomes])
    theirs = [np.mean([regression_accuracy(features, labels, t, c) for t in trial.tasks]) for c in STRENGTHS]
    return float(ours - max(theirs))


def test_the_probe_reaches_logistic_regression_with_few_labels_of_sparse_features():
    pixels, labels = digit_pixels()
    assert lead_over_regression(relu_features(pixels), labels, 0.05, 4) >= -TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize(("fraction", "subsets"), [(0.01, 24), (0.05, 24), (0.1, 12), (1.0, 16)])
@pytest.mark.parametrize("name", ["digits", "relu of digits", "mnist"])
def test_the_probe_reaches_logistic_regression_from_one_percent_to_all_labels(name, fraction, subsets, request):
    """The choice on 215 validation images is noisy, so several subsets are averaged."""
    if name == "mnist":
        features, labels = mnist_pixels(request.getfixturevalue("shared"), 12_000)
        subsets = max(3, subsets // 8)
    else:
        features, labels = digit_pixels()
        features = features if name == "digits" else relu_features(features)
    assert lead_over_regression(features, labels, fraction, subsets) >= -TOLERANCE


def test_strong_weight_decay_in_the_grid_does_not_reduce_accuracy():
    """The grid holds weight decays of 0.01 and 0.1, which validation rejects if they hurt."""
    features, labels = separable()
    assert {1e-2, 1e-1} <= set(LinearConfig().weight_decays)
    config = LinearConfig(min_steps=100, epochs=1)
    weak = LinearConfig(min_steps=100, epochs=1, weight_decays=(0.0,))
    found = [accuracy(list(Linear(c).measure(trial_of(features, labels))), labels) for c in (config, weak)]
    assert found[0] >= found[1] - 0.02
