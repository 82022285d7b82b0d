"""MV-MR: each form of its loss against numbers computed one at a time, and its warning."""

from __future__ import annotations

import math

import pytest
import torch
from sslbench_mvmr.dependence import center, exact_distances
from sslbench_mvmr.methods.agreement_model import BatchDependence, deviation_hinge, projector, squared_error
from sslbench_mvmr.methods.mv_mr import (
    AUGMENTED,
    FORMS,
    MvMrConfig,
    check,
    dependencies,
    reset_unused,
    resolve,
    roles,
)
from torch import Tensor

from sslbench.api import Modality, PlanContext, Target
from sslbench.testing import conformance
from sslbench.testing.plans import plan_run, stage_keys

test_conformance = conformance("sslbench-mvmr")


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def released_correlation(one: Tensor, two: Tensor) -> float:
    """The released code's distance correlation: clamped squared distances of rows / 32, and the root."""
    matrices = []
    for rows in (one / 32, two / 32):
        n = len(rows)
        a = [[math.sqrt(max(sum((p - q) ** 2 for p, q in zip(x, y, strict=True)), 1e-4)) for y in rows.tolist()]
             for x in rows.tolist()]  # fmt: skip
        means = [sum(row) / n for row in a]
        mean = sum(means) / n
        matrices.append([[a[i][j] - means[i] - means[j] + mean for j in range(n)] for i in range(n)])
    a, b = matrices

    def product(x: list[list[float]], y: list[list[float]]) -> float:
        return sum(p * q for row, other in zip(x, y, strict=True) for p, q in zip(row, other, strict=True))

    return math.sqrt(product(a, b) / math.sqrt(product(a, a) * product(b, b)))


def test_the_released_correlation_is_that_of_its_clamped_distances():
    one, two = draw(0, 6, 3) * 5, draw(1, 6, 4) * 5
    dependence = BatchDependence(resolve(MvMrConfig(objective="released")), ())
    found = dependence.compare(dependence.centered(one), dependence.centered(two))
    assert found.item() == pytest.approx(released_correlation(one, two), abs=1e-9)
    tiny = dependence.centered(one * 1e-3)
    assert dependence.compare(tiny, tiny) == 1, "all distances are clamped to one value"


def test_the_squared_error_is_a_sum_or_a_mean_over_the_embedding():
    one, two = draw(0, 5, 7), draw(1, 5, 7)
    by_hand = sum(
        (a - b) ** 2 for x, y in zip(one.tolist(), two.tolist(), strict=True) for a, b in zip(x, y, strict=True)
    )
    assert squared_error(one, two, is_mean=False).item() == pytest.approx(by_hand / 5, abs=1e-12)
    assert squared_error(one, two, is_mean=True).item() == pytest.approx(by_hand / 35, abs=1e-12)


def test_the_hinge_has_its_constant_under_the_root_or_not():
    rows = draw(0, 6, 3) * torch.tensor([0.1, 1.0, 3.0])
    variances = [sum((x - sum(c) / 6) ** 2 for x in c) / 5 for c in rows.T.tolist()]
    smoothed = sum(max(0, 1 - math.sqrt(v + 1e-4)) for v in variances) / 3
    plain = sum(max(0, 1 - math.sqrt(v)) for v in variances) / 3
    assert deviation_hinge(rows, is_smoothed=True).item() == pytest.approx(smoothed, abs=1e-12)
    assert deviation_hinge(rows, is_smoothed=False).item() == pytest.approx(plain, abs=1e-12)


def test_each_difference_from_the_paper_is_a_setting_of_its_own():
    assert resolve(MvMrConfig(objective="released", direction="raise")).direction == "raise"
    assert resolve(MvMrConfig(objective="paper", divisor=8.0)).divisor == 8
    for objective, form in FORMS.items():
        assert {name: getattr(resolve(MvMrConfig(objective=objective)), name) for name in form} == form


def test_equal_losses_share_results_and_different_ones_do_not():
    written = MvMrConfig(**{"objective": "paper", **FORMS["released"]})
    assert reset_unused(written) == reset_unused(MvMrConfig(objective="released"))
    assert reset_unused(MvMrConfig(representations=0)) == reset_unused(MvMrConfig(representations=0, descriptors=()))
    plans = [
        plan_run("mv-mr", "shifted-digits", f"method.objective={objective}", "method.descriptors=[pixels]",
                 "augmentation.name=crop-flip", "backbone.name=micro-cnn")
        for objective in ("paper", "released", "corrected")
    ]  # fmt: skip
    assert len({stage_keys(plan)["pretrain"] for plan in plans}) == 3


@pytest.mark.parametrize(
    ("config", "batch", "problem"),
    [
        (MvMrConfig(), 3, "train.batch_size=3: 'mv-mr' compares at least 4 rows. Set it to 4 or more"),
        (
            MvMrConfig(invariance=0, variance=0, views=0, representations=0), 8,
            "method: no loss has a weight. Set one of invariance, variance, views or representations above 0",
        ),
        (
            MvMrConfig(invariance=0, variance=0, views=0, descriptors=()), 8,
            "method: no loss has a weight. Set one of invariance, variance, views or representations above 0",
        ),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(config, batch, problem):
    image = Modality(layout="image", shape=(3, 8, 8))
    context = PlanContext(
        modalities={"image": image}, shapes={}, samples=100, batch_size=batch, epochs=1, target=Target(kind="none")
    )
    assert list(check(config, context)) == [problem]


def test_the_published_projector_has_151_million_parameters():
    with torch.device("meta"):
        assert sum(p.numel() for p in projector(2048, (8192, 8192, 8192)).parameters()) == 151_027_712
    assert projector(16, ())(torch.ones(1, 16)).tolist() == [[1.0] * 16]


def test_descriptors_that_the_embedding_ignores_are_named():
    dependence = BatchDependence(resolve(MvMrConfig()), ("copy", "noise"))
    rows, noise = draw(0, 16, 4), draw(1, 16, 4)
    centered = [center(exact_distances(one), "v") for one in (rows, rows, noise)]
    found = [dependence.compare(centered[0], one) for one in centered[1:]]
    floors = [dependence.compare_permuted(centered[0], one) for one in centered[1:]]
    weak = torch.stack([found[0], floors[1] - 0.01, *floors]).view(2, 2).float()
    dependence.record([{"correlations": weak}])
    assert dependence.describe_weak().startswith("noise (")
    assert "copy" not in dependence.describe_weak()
    dependence.restart()
    dependence.record([{"correlations": torch.tensor([[0.9, 0.9], [0.5, 0.5]])}])
    assert dependence.describe_weak() == ""


def test_the_augmented_descriptor_needs_a_view_and_no_encoder():
    config = MvMrConfig(descriptors=("hog", AUGMENTED))
    assert set(roles(config)) == {"original", "view", "descriptor"}
    assert list(dependencies(config)) == ["hog"]
    assert set(roles(MvMrConfig(descriptors=("hog",)))) == {"original", "view"}
    assert set(roles(MvMrConfig(descriptors=(AUGMENTED,), representations=0))) == {"original", "view"}
