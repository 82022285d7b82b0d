"""Parameters of the residual multilayer perceptron."""

from __future__ import annotations

import pytest
from sslbench_crops.backbones.res_mlp import ResMlpConfig
from sslbench_crops.backbones.res_mlp_model import ResMlp

from sslbench.api import Modality


def count_parameters(values: int, **settings: str) -> int:
    encoder = ResMlp(ResMlpConfig(**settings), Modality(layout="vector", shape=(values,)))
    return sum(parameter.numel() for parameter in encoder.parameters())


@pytest.mark.parametrize(("values", "released", "paper"), [(12, 598_016, 531_712), (36, 604_160, 537_856)])
def test_parameters_are_those_of_the_released_code_and_of_the_paper(values, released, paper):
    assert count_parameters(values, form="released") == released
    assert count_parameters(values) == paper
    assert abs(paper / 550_000 - 1) < 0.05
