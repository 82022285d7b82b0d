"""Test that nearest neighbors and votes are exact, independent of tiles and memory, and agree with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from sslbench.api.targets import KINDS
from sslbench.evaluation import nearest_neighbors
from sslbench.protocols.knn import KnnConfig
from sslbench.protocols.knn_evaluator import Knn, choose_k, compute_weights, score_all, sum_votes
from tests.fake_trial import accuracy, codes_of, digit_pixels, trial_of


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    return digit_pixels()


@pytest.mark.parametrize("vote", ["exponential", "inverse"])
def test_knn_agrees_with_scikit_learn(digits, vote):
    features, labels = digits
    trial = trial_of(features, labels)
    task = trial.tasks[0]
    outcome = next(Knn(KnnConfig(neighbors=(15,), vote=vote)).measure(trial))

    def weigh(distance):
        return np.exp(-distance / 0.07) if vote == "exponential" else 1 / np.maximum(distance, 1e-12)

    theirs = KNeighborsClassifier(15, metric="cosine", algorithm="brute", weights=weigh)
    expected = theirs.fit(features[task.bank], labels[task.bank]).predict(features[task.query])
    assert (codes_of(outcome) == expected).mean() > 0.997  # ties and rounding


@pytest.fixture(params=["bfloat16", "float32"])
def precision(request) -> str:
    """Each way of selecting candidates."""
    return request.param


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 90), st.integers(1, 40), st.integers(1, 80), st.integers(1, 6), st.booleans())
def test_neighbors_are_the_sorted_cosines_for_any_memory(precision, bank, query, k, width, repeated):
    generator = torch.Generator().manual_seed(bank * 1000 + query)
    b = torch.nn.functional.normalize(torch.randn(bank, width, generator=generator), dim=1)
    b = b[torch.arange(bank) % max(1, bank // 2)] if repeated else b
    q = torch.nn.functional.normalize(torch.randn(query, width, generator=generator), dim=1)
    found = [nearest_neighbors.find_nearest(b, q, k, memory, precision) for memory in (1, 256)]
    assert torch.equal(found[0][1], found[1][1])
    exact = torch.einsum("qd,bd->qb", q.double(), b.double())
    expected = exact.sort(dim=1, descending=True).values[:, : min(k, bank)]
    assert torch.allclose(torch.gather(exact, 1, found[0][1]), expected, atol=1e-6)
    assert torch.allclose(found[0][0].double(), expected, atol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_tiles_change_no_neighbor(precision, monkeypatch, spread):
    """Rows that half precision cannot separate are searched again."""
    generator = torch.Generator().manual_seed(0)
    bank = torch.nn.functional.normalize(1 + spread * torch.randn(3000, 16, generator=generator), dim=1)
    bank[100:105] = bank[0]
    query = bank[:50].clone()
    whole = nearest_neighbors.find_nearest(bank, query, 20, 256, precision)
    exact = (query.double() @ bank.double().T).sort(dim=1, descending=True).values[:, :20]
    assert torch.allclose(whole[0].double(), exact, atol=1e-6)
    monkeypatch.setattr(nearest_neighbors, "TILE", 37)
    monkeypatch.setattr(nearest_neighbors, "BLOCK", 7)
    tiled = nearest_neighbors.find_nearest(bank, query, 20, 1, precision)
    assert torch.equal(whole[0], tiled[0])
    assert torch.equal(whole[1], tiled[1])
    assert whole[1][0, :6].tolist() == [0, 100, 101, 102, 103, 104] or spread < 1


floats = st.floats(-4, 4, width=16)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@given(st.lists(floats, min_size=1, max_size=30))
def test_integer_keys_keep_the_order_of_numbers_and_convert_back(dtype, values):
    numbers = torch.tensor(values).to(dtype)
    keys = nearest_neighbors.order_keys(numbers)
    assert torch.equal(nearest_neighbors.order_keys(keys.view(dtype)).view(dtype), numbers)
    differ = numbers[:, None] != numbers
    assert torch.equal((keys[:, None] < keys)[differ], (numbers[:, None] < numbers)[differ])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("shift", [-9.0, -3.0, 0.0, 2.0])
@given(st.integers(1, 40), st.lists(st.integers(1, 1400), min_size=1, max_size=3))
def test_the_kept_maxima_are_from_different_rows_and_close_to_the_largest(dtype, shift, k, tiles):
    scores = (shift + torch.randn(3, sum(tiles), generator=torch.Generator().manual_seed(sum(tiles)))).to(dtype)
    top = None
    for part in scores.split(tiles, dim=1):
        top = nearest_neighbors.keep_largest(part, top, k)
    keys = nearest_neighbors.order_keys(scores).numpy()
    assert top.shape == (3, min(k, scores.shape[1]))
    for own, of_all in zip(np.sort(top, axis=1), np.sort(keys, axis=1)[:, -top.shape[1] :], strict=True):
        assert (own <= of_all).all()
        assert np.isin(own, keys).all()
    if dtype == torch.float32 and sum(tiles) >= k:
        assert ((keys >= top.min(1)[:, None]).sum(1) < max(2.5 * k, k + 5)).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@given(st.integers(1, 6), st.integers(0, 9))
def test_no_row_that_may_be_among_the_largest_is_below_the_minimum_key(dtype, k, seed):
    """Holds for all scores within their error and one rounding."""
    rng = torch.Generator().manual_seed(seed)
    true = torch.randn(4, 60, generator=rng)
    error = 0.05 * torch.rand(4, generator=rng)
    scores = (true + error[:, None] * (2 * torch.rand(4, 60, generator=rng) - 1)).to(dtype)
    top = nearest_neighbors.keep_largest(scores, None, k)
    overflowed = np.array([False, False, False, True])
    min_keys = nearest_neighbors.compute_min_keys(top, error, k, dtype, overflowed)
    keys = nearest_neighbors.order_keys(scores).numpy()
    found = keys >= min_keys[:, None]
    assert found[:3][np.asarray(true[:3] >= true[:3].topk(k).values[:, -1:])].all()
    assert not found[3].any()
    assert not nearest_neighbors.compute_min_keys(None, error, k, dtype, ~overflowed)[3] > keys.min()


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kind", ["random", "every rounding one way"])
def test_no_product_exceeds_the_error_bound(precision, kind):
    generator = torch.Generator().manual_seed(1)
    first, second = (torch.randn(400, 64, generator=generator) for _ in range(2))
    if kind != "random":  # 1.0039 is nearly half way between two bfloat16s
        first, second = torch.full((3, 64), 1.0039), torch.full((5, 64), 1.0039)
    max_norm, moved = second.norm(dim=1).max(), (second - second.bfloat16()).norm(dim=1).max()
    bank = nearest_neighbors.CenteredBank(
        bank=second, center=torch.zeros(64), max_norm=float(max_norm), rounding=float(moved), tile=7
    )
    found = (first.to(precision) @ second.to(precision).T).double()
    wrong = (found - first.double() @ second.double().T).abs()
    unit = nearest_neighbors.UNIT_ROUNDOFF[precision]
    rounding = unit * found.abs() / (1 - unit)
    assert (wrong <= nearest_neighbors.bound_error(bank, first, precision)[:, None] + rounding).all()


@given(st.integers(1, 9), st.integers(1, 30), st.integers(1, 20))
def test_products_with_selected_rows_equal_the_full_product(queries, rows, width):
    rng = torch.Generator().manual_seed(rows)
    bank, query = torch.randn(rows, width, generator=rng), torch.randn(queries, width, generator=rng)
    chosen = torch.rand(queries, rows, generator=rng) < 0.4
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), chosen.sum(1).cumsum(0)])
    found = nearest_neighbors.compute_products(bank, query, offsets, chosen.nonzero()[:, 1])
    assert torch.allclose(found, (query @ bank.T)[chosen], atol=1e-5)


def test_more_equal_rows_than_the_candidate_limit_are_still_neighbors(precision):
    """A thousand identical rows, and one that is nearer."""
    bank = torch.nn.functional.normalize(torch.randn(1001, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    bank[:1000] = bank[0]
    query = torch.nn.functional.normalize(bank[:1] + 0.5 * bank[1000:], dim=1)
    cosines, rows = nearest_neighbors.find_nearest(bank, query, 5, 256, precision)
    expected = (query.double() @ bank.double().T).sort(dim=1, descending=True).values[:, :5]
    assert torch.allclose(cosines.double(), expected, atol=1e-6)
    assert len(set(rows[0].tolist())) == 5


def test_a_bank_sorted_by_class_is_searched_only_once(precision, monkeypatch):
    """The first tile holds classes that are far from most queries, so that none of its scores is positive."""
    rng = torch.Generator().manual_seed(0)
    centers = torch.nn.functional.normalize(torch.randn(4, 32, generator=rng), dim=1)
    bank = centers.repeat_interleave(2048, 0) + 0.05 * torch.randn(8192, 32, generator=rng)
    bank = torch.nn.functional.normalize(bank, dim=1)
    query = bank[::64].clone()
    monkeypatch.setattr(nearest_neighbors, "TILE", 2048)
    monkeypatch.setattr(nearest_neighbors, "_find_top", None)
    cosines, _ = nearest_neighbors.find_nearest(bank, query, 20, 256, precision)
    exact = (query.double() @ bank.double().T).sort(dim=1, descending=True).values[:, :20]
    assert torch.allclose(cosines.double(), exact, atol=1e-6)


@pytest.mark.parametrize("broken", ["bank", "query"])
def test_features_that_are_not_finite_are_rejected(broken):
    found = {"bank": torch.eye(4), "query": torch.eye(4)}
    found[broken][2, 1] = torch.nan
    with pytest.raises(ValueError, match="features contain NaN or infinity"):
        nearest_neighbors.find_nearest(found["bank"], found["query"], 2, 256, "float32")


def test_an_empty_query_has_no_neighbors(precision):
    """Settings may leave no validation rows."""
    cosines, rows = nearest_neighbors.find_nearest(torch.eye(4), torch.empty(0, 4), 3, 256, precision)
    assert cosines.shape == rows.shape == (0, 3)


def test_only_exact_matches_count_under_inverse_votes():
    cosines = torch.tensor([[1.0, 0.999, 0.99], [0.9, 0.8, 0.7]])
    vote = compute_weights(cosines, KnnConfig(vote="inverse"))
    assert vote[0].tolist() == [1, 0, 0]
    assert vote[1].tolist() == pytest.approx([10, 5, 1 / 0.3], rel=1e-5)
    assert sum_votes(vote, torch.tensor([[0, 1, 1], [0, 1, 1]]), 3, 2)[1].tolist() == pytest.approx(
        [10, 5, 0], rel=1e-5
    )


def test_k_is_limited_to_the_bank_and_few_queries_work(digits):
    features, labels = digits[0][:30], digits[1][:30]
    outcomes = list(Knn(KnnConfig(neighbors=(200,))).measure(trial_of(features, labels)))
    assert outcomes[0].chosen["k"] == 21


def test_classes_are_counted_from_the_target_not_from_the_query(digits):
    features, labels = digits
    outcomes = list(Knn(KnnConfig(neighbors=(3,))).measure(trial_of(features, labels, classes=12)))
    assert accuracy(outcomes, labels) > 0.95


def test_k_is_chosen_by_validation_accuracy():
    kind, answers = KINDS["class"], {1: np.array([0, 0]), 5: np.array([1, 1])}
    assert choose_k([1, 5], score_all(kind, np.array([1, 1]), answers)) == 5
    assert choose_k([1, 5], score_all(kind, np.array([1, 0]), answers)) == 1
    assert choose_k([1, 5, 9], score_all(kind, np.zeros(0, np.int64), answers)) == 5
