"""Measure what masking saves: an encoder of a quarter of the patches against the same one of all patches."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from sslbench.api import Modality
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.choices import choose

from .conftest import State, median_time_ratio
from .figures import Figure

IMAGES = {"micro-vit": (64, 64), "vit_small_patch16_224": (224, 8)}
"""Side length and number of the images, by backbone."""


@pytest.mark.parametrize("name", IMAGES)
def test_an_encoder_pays_for_visible_patches_alone(benchmark, state: State, name):
    """Compare forward and backward with mask 0.75; 0.25 is the lower limit."""
    side, count = IMAGES[name]
    problems: list[str] = []
    choice = choose(discover(installed_entries()), "backbone", name, {}, "backbone", problems)
    assert choice is not None, problems
    modality = Modality(layout="image", shape=(1, side, side))
    encoder = choice.build(modality)
    x = torch.rand(count, 1, side, side)
    patches = (side // encoder.patch[0]) ** 2
    keep = torch.rand(count, patches).argsort(1)[:, : patches // 4]

    def step(kept: torch.Tensor | None) -> None:
        encoder.tokens(x, kept).square().mean().backward()

    share = 1 / median_time_ratio(partial(step, None), partial(step, keep))
    benchmark(partial(step, keep))
    what = f"{name} at {side} px, {patches // 4} of {patches} patches"
    state(
        Figure(what=what, against="all patches", found=share, better="less", note="0.25 if nothing else cost anything")
    )
