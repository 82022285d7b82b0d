"""What picture operations share: which modalities they act on. Imports torch."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from sslbench.api import Draws, OperationParts, View


def pictures_of(parts: OperationParts) -> tuple[str, ...]:
    """The modalities that are pictures."""
    return tuple(name for name, modality in parts.modalities.items() if modality.layout == "image")


class OnPictures:
    """Apply one function to every picture modality of a view, with draws of its own for each."""

    def __init__(self, parts: OperationParts, change: Callable[[Tensor, Draws], Tensor]) -> None:
        self.names = pictures_of(parts)
        self.change = change

    def __call__(self, view: View, draws: Draws) -> View:
        changed = {name: self.change(view[name], draws.fork(name)) for name in self.names if name in view}
        return {**view, **changed}


def between(uniform: Tensor, low: float, high: float) -> Tensor:
    """Uniform numbers in [0, 1) moved to [low, high)."""
    return low + (high - low) * uniform
