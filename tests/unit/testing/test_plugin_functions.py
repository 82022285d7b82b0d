"""Functions for tests of plugins do what the commands do, and refuse what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sslbench.api.errors import RequestError
from sslbench.testing.installed import specs_of
from sslbench.testing.plans import describe_part, divide_part, open_dataset, plan_run, stage_keys
from sslbench.testing.steps import make_step


@pytest.fixture(scope="module")
def digits():
    (part,) = open_dataset("digits")
    return part


def test_a_part_is_described_as_commands_do(digits, cli):
    lines = describe_part(digits)
    assert lines[0] == "digits: 1,797 samples, 10 classes"
    assert "\n".join(lines) in cli("data", "where", "digits").stdout


def test_every_row_is_tested_in_one_fold(digits):
    divisions = [divide_part(digits, {"folds": 3}, fold) for fold in range(3)]
    assert np.sort(np.concatenate([division.query for division in divisions])).tolist() == list(range(1797))
    assert not set(divisions[0].bank) & set(divisions[0].query)


@pytest.mark.parametrize("function", [describe_part, divide_part])
def test_wrong_settings_of_a_division_are_refused(digits, function):
    with pytest.raises(RequestError, match=r"splits\.fold: no such setting\. Did you mean 'splits\.folds'"):
        function(digits, {"fold": 3})


def test_stages_have_equal_keys_where_they_are_computed_once():
    one, other, third = (
        stage_keys(plan_run("simclr", "digits", "seeds=[0]", *more))
        for more in ((), ("protocol_settings.knn.vote=inverse",), ("train.epochs=3",))
    )
    assert one["pretrain"] == other["pretrain"] != third["pretrain"]
    assert one["evaluate"] != other["evaluate"]
    assert one["prepare"] == third["prepare"]


def test_specs_are_those_of_one_distribution():
    names = [spec.name for spec in specs_of("sslbench", "protocol")]
    assert "knn" in names
    assert names == sorted(names)
    with pytest.raises(
        RequestError, match=r"'sslbnch' has no installed component of kind protocol\. Did you mean 'sslbench'"
    ):
        specs_of("sslbnch", "protocol")


def test_steps_differ_in_their_random_numbers():
    first, again, second = make_step(0, total_steps=4), make_step(0, total_steps=4), make_step(1, total_steps=4)
    assert second.progress == 0.25
    assert torch.equal(first.random.uniform("x"), again.random.uniform("x"))
    assert not torch.equal(first.random.uniform("x"), second.random.uniform("x"))
    assert torch.equal(first.processes.sum(torch.ones(2)), torch.ones(2))
