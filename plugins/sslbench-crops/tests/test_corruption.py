"""Corruption of vectors: marginals, numbers of columns, joint batches, and rates that would change nothing."""

from __future__ import annotations

import pytest
import torch
from scipy import stats
from sslbench_crops.operations.corruption import BatchCorruptionConfig, FeatureCorruptionConfig, count_corrupted
from sslbench_crops.operations.corruption_operation import choose_partners, corrupt_batch, corrupt_features

from sslbench.api import Modality, OperationParts
from sslbench.api.errors import RequestError
from sslbench.testing.plans import plan_run
from sslbench.testing.random_numbers import keyed_random

ROWS, COLUMNS = 4000, 10


@pytest.fixture(scope="module")
def data() -> tuple[torch.Tensor, torch.Tensor]:
    """Training rows whose columns have different, skewed distributions, and a batch far away from them."""
    generator = torch.Generator().manual_seed(0)
    scale = torch.linspace(0.1, 5, COLUMNS)
    training = torch.empty(3000, COLUMNS).exponential_(generator=generator) * scale
    return training, torch.full((ROWS, COLUMNS), -100.0) - torch.arange(ROWS).unsqueeze(1)


def corrupt(build, config, reference, x, seed=0):
    parts = OperationParts(modalities={"x": Modality(layout="vector", shape=(x.shape[1],))}, reference={"x": reference})
    return build(config, parts)({"x": x}, keyed_random(torch.arange(len(x)), seed))["x"]


def test_corrupted_values_have_the_marginals_of_the_training_data(data):
    training, x = data
    made = corrupt(corrupt_features, FeatureCorruptionConfig(rate=0.6), training, x)
    for column in range(COLUMNS):
        replaced = made[:, column][made[:, column] > 0]
        assert len(replaced) == pytest.approx(0.6 * ROWS, rel=0.05)
        assert stats.ks_2samp(replaced.numpy(), training[:, column].numpy()).pvalue > 0.001


def test_columns_are_drawn_independently_of_each_other(data):
    """Rows of the reference are shuffled column by column: what is dependent there is independent after corruption."""
    training = torch.linspace(0, 1, 3000).unsqueeze(1).expand(-1, 2).contiguous()
    made = corrupt(corrupt_features, FeatureCorruptionConfig(rate=1.0), training, torch.full((ROWS, 2), -1.0))
    assert abs(stats.spearmanr(made[:, 0].numpy(), made[:, 1].numpy()).statistic) < 0.06


def test_every_sample_has_a_mask_of_its_own_with_the_stated_number_of_columns(data):
    training, x = data
    is_changed = corrupt(corrupt_features, FeatureCorruptionConfig(rate=0.35), training, x) > 0
    assert set(is_changed.sum(1).tolist()) == {3}
    assert len(torch.unique(is_changed, dim=0)) > 100
    assert torch.allclose(is_changed.float().mean(0), torch.tensor(0.3), atol=0.03)


@pytest.mark.parametrize(("rate", "columns", "count"), [(0.2, 12, 2), (0.2, 36, 7), (0.6, 12, 7), (0.6, 36, 21),
                                                         (0.2, 3, 0), (0.29, 100, 29), (1.0, 24, 24)])  # fmt: skip
def test_a_rate_affects_a_whole_number_of_columns(rate, columns, count):
    assert count_corrupted(rate, columns) == count


def test_a_batch_is_corrupted_jointly_in_the_same_columns_from_one_other_row(data):
    x = torch.arange(64.0).unsqueeze(1) + torch.arange(12) / 100
    made = corrupt(corrupt_batch, BatchCorruptionConfig(rate=0.6, p_batch=1.0), x[:0], x)
    is_changed = made != x
    assert torch.equal(is_changed, is_changed[:1].expand_as(is_changed)), "the same columns in every row"
    assert int(is_changed[0].sum()) == 7
    partners = made[:, is_changed[0]].floor()
    assert torch.equal(partners, partners[:, :1].expand_as(partners)), "all of a row's values come from one other row"
    assert (partners[:, 0] != torch.arange(64)).all()


def test_half_of_the_batches_are_corrupted_and_the_input_is_kept():
    x = torch.rand(8, 12)
    kept = x.clone()
    changed = [
        not torch.equal(corrupt(corrupt_batch, BatchCorruptionConfig(), x[:0], x, seed), x) for seed in range(400)
    ]
    assert 0.4 < sum(changed) / 400 < 0.6
    assert torch.equal(x, kept)


@pytest.mark.parametrize("rows", [2, 3, 10])
def test_a_partner_is_never_the_row_itself(rows):
    uniform = torch.rand(2000, rows, generator=torch.Generator().manual_seed(0))
    partners = torch.stack([choose_partners(one) for one in uniform])
    distance = (partners - torch.arange(rows)) % rows
    assert distance.min() == 1
    assert distance.max() == max(rows - 2, 1)


@pytest.mark.parametrize("name", ["feature-corruption", "batch-corruption"])
def test_a_rate_that_corrupts_no_column_is_refused_when_a_run_is_planned(name, shared):
    settings = [f"augmentation.name={name}", "augmentation.corrupt.rate=0.2", "backbones.step-a.name=res-mlp", "recipe=none",
                f"data.root={shared / 'watch_exercises'}"]  # fmt: skip
    message = (
        r"augmentation\.corrupt: rate=0\.2: would corrupt int\(0\.2 \* 3\) = 0 of the 3 values of 'step-a'\. "
        r"Raise it to 0\.34 or more, use data with longer vectors, or set augmentation\.name=none"
    )
    with pytest.raises(RequestError, match=message):
        plan_run("scarf", "watch-exercises/pairs", *settings, "data.instants=1")
    plan_run("scarf", "watch-exercises/pairs", *settings)  # 8 instants have 24 values, of which 4 are corrupted


def test_series_cannot_be_corrupted():
    settings = ["augmentation.name=feature-corruption", "backbone.name=timm", "recipe=none"]
    with pytest.raises(RequestError, match=r"corrupts vectors, and the data has 'series-a' \(sequence\)"):
        plan_run("scarf", "synthetic-crops/area-1", *settings)
