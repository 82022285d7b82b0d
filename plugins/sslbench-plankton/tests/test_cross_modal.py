"""An image and a profile of one particle: the equations, the input of projections, and the negative control."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sslbench_plankton.backbones.profiles import ProfileCnnConfig
from sslbench_plankton.backbones.profiles_model import ProfileCnn
from sslbench_plankton.backbones.vectors import VectorMlpConfig
from sslbench_plankton.backbones.vectors_model import VectorMlp
from sslbench_plankton.methods.clip_pairs import ClipPairsConfig
from sslbench_plankton.methods.clip_pairs_model import ClipPairs, clip_loss
from sslbench_plankton.methods.siglip_pairs_model import siglip_loss
from sslbench_plankton.operations.mismatched_pairs import MismatchedPairsConfig
from sslbench_plankton.operations.mismatched_pairs_operation import mismatch_pairs
from sslbench_plankton.operations.profiles import TimeCropConfig
from sslbench_plankton.operations.profiles_operation import time_crop

from sslbench.api import MethodParts, Modality, OperationParts, PlanContext, Target
from sslbench.testing.random_numbers import keyed_random

IMAGE = Modality(layout="image", shape=(1, 16, 16), facts=("size",))
PROFILE = Modality(layout="sequence", shape=(0, 6), facts=("length",))


def clip_by_hand(first, second, log_scale, *, exact, buckets):
    """One number at a time, as the released code of arXiv 2603.16427 computes it."""
    size, losses = len(first) // buckets, []
    for start in range(0, len(first), size):
        a, b = ([x / np.linalg.norm(x) for x in side[start : start + size].numpy()] for side in (first, second))
        factor = min(max(math.exp(log_scale), 0.01), 100)
        logits = [[factor * float(x @ y) for y in b] for x in a]
        shifted = [[value - max(row) for value in row] for row in logits]
        along = logits if exact else shifted
        rows = [math.log(sum(map(math.exp, row))) - row[i] for i, row in enumerate(shifted)]
        columns = [math.log(sum(math.exp(row[i]) for row in along)) - along[i][i] for i in range(size)]
        losses.append((sum(rows) + sum(columns)) / (2 * size))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("buckets", [1, 2])
@pytest.mark.parametrize("scale", [1.0, math.log(1 / 0.07), 9.0])
def test_clips_loss_and_the_released_column_term(exact, buckets, scale):
    torch.manual_seed(0)
    first, second = torch.randn(8, 5, dtype=torch.float64), torch.randn(8, 5, dtype=torch.float64)
    found = clip_loss(first, second, torch.tensor(scale, dtype=torch.float64), exact=exact, buckets=buckets)
    assert float(found) == pytest.approx(clip_by_hand(first, second, scale, exact=exact, buckets=buckets), rel=1e-9)


def test_both_column_terms_agree_where_rows_have_one_maximum_and_only_there():
    torch.manual_seed(0)
    x = torch.nn.functional.normalize(torch.randn(6, 4), dim=1)
    scale = torch.tensor(2.0)
    assert torch.allclose(clip_loss(x, x, scale), clip_loss(x, x, scale, exact=False), atol=1e-6)
    y = torch.randn(6, 4)
    assert not torch.allclose(clip_loss(x, y, scale), clip_loss(x, y, scale, exact=False), atol=1e-3)


@pytest.mark.parametrize("buckets", [1, 2])
def test_siglips_loss_pair_by_pair(buckets):
    torch.manual_seed(0)
    first, second = torch.randn(6, 4, dtype=torch.float64), torch.randn(6, 4, dtype=torch.float64)
    scale, bias = 1.0, -10.0
    size, losses = 6 // buckets, []
    for start in range(0, 6, size):
        total = 0.0
        for i in range(start, start + size):
            for j in range(start, start + size):
                cosine = float(torch.nn.functional.cosine_similarity(first[i], second[j], dim=0))
                sign = 1 if i == j else -1
                total += math.log1p(math.exp(-sign * (math.exp(scale) * cosine + bias)))
        losses.append(total / size)
    tensors = (torch.tensor(value, dtype=torch.float64) for value in (scale, bias))
    assert float(siglip_loss(first, second, *tensors, buckets=buckets)) == pytest.approx(sum(losses) / buckets)


def method(**settings):
    modalities = {"image": IMAGE, "profile": PROFILE}
    narrow = Modality(layout="vector", shape=(256,))
    encoders = {"image": VectorMlp(VectorMlpConfig(width=4), narrow), "profile": ProfileCnn(
        ProfileCnnConfig(widths=(4, 4, 4, 4), blocks=1, steps=32), PROFILE)}  # fmt: skip
    facts = PlanContext(modalities=modalities, shapes={}, samples=9, batch_size=4, epochs=1, target=Target(kind="none"))
    return ClipPairs(
        ClipPairsConfig(out=3, dropout=0.0, **settings), MethodParts(encoders=encoders, dependencies={}, context=facts)
    )


def test_projections_receive_sizes_from_before_any_crop():
    answer = method().eval()
    assert {name: p.in_features for name, p in answer.projections.items()} == {"image": 4 + 2, "profile": 4 + 1}
    view = {"image": torch.rand(2, 256), "image.size": torch.tensor([[40, 90], [20, 20]]),
            "profile": torch.rand(2, 90, 6), "profile.length": torch.tensor([90, 45])}  # fmt: skip
    parts = OperationParts(modalities={"profile": PROFILE}, reference={})
    cropped = time_crop(TimeCropConfig(), parts)(view, keyed_random(torch.arange(2), 0))
    assert cropped["profile.length"].tolist() == [224, 224]
    feature = torch.zeros(2, 4)
    with torch.no_grad():
        weight = answer.projections["profile"].weight[:, 4]
        expected = torch.tensor([[90.0], [45.0]]) / 224 * weight
        assert torch.allclose(answer.project("profile", feature, cropped), expected)
        assert torch.allclose(answer.project("profile", feature, view), expected)
        sizes = answer.projections["image"].weight[:, 4:]
        assert torch.allclose(answer.project("image", feature, view), view["image.size"] / 224 @ sizes.T)
    assert method(unit=0.0).projections["profile"].in_features == 4


def test_mismatched_pairs_are_the_same_in_any_batch():
    reference = {"image": torch.zeros(5, 16), "profile": torch.arange(5.0).view(5, 1, 1).expand(5, 7, 6),
                 "profile.length": torch.arange(5) + 1}  # fmt: skip
    operation = mismatch_pairs(
        MismatchedPairsConfig(), OperationParts(modalities={"image": IMAGE, "profile": PROFILE}, reference=reference)
    )
    view = {"image": torch.rand(40, 16), "profile": torch.full((40, 9, 6), 9.0), "profile.length": torch.full((40,), 9)}
    made = operation(view, keyed_random(torch.arange(40), 0))
    assert torch.equal(made["image"], view["image"])
    rows = made["profile"][:, 0, 0].long()
    assert set(rows.tolist()) == set(range(5))
    assert torch.equal(made["profile.length"], rows + 1), "a profile's length comes with it"
    assert made["profile"].shape == view["profile"].shape
    some = operation({name: x[7:9] for name, x in view.items()}, keyed_random(torch.arange(7, 9), 0))
    assert torch.equal(some["profile"], made["profile"][7:9])
