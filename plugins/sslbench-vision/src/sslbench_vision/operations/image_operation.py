"""What image operations share: which modalities they act on. Imports torch."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from sslbench.api import KeyedRandom, OperationParts, View


def find_image_modalities(parts: OperationParts) -> tuple[str, ...]:
    """The modalities that are images."""
    return tuple(name for name, modality in parts.modalities.items() if modality.layout == "image")


class ImageOperation:
    """Apply one function to every image modality of a view, with draws of its own for each."""

    def __init__(self, parts: OperationParts, change: Callable[[Tensor, KeyedRandom], Tensor]) -> None:
        self.names = find_image_modalities(parts)
        self.change = change

    def __call__(self, view: View, draws: KeyedRandom) -> View:
        changed = {name: self.change(view[name], draws.fork(name)) for name in self.names if name in view}
        return {**view, **changed}


def scale_uniform(uniform: Tensor, low: float, high: float) -> Tensor:
    """Uniform numbers in [0, 1) moved to [low, high)."""
    return low + (high - low) * uniform
