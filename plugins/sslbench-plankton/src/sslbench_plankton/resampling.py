"""Sequences of different lengths brought to one number of steps."""

from __future__ import annotations

import torch
from torch import Tensor


def resample(x: Tensor, length: Tensor | None, steps: int) -> Tensor:
    """Linear interpolation of the true steps of [B, T, C] at the middles of `steps` equal parts: [B, steps, C].

    `length` [B] counts true steps (None: all of them). This is torch's `interpolate` of every profile alone.
    """
    count = torch.full((len(x),), x.shape[1], device=x.device) if length is None else length.to(x.device)
    count = count.clamp(min=1).unsqueeze(1)
    middles = (torch.arange(steps, device=x.device) + 0.5) / steps
    at = (middles * count - 0.5).clamp(min=0)
    lower = torch.minimum(at.floor().long(), count - 1)
    upper = torch.minimum(lower + 1, count - 1)
    share = (at - lower).unsqueeze(-1).to(x.dtype)

    def taken(places: Tensor) -> Tensor:
        return x.gather(1, places.unsqueeze(-1).expand(-1, -1, x.shape[-1]))

    return taken(lower) * (1 - share) + taken(upper) * share
