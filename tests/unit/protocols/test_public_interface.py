"""Test what a trial offers to every protocol, and that the built-in protocols need nothing else."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from sslbench.api.values import Target, Task
from sslbench.evaluation.bench import HarnessTrial
from sslbench.evaluation.features import DiskFeatureTable
from sslbench.protocols.clustering import ClusteringConfig
from sslbench.protocols.clustering_evaluator import Clustering
from sslbench.protocols.diagnostics import DiagnosticsConfig
from sslbench.protocols.diagnostics_evaluator import Diagnostics
from sslbench.protocols.gallery import GalleryConfig
from sslbench.protocols.gallery_evaluator import Gallery
from sslbench.protocols.knn import KnnConfig
from sslbench.protocols.knn_evaluator import Knn
from sslbench.protocols.linear import LinearConfig
from sslbench.protocols.linear_evaluator import Linear
from sslbench.protocols.matching import MatchingConfig
from sslbench.protocols.matching_evaluator import Matching
from tests.fake_trial import codes_of, trial_of

CLASSES, N = 4, 120
NAMES = tuple("abcd")


def vectors(count: int, width: int, seed: int = 0) -> np.ndarray:
    """Return vectors of different lengths, far from the origin."""
    rng = np.random.default_rng(seed)
    return ((1 + rng.normal(size=(count, width))) * rng.uniform(0.1, 30, (count, 1))).astype(np.float32)


def harness_trial() -> HarnessTrial:
    return trial_of(vectors(N, 3), np.arange(N) % CLASSES)


# ---- vectors of a table


def table() -> DiskFeatureTable:
    return DiskFeatureTable(
        features={"s": np.arange(12, dtype=np.float32).reshape(2, 3, 2), "image": np.array([[20.0], [30]], np.float32)},
        target=np.zeros(2, int),
        columns={},
        lengths={"s": np.array([2, 3])},
    )


def test_series_are_averaged_over_their_true_steps():
    assert table().vectors_of("s").tolist() == [[1, 2], [8, 9]]


def test_modalities_are_concatenated_in_alphabetical_order():
    assert table().vectors().tolist() == [[20, 1, 2], [30, 8, 9]]
    with pytest.raises(KeyError):
        table().vectors_of("pulse")


def test_vectors_may_be_modified():
    made = table()
    for found in (made.vectors(), made.vectors_of("s"), made.vectors_of("image")):
        found += 1
    assert made.vectors().tolist() == table().vectors().tolist()


# ---- nearest neighbors


def test_neighbors_by_cosine_agree_with_scikit_learn_for_vectors_of_any_length():
    bank, query = vectors(300, 8), vectors(50, 8, seed=1)
    cosines, rows = harness_trial().find_nearest(bank, query, 10)
    distances, expected = NearestNeighbors(metric="cosine", algorithm="brute").fit(bank).kneighbors(query, 10)
    assert (rows == expected).mean() > 0.99, "up to rounding"
    assert cosines == pytest.approx(1 - distances, abs=1e-5)
    assert (cosines.dtype, rows.dtype) == (np.float32, np.int64)


def test_vectors_of_zeros_have_cosine_zero_and_a_small_bank_returns_all():
    bank = np.array([[0, 0], [-3, 0], [5, 0]], np.float32)
    cosines, rows = harness_trial().find_nearest(bank, np.array([[2, 0], [0, 0]], np.float32), 9)
    assert rows.tolist() == [[2, 0, 1], [0, 1, 2]]
    assert cosines == pytest.approx(np.array([[1, 0, -1], [0, 0, 0]]), abs=1e-6)
    assert harness_trial().find_nearest(bank, bank[:0], 2)[1].shape == (0, 2)


def test_neighbors_are_found_in_memory_mapped_and_reversed_arrays(tmp_path):
    """Features of a table are read-only, of which torch warns."""
    kept = vectors(40, 4)
    np.save(tmp_path / "bank.npy", kept)
    stored = np.load(tmp_path / "bank.npy", mmap_mode="r")
    expected = harness_trial().find_nearest(kept, kept, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = harness_trial().find_nearest(stored, stored, 3)
        reverse = harness_trial().find_nearest(kept[:, ::-1], kept[:, ::-1], 3)
    assert (found[1] == expected[1]).all()
    assert (found[0] == expected[0]).all()
    assert (reverse[1] == expected[1]).all()
    assert (kept == stored).all(), "the vectors of the caller keep their lengths"


def test_neighbors_of_vectors_that_are_not_finite_are_rejected():
    with pytest.raises(ValueError, match="features contain NaN or infinity"):
        harness_trial().find_nearest(np.full((3, 2), np.nan, np.float32), np.ones((1, 2), np.float32), 1)


# ---- built-in protocols


@dataclass
class PlainTable:
    """A table that has only what `sslbench.api` declares."""

    features: dict[str, np.ndarray]
    target: np.ndarray
    columns: dict[str, np.ndarray]
    augmented: dict[str, np.ndarray]
    space: str = "joint"
    groups: None = None
    lengths: dict[str, np.ndarray] = field(default_factory=dict)

    def rows(self) -> int:
        return len(self.target)

    def vectors(self) -> np.ndarray:
        return np.concatenate([self.features[name] for name in sorted(self.features)], axis=1)

    def vectors_of(self, modality: str) -> np.ndarray:
        return self.features[modality].copy()


@dataclass
class PlainTrial:
    """A trial of another harness, with a simple neighbor search."""

    tasks: list[Task]
    stored: PlainTable
    target: Target = field(default_factory=lambda: Target(kind="class", names=NAMES))
    cpu_matmul_dtype: str = "float32"
    searches: int = 0

    def rng(self, *name: object) -> np.random.Generator:
        return np.random.default_rng(list(repr(name).encode()))

    def table(self, space: str = "") -> PlainTable:
        return self.stored

    def find_nearest(
        self, bank: np.ndarray, query: np.ndarray, k: int, *, memory: int = 256
    ) -> tuple[np.ndarray, np.ndarray]:
        self.searches += 1
        unit = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (query, bank)]
        cosines = unit[0] @ unit[1].T
        rows = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(cosines, rows, axis=1), rows


def plain_trial() -> PlainTrial:
    labels = np.arange(N) % CLASSES
    rng = np.random.default_rng(0)
    features = {
        name: (4 * np.eye(6)[labels] + 0.3 * rng.normal(size=(N, 6))).astype(np.float32) for name in ("image", "pulse")
    }
    views = {name: np.repeat(x[:, None], 2, axis=1) for name, x in features.items()}
    order = rng.permutation(N)
    task = Task(setting={"fold": 0}, bank=order[:60], validation=order[60:80], query=order[80:])
    columns = {"id": np.arange(N).astype(str), "half": (labels % 2).astype(str)}
    return PlainTrial(
        tasks=[task], stored=PlainTable(features=features, target=labels, columns=columns, augmented=views)
    )


@pytest.mark.parametrize(("evaluator", "searches"), [
    (Knn(KnnConfig(neighbors=(1, 5))), 2), (Gallery(GalleryConfig(shots=(4,), draws=1)), 12), (Matching(MatchingConfig(neighbors=3)), 4),
    (Linear(LinearConfig(epochs=20, min_steps=0)), 0), (Clustering(ClusteringConfig(also_score_against=("half",))), 0),
    (Diagnostics(DiagnosticsConfig()), 0),
], ids=lambda one: type(one).__name__ if not isinstance(one, int) else "")  # fmt: skip
def test_built_in_protocols_need_only_the_public_interface(evaluator: Any, searches: int):
    trial = plain_trial()
    outcomes = list(evaluator.measure(trial))
    assert outcomes
    assert trial.searches == searches
    for outcome in outcomes:
        if outcome.predicted is not None:
            assert (codes_of(outcome) == trial.stored.target[outcome.rows]).mean() > 0.9
    scores = {name: value for outcome in outcomes for name, value in outcome.scores.items()}
    assert scores.get("top_5", 1) > scores.get("top_5_chance", 0)
    assert scores.get("intra_modal_precision", 1) == 1
    assert scores.get("alignment", 0) == 0
