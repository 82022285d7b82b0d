"""Implement the layout of vectors: a bar per value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.layouts import Layout
from sslbench.api.values import Modality
from sslbench.data.layouts.sequence_layout import CHANNEL_COLORS


class VectorLayout(Layout):
    """Vectors [D]."""

    def draw(self, axes: Any, values: NDArray[Any], modality: Modality, length: int | None = None) -> None:
        """Draw a bar per value."""
        axes.bar(np.arange(len(values)), values, color=CHANNEL_COLORS[0], width=1.0)
        axes.set_yscale("symlog")  # the elements have different units, and large ones would hide the others
