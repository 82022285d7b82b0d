"""Refuse operations that need images in [0, 1] on images of other values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sslbench.api import PlanContext


def check_unit_range(config: Any, context: PlanContext) -> Iterator[str]:
    """Yield a problem for images of floats that are not known to be in [0, 1]."""
    for name, modality in context.modalities.items():
        if modality.layout == "image" and not modality.has_unit_range:
            yield (
                f"changes images in [0, 1], but {name!r} holds floats of another or an unknown range. Choose an augmentation "
                "without this operation, or state the range in the dataset (Modality.range)"
            )
