"""Compare convolutions of maps smaller than their kernel, as one product, with torch's, on the CPU."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from sslbench_vision.backbones.small_maps import convolve_as_product

from .conftest import State, median_time_ratio
from .figures import Figure

ENDS = {"512 channels on one place": (512, 1), "256 channels on 2 x 2 places": (256, 2)}
"""The last stage of a ResNet-18 with 32 px input, and the stage before it."""


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
@pytest.mark.parametrize("name", ENDS)
def test_one_product_beats_torchs_convolution(benchmark, state: State, name, precision):
    """Compare with the installed torch; if a newer one is faster, use its convolution."""
    (channels, side), dtype = ENDS[name], getattr(torch, precision)
    maps = torch.randn(512, channels, side, side, dtype=dtype).to(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(channels, channels, 3, 3).to(memory_format=torch.channels_last).requires_grad_()

    def step(convolve) -> None:  # type: ignore[no-untyped-def]
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            convolve(maps, weight, None, (1, 1), (1, 1)).float().sum().backward()

    gain = median_time_ratio(partial(step, torch.nn.functional.conv2d), partial(step, convolve_as_product), rounds=15)
    benchmark(partial(step, convolve_as_product))
    state(Figure(what=f"3x3 convolution, {name}, {precision}, CPU", against="torch's", found=gain, aim=1, unit="x"))
    assert gain > 1
