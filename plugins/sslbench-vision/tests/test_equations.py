"""The papers' losses against plain loops in float64, and against LightlySSL's values and gradients where it has them."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from sslbench_vision.joint.momentum import momentum_at
from sslbench_vision.joint.queue import find_nearest
from sslbench_vision.methods.barlow_twins_model import cross_correlation, identity_distance
from sslbench_vision.methods.byol_model import regression
from sslbench_vision.methods.deepcluster_v2_model import cluster_loss, spherical_k_means
from sslbench_vision.methods.dino import DinoConfig
from sslbench_vision.methods.dino_model import centered_softmax, distillation, teacher_temperature
from sslbench_vision.methods.moco_v2_plus_model import info_nce
from sslbench_vision.methods.moco_v3_model import batch_contrast
from sslbench_vision.methods.nnclr_model import neighbor_contrast
from sslbench_vision.methods.ressl_model import relational
from sslbench_vision.methods.simclr_model import nt_xent
from sslbench_vision.methods.simsiam_model import negative_cosine
from sslbench_vision.methods.swav_model import balanced_assignment, swapped_prediction
from sslbench_vision.methods.vibcreg_model import correlation, iterative_whitening
from sslbench_vision.methods.vicreg_model import covariance, invariance, variance
from sslbench_vision.methods.w_mse_model import distance, split_sub_batches, whiten

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import lightly.loss

B, D, K = 6, 4, 5


def rows(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def unit(row):
    return np.asarray(row) / math.sqrt(sum(float(v) ** 2 for v in row))


def cos(a, b) -> float:
    return float(sum(x * y for x, y in zip(unit(a), unit(b), strict=True)))


def softmax(values) -> list[float]:
    total = sum(math.exp(v) for v in values)
    return [math.exp(v) / total for v in values]


def cross_entropy(target, logits) -> float:
    return -sum(t * math.log(p) for t, p in zip(target, softmax(logits), strict=True))


def loop_nt_xent(a, b, t):
    every = [*a, *b]
    n = len(a)
    losses = []
    for i, anchor in enumerate(every):
        negatives = [math.exp(cos(anchor, other) / t) for j, other in enumerate(every) if j != i]
        losses.append(-math.log(math.exp(cos(anchor, every[(i + n) % (2 * n)]) / t) / sum(negatives)))
    return np.mean(losses)


def loop_info_nce(q, k, queue, t):
    losses = []
    for one, own in zip(q, k, strict=True):
        logits = [cos(one, own) / t, *(cos(one, other) / t for other in queue)]
        losses.append(cross_entropy([1.0] + [0.0] * len(queue), logits))
    return np.mean(losses)


def loop_contrast(a, b, t):
    """Row i of `a` finds row i of `b` among all rows of `b`."""
    eye = np.eye(len(a))
    return np.mean([cross_entropy(eye[i], [cos(a[i], other) / t for other in b]) for i in range(len(a))])


def loop_relational(strong, weak, queue, t, teacher):
    losses = []
    for s, w in zip(strong, weak, strict=True):
        target = softmax([cos(w, other) / teacher for other in queue])
        losses.append(cross_entropy(target, [cos(s, other) / t for other in queue]))
    return np.mean(losses)


def loop_barlow(a, b, weight):
    za, zb = ((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5) for z in (a, b))
    total = 0.0
    for i in range(D):
        for j in range(D):
            c = sum(za[n, i] * zb[n, j] for n in range(B)) / B
            total += (1 - c) ** 2 if i == j else weight * c**2
    return total


def loop_variance(z):
    return np.mean([max(0.0, 1 - math.sqrt(z[:, d].var(ddof=1) + 1e-4)) for d in range(D)])


def loop_covariance(z):
    c = np.cov(z, rowvar=False)
    return sum(c[i, j] ** 2 for i in range(D) for j in range(D) if i != j) / D


def loop_correlation(z):
    c = np.corrcoef(z, rowvar=False)
    return sum(c[i, j] ** 2 for i in range(D) for j in range(D) if i != j) / D**2


def loop_balance(scores, epsilon, iterations):
    """Sinkhorn-Knopp as the paper's appendix has it: columns, then rows, of a matrix that sums to one."""
    q = np.exp(scores / epsilon)
    q /= q.sum()
    for _ in range(iterations):
        for k in range(q.shape[1]):
            q[:, k] /= q[:, k].sum() * q.shape[1]
        for n in range(q.shape[0]):
            q[n] /= q[n].sum() * q.shape[0]
    return q * q.shape[0]


A, C, QUEUE = rows(B, D), rows(B, D, seed=1), rows(K, D, seed=2)
LOOPS = {
    "simclr": (lambda: nt_xent(A, C, 0.2), lambda a, c, q: loop_nt_xent(a, c, 0.2)),
    "moco-v2-plus": (lambda: info_nce(A, C, QUEUE, 0.2), lambda a, c, q: loop_info_nce(a, c, q, 0.2)),
    "moco-v3": (
        lambda: batch_contrast(A, C, torch.arange(B), 0.2), lambda a, c, q: 2 * 0.2 * loop_contrast(a, c, 0.2)
    ),
    "byol": (lambda: regression(A, C), lambda a, c, q: np.mean([2 - 2 * cos(x, y) for x, y in zip(a, c, strict=True)])),
    "nnclr": (lambda: neighbor_contrast(A, C, 0.1), lambda a, c, q: loop_contrast(a, c, 0.1)),
    "ressl": (lambda: relational(A, C, QUEUE, 0.1, 0.04), lambda a, c, q: loop_relational(a, c, q, 0.1, 0.04)),
    "simsiam": (lambda: negative_cosine(A, C), lambda a, c, q: np.mean([-cos(x, y) for x, y in zip(a, c, strict=True)])),
    "barlow-twins": (
        lambda: identity_distance(cross_correlation(A, C), 0.0051), lambda a, c, q: loop_barlow(a, c, 0.0051)
    ),
    "vicreg invariance": (lambda: invariance(A, C), lambda a, c, q: ((a - c) ** 2).mean()),
    "vicreg variance": (lambda: variance(A * 0.5), lambda a, c, q: loop_variance(a * 0.5)),
    "vicreg covariance": (lambda: covariance(A), lambda a, c, q: loop_covariance(a)),
    "vibcreg": (lambda: correlation(A), lambda a, c, q: loop_correlation(a)),
    "dino": (
        lambda: distillation(A / 0.1, centered_softmax(C, C.mean(0), 0.04)),
        lambda a, c, q: np.mean(
            [cross_entropy(softmax((y - c.mean(0)) / 0.04), x / 0.1) for x, y in zip(a, c, strict=True)]
        ),
    ),
    "swav": (
        lambda: swapped_prediction(A, balanced_assignment(C, 0.05, 3), 0.1),
        lambda a, c, q: np.mean(
            [cross_entropy(y, x / 0.1) for x, y in zip(a, loop_balance(c, 0.05, 3), strict=True)]
        ),
    ),
    "deepcluster-v2": (
        lambda: cluster_loss(A, torch.tensor([0, 1, -1, 3, 2, -1])),
        lambda a, c, q: np.mean([cross_entropy(np.eye(D)[k], a[n]) for n, k in ((0, 0), (1, 1), (3, 3), (4, 2))]),
    ),
    "w-mse": (lambda: distance(A, C), lambda a, c, q: np.mean([2 - 2 * cos(x, y) for x, y in zip(a, c, strict=True)])),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
def test_a_loss_is_its_loop(name):
    found, loop = LOOPS[name]
    assert float(found()) == pytest.approx(float(loop(A.numpy(), C.numpy(), QUEUE.numpy())), rel=1e-10)


def lightly_dino(student, teacher):
    loss = lightly.loss.DINOLoss(output_dim=D, teacher_temp=0.07, warmup_teacher_temp_epochs=0, student_temp=0.1)
    return loss.double()([teacher[0], teacher[1]], [student[0], student[1]], epoch=5)


def our_dino(student, teacher):
    targets = [centered_softmax(t, torch.zeros(D, dtype=torch.float64), 0.07) for t in teacher]
    return (distillation(student[0] / 0.1, targets[1]) + distillation(student[1] / 0.1, targets[0])) / 2


def our_vicreg(a, b):
    return 25 * invariance(a, b) + 25 * 0.5 * (variance(a) + variance(b)) + covariance(a) + covariance(b)


def our_barlow(a, b):
    return identity_distance(cross_correlation(a, b), 5e-3)


PEERS = {
    "simclr": (lambda a, b: nt_xent(a, b, 0.5), lambda a, b: lightly.loss.NTXentLoss(temperature=0.5)(a, b)),
    "simsiam": (negative_cosine, lambda a, b: lightly.loss.NegativeCosineSimilarity()(a, b.detach())),
    "byol": (
        lambda a, b: regression(a, b.detach()),
        lambda a, b: 2 + 2 * lightly.loss.NegativeCosineSimilarity()(a, b.detach()),
    ),
    "barlow-twins": (our_barlow, lambda a, b: lightly.loss.BarlowTwinsLoss()(a, b)),
    "vicreg": (our_vicreg, lambda a, b: lightly.loss.VICRegLoss()(a, b)),
    "dino": (lambda a, b: our_dino((a, b), (b.detach(), a.detach())),
             lambda a, b: lightly_dino((a, b), (b.detach(), a.detach()))),
    "swav": (
        lambda a, b: (swapped_prediction(a, balanced_assignment(b.detach(), 0.05, 3), 0.1)
                      + swapped_prediction(b, balanced_assignment(a.detach(), 0.05, 3), 0.1)) / 2,
        lambda a, b: lightly.loss.SwaVLoss()([a, b], []).sum(),
    ),
    "w-mse": (
        lambda a, b: distance(whiten(a, 0.0), whiten(b, 0.0)),
        lambda a, b: lightly.loss.WMSELoss(embedding_dim=D, w_size=4 * B, track_running_stats=False)(torch.cat([a, b])),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PEERS)
def test_a_loss_and_its_gradient_are_lightlys(name):
    ours, theirs = PEERS[name]
    found = []
    for function in (ours, theirs):
        one, two = (rows(4 * B, D, seed=s).requires_grad_() for s in (3, 4))
        value = function(one, two)
        value.backward()
        gradients = [torch.zeros_like(x) if x.grad is None else x.grad for x in (one, two)]
        found.append((value.detach(), *gradients))
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other.to(mine.dtype), rtol=1e-5, atol=1e-7)


def test_whitening_whitens():
    """The covariance of whitened rows is the identity: exactly by Cholesky, nearly by Newton's iteration."""
    z = rows(2000, 8) @ (torch.eye(8, dtype=torch.float64) + 0.2 * rows(8, 8, seed=1))
    torch.testing.assert_close(whiten(z, 0.0).T.cov(), torch.eye(8, dtype=torch.float64))
    for groups in (1, 2):
        white = iterative_whitening(z, groups, 9)
        blocks = white.T.cov(correction=0).view(groups, 8 // groups, groups, 8 // groups)
        for g in range(groups):
            torch.testing.assert_close(blocks[g, :, g], torch.eye(8 // groups, dtype=torch.float64), atol=2e-3, rtol=0)


def test_whitening_of_what_has_no_factor_is_no_number():
    assert whiten(torch.ones(8, 3), 0.0).isnan().all()
    assert whiten(torch.ones(8, 3), 0.1).isfinite().all()


@pytest.mark.parametrize(("size", "expected"), [(4, [4, 4, 5]), (13, [13]), (20, [13])])
def test_a_rest_too_short_to_whiten_joins_the_last_sub_batch(size, expected):
    pieces = split_sub_batches(torch.randperm(13), size)
    assert [len(piece) for piece in pieces] == expected
    assert sorted(torch.cat(pieces).tolist()) == list(range(13))


def test_assignments_are_balanced():
    """Rows sum to one, clusters get equal shares after enough rounds, and a tiny epsilon does not overflow."""
    found = balanced_assignment(rows(60, K), 0.05, 200)
    torch.testing.assert_close(found.sum(1), torch.ones(60, dtype=torch.float64))
    torch.testing.assert_close(found.sum(0), torch.full((K,), 60 / K, dtype=torch.float64), rtol=1e-2, atol=0)
    assert balanced_assignment(rows(60, K), 1e-4, 3).isfinite().all()


def test_spherical_k_means_finds_caps_and_keeps_an_empty_cluster():
    caps = torch.eye(3, dtype=torch.float64).repeat_interleave(20, 0) + 0.05 * rows(60, 3)
    caps = torch.nn.functional.normalize(caps, dim=1)
    away = torch.nn.functional.normalize(-torch.ones(1, 3, dtype=torch.float64), dim=1)
    assigned, centroids = spherical_k_means(caps, torch.cat([caps[[0, 20, 40]], away]), 10)
    assert assigned.tolist() == [0] * 20 + [1] * 20 + [2] * 20
    torch.testing.assert_close(centroids.norm(dim=1), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(centroids[3:], away)


def test_a_loss_without_assigned_rows_is_zero():
    """A plain mean over ignored targets is no number."""
    scores = rows(B, D).requires_grad_()
    loss = cluster_loss(scores, torch.full((B,), -1))
    loss.backward()
    assert loss.item() == 0
    assert float(scores.grad.abs().sum()) == 0


def test_the_nearest_row_may_be_barred():
    queue = torch.nn.functional.normalize(rows(K, D), dim=1)
    near = find_nearest(queue * 3, queue)
    torch.testing.assert_close(near, queue)
    barred = torch.eye(K, dtype=torch.bool)
    others = find_nearest(queue, queue, barred)
    for i in range(K):
        best = max((j for j in range(K) if j != i), key=lambda j: float(queue[i] @ queue[j]))
        torch.testing.assert_close(others[i], queue[best])


def test_schedules():
    assert momentum_at(0.99, 1.0, 0.0) == pytest.approx(0.99)
    assert momentum_at(0.99, 1.0, 0.5) == pytest.approx(0.995)
    assert momentum_at(0.99, 1.0, 1.0) == pytest.approx(1.0)
    config = DinoConfig(first_teacher_temperature=0.04, teacher_temperature=0.07, teacher_warmup_epochs=4)
    found = [teacher_temperature(config, epoch) for epoch in range(6)]
    assert found == pytest.approx([0.04, 0.05, 0.06, 0.07, 0.07, 0.07])
    assert teacher_temperature(DinoConfig(teacher_warmup_epochs=0), 0) == 0.07
