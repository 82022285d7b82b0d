"""Build projectors and predictors from linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from torch import nn

End = Literal["linear", "unbiased", "norm", "plain-norm"]
"""Last layer: linear, linear without bias, or linear with batch norm (affine or plain)."""


def mlp(
    widths: Sequence[int], *, norm: bool = True, activation: type[nn.Module] = nn.ReLU, end: End = "linear"
) -> nn.Sequential:
    """Build linear layer, batch norm (optional) and activation per hidden width; no bias before a norm."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths[:-1]):
        layers += [
            nn.Linear(width_in, width_out, bias=not norm),
            *([nn.BatchNorm1d(width_out)] if norm else []),
            activation(),
        ]
    layers.append(nn.Linear(widths[-2], widths[-1], bias=end == "linear"))
    if end in ("norm", "plain-norm"):
        layers.append(nn.BatchNorm1d(widths[-1], affine=end == "norm"))
    return nn.Sequential(*layers)
