"""Distance correlation: against plain loops, its invariances, its bias, and its gradient."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from sslbench_mvmr.dependence import (
    Statistic,
    center,
    clamped_distances,
    covariance,
    exact_distances,
    permuted_correlation,
    product_distances,
    squared_correlation,
)
from torch import Tensor

STATISTICS: tuple[Statistic, ...] = ("v", "u")


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def correlate(one: Tensor, two: Tensor, statistic: Statistic = "v") -> Tensor:
    return squared_correlation(*(center(exact_distances(rows), statistic) for rows in (one, two)))


def looped_centers(rows: list[list[float]], statistic: Statistic) -> list[list[float]]:
    """Center distances by the definitions, one number at a time."""
    n = len(rows)
    a = [[math.dist(one, two) for two in rows] for one in rows]
    sums, total = [sum(row) for row in a], sum(map(sum, a))
    if statistic == "v":
        return [[a[i][j] - sums[i] / n - sums[j] / n + total / n**2 for j in range(n)] for i in range(n)]
    return [
        [
            0.0 if i == j else a[i][j] - sums[i] / (n - 2) - sums[j] / (n - 2) + total / ((n - 1) * (n - 2))
            for j in range(n)
        ]
        for i in range(n)
    ]


def looped_correlation(one: Tensor, two: Tensor, statistic: Statistic) -> tuple[float, float]:
    """Return the squared covariance and the squared correlation."""
    a, b = (looped_centers(rows.tolist(), statistic) for rows in (one, two))
    n = len(a)

    def product(x: list[list[float]], y: list[list[float]]) -> float:
        return sum(x[i][j] * y[i][j] for i in range(n) for j in range(n))

    count = n * n if statistic == "v" else n * (n - 3)
    return product(a, b) / count, product(a, b) / math.sqrt(product(a, a) * product(b, b))


@pytest.mark.parametrize("statistic", STATISTICS)
@given(seed=st.integers(0, 2**16), n=st.integers(6, 9), widths=st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_both_statistics_equal_plain_loops(statistic, seed, n, widths):
    one, two = draw(seed, n, widths[0]), draw(seed + 1, n, widths[1])
    one[1] = one[0]  # equal rows have distance 0
    a, b = (center(exact_distances(rows), statistic) for rows in (one, two))
    assume(min((a * a).sum(), (b * b).sum()) > 1e-6)  # rounding decides where a set has no variance
    expected = looped_correlation(one, two, statistic)
    assert covariance(a, b, statistic).item() == pytest.approx(expected[0], abs=1e-10)
    assert squared_correlation(a, b).item() == pytest.approx(expected[1], abs=1e-10)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_gradient_equals_differences_of_plain_loops(statistic):
    one, two = draw(0, 6, 3).requires_grad_(), draw(1, 6, 2)
    correlate(one, two, statistic).backward()
    step = 1e-5
    for i, j in ((0, 0), (3, 2), (5, 1)):
        change = torch.zeros_like(one)
        change[i, j] = step
        above, below = (looped_correlation(one.detach() + s * change, two, statistic)[1] for s in (1, -1))
        assert one.grad[i, j].item() == pytest.approx((above - below) / (2 * step), abs=1e-9)
    assert torch.autograd.gradcheck(lambda rows: correlate(rows, two, statistic), one)


def test_the_gradient_is_finite_where_rows_are_equal():
    rows = draw(0, 6, 3)
    rows[1] = rows[0]
    rows.requires_grad_()
    correlate(rows, draw(1, 6, 2)).backward()
    assert rows.grad.isfinite().all()
    assert rows.grad.abs().sum() > 0


@given(seed=st.integers(0, 2**16), scale=st.floats(0.01, 100))
def test_it_does_not_change_with_place_turn_or_size(seed, scale):
    one, two = draw(seed, 8, 3), draw(seed + 1, 8, 4)
    turn = torch.linalg.qr(draw(seed + 2, 3, 3)).Q
    value = correlate(one, two)
    assert 0 <= value <= 1 + 1e-12
    assert correlate(scale * one @ turn + 7, two).item() == pytest.approx(value.item(), abs=1e-9)
    assert correlate(one, scale * one @ turn - 3).item() == pytest.approx(1, abs=1e-9)


def test_rows_without_variance_have_no_correlation_and_no_gradient():
    rows = torch.ones(6, 3, dtype=torch.float64, requires_grad=True)
    value = correlate(rows, draw(0, 6, 2))
    value.backward()
    assert value == 0
    assert (rows.grad == 0).all()


@pytest.mark.parametrize(
    ("n", "widths", "expected"), [(64, (8192, 1000), 0.991), (256, (128, 128), 0.665), (32, (128, 128), 0.946)]
)
def test_independent_normal_rows_have_the_published_bias(n, widths, expected):
    """The V-statistic is that far above 0; the U-statistic is at most two standard errors from 0."""
    v, u, permuted = [], [], []
    for seed in range(100, 140):
        generator = torch.Generator().manual_seed(seed)
        distances = [product_distances(torch.randn(n, width, generator=generator)) for width in widths]
        a, b = (center(one, "v") for one in distances)
        v.append(squared_correlation(a, b))
        permuted.append(permuted_correlation(a, b, torch.randperm(n, generator=generator)))
        u.append(squared_correlation(*(center(one, "u") for one in distances)))
    assert torch.stack(v).mean().item() == pytest.approx(expected, abs=0.01)
    assert torch.stack(permuted).mean().item() == pytest.approx(expected, abs=0.01)
    corrected = torch.stack(u)
    assert abs(corrected.mean()) <= 2 * corrected.std() / len(corrected) ** 0.5


def test_distances_by_products_are_those_of_differences():
    rows = draw(3, 20, 50) + 100
    assert torch.allclose(product_distances(rows), exact_distances(rows), atol=1e-9)
    assert (product_distances(rows).diagonal() == 0).all()


def test_clamped_distances_have_the_floor_on_the_diagonal_and_for_near_rows():
    found = clamped_distances(torch.tensor([[0.0], [1e-3], [1.0]]))
    assert found.tolist() == [pytest.approx(row) for row in ([0.01, 0.01, 1], [0.01, 0.01, 0.999], [1, 0.999, 0.01])]
    near = clamped_distances(1e-4 * torch.randn(8, 4, generator=torch.Generator().manual_seed(0)))
    assert (near == 0.01).all(), "at a small scale all distances are equal, as in the released code"


def test_the_corrected_statistic_needs_four_rows():
    with pytest.raises(ValueError, match="the U-statistic needs at least 4 rows, not 3"):
        center(exact_distances(draw(0, 3, 2)), "u")
