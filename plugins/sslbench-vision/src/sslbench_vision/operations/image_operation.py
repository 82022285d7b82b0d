"""Apply an operation to the image modalities of views."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from sslbench.api import KeyedRandom, OperationParts, View


def find_image_modalities(parts: OperationParts) -> tuple[str, ...]:
    """Return the names of modalities that are images."""
    return tuple(name for name, modality in parts.modalities.items() if modality.layout == "image")


class ImageOperation:
    """Operation that applies a function to every image modality of a view, with separate random numbers."""

    def __init__(self, parts: OperationParts, change: Callable[[Tensor, KeyedRandom], Tensor]) -> None:
        self.names = find_image_modalities(parts)
        self.change = change

    def __call__(self, view: View, draws: KeyedRandom) -> View:
        changed = {name: self.change(view[name], draws.fork(name)) for name in self.names if name in view}
        return {**view, **changed}


def scale_uniform(uniform: Tensor, low: float, high: float) -> Tensor:
    """Scale uniform numbers in [0, 1) to [low, high)."""
    return low + (high - low) * uniform
