"""Keyed random numbers: uniform, independent, and a function of their key alone."""

import torch
from scipy import stats

from sslbench.data.keyed_random import CounterRandom


def test_the_same_sample_draws_the_same_in_any_batch():
    rows = torch.arange(100)
    whole = CounterRandom.of(rows, 7, 3, "view").uniform("crop", 5)
    parts = [CounterRandom.of(part, 7, 3, "view").uniform("crop", 5) for part in rows.flip(0).split(17)]
    assert torch.equal(whole, torch.cat(parts).flip(0))
    chosen = torch.tensor([4, 99, 0])
    assert torch.equal(whole[chosen], CounterRandom.of(rows, 7, 3, "view")[chosen].uniform("crop", 5))


def test_seed_epoch_role_and_name_each_give_other_numbers():
    rows = torch.arange(2000)
    base = CounterRandom.of(rows, 0, 0, "view").uniform("crop")
    others = [
        CounterRandom.of(rows, 1, 0, "view").uniform("crop"),
        CounterRandom.of(rows, 0, 1, "view").uniform("crop"),
        CounterRandom.of(rows, 0, 0, "local").uniform("crop"),
        CounterRandom.of(rows, 0, 0, "view").uniform("flip"),
        CounterRandom.of(rows, 0, 0, "view").fork("x").uniform("crop"),
        CounterRandom.of(rows + 1, 0, 0, "view").uniform("crop"),
    ]
    for other in others:
        assert abs(stats.pearsonr(base.numpy(), other.numpy()).statistic) < 0.1


def test_numbers_are_uniform_and_normal():
    draws = CounterRandom.of(torch.arange(20_000), 0)
    uniform = draws.uniform("u", 2)
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert stats.kstest(uniform[:, 0].numpy(), "uniform").pvalue > 1e-3
    assert stats.kstest(draws.normal("n").numpy(), "norm").pvalue > 1e-3
    assert abs(stats.pearsonr(uniform[:, 0].numpy(), uniform[:, 1].numpy()).statistic) < 0.03
    assert abs(stats.pearsonr(uniform[:-1, 0].numpy(), uniform[1:, 0].numpy()).statistic) < 0.03
