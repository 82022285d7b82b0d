"""Implement the layout of sequences: a line per channel."""

from __future__ import annotations

import itertools
from typing import Any

from numpy.typing import NDArray

from sslbench.api.layouts import Layout
from sslbench.api.values import Modality

CHANNEL_COLORS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#ee6677", "#aa3377", "#888888")
"""Colors of channels, safe for color-blind readers (Paul Tol's bright scheme)."""


class SequenceLayout(Layout):
    """Sequences [T, C]."""

    def draw(self, axes: Any, values: NDArray[Any], modality: Modality, length: int | None = None) -> None:
        """Draw a line per channel."""
        for channel, color in zip(values[:length].T, itertools.cycle(CHANNEL_COLORS), strict=False):
            axes.plot(channel, color=color, linewidth=0.7)
