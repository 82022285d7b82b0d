"""Projectors and predictors: stacks of linear layers as the papers print them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from torch import nn

End = Literal["linear", "unbiased", "norm", "plain-norm"]
"""What follows the last hidden layer: a linear layer, one without bias, or one with (affine or plain) batch norm."""


def mlp(
    widths: Sequence[int], *, norm: bool = True, activation: type[nn.Module] = nn.ReLU, end: End = "linear"
) -> nn.Sequential:
    """Linear, (batch norm), activation for every hidden width; a layer before a norm has no bias."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths[:-1]):
        layers += [nn.Linear(wide, narrow, bias=not norm), *([nn.BatchNorm1d(narrow)] if norm else []), activation()]
    layers.append(nn.Linear(widths[-2], widths[-1], bias=end == "linear"))
    if end in ("norm", "plain-norm"):
        layers.append(nn.BatchNorm1d(widths[-1], affine=end == "norm"))
    return nn.Sequential(*layers)
