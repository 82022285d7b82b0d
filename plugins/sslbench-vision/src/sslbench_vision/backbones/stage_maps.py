"""Return the maps after the stages of a CNN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from sslbench.api.capabilities import take_outputs


def stage_maps(x: Tensor, stages: Sequence[nn.Module], indices: Sequence[int]) -> tuple[Tensor, ...]:
    """Return the maps [B, C, H, W] after some of the stages, which follow each other; the first has the stem."""
    return take_outputs(_run_stages(x, stages), indices, len(stages))


def _run_stages(x: Tensor, stages: Sequence[nn.Module]) -> Iterator[Tensor]:
    for stage in stages:
        x = stage(x)
        yield x
