"""Compare attention as three plain products with torch's fused kernel, in half precision on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from sslbench_vision.backbones.transformer import attention

from .conftest import State, median_time_ratio
from .figures import Figure

SHAPES = {"17 tokens": (64, 4, 17, 32), "65 tokens": (64, 4, 65, 32), "197 tokens": (32, 3, 197, 64)}
"""Tokens of a masked encoder of 64 px, of an unmasked one, and of a ViT-Ti/16 of 224 px: [B, heads, N, D]."""


@pytest.mark.parametrize("name", SHAPES)
def test_plain_products_beat_the_fused_kernel_in_half_precision(benchmark, state: State, name):
    """Compare with the fused kernel of the installed torch; if a newer one is faster, change `fused`."""
    q, k, v = (torch.randn(SHAPES[name], dtype=torch.bfloat16, requires_grad=True) for _ in range(3))

    def step(attend: Callable[..., torch.Tensor]) -> None:
        attend(q, k, v).sum().backward()

    gain = median_time_ratio(
        partial(step, torch.nn.functional.scaled_dot_product_attention), partial(step, attention), rounds=15
    )
    benchmark(partial(step, attention))
    what = f"attention of {name} as plain products, bfloat16, CPU"
    state(Figure(what=what, against="torch's fused kernel", found=gain, aim=1, unit="x"))
    assert gain > 1
