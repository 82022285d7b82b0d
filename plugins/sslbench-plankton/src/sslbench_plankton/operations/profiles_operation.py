"""Change batches of profiles [B, T, C]; the true steps of a profile are in 'NAME.length' [B]."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sslbench.api import KeyedRandom, OperationParts, View
from sslbench.api.modules import Operation
from sslbench.api.series import step_facts
from sslbench.api.view_places import LEFT_RIGHT, flip_facts
from sslbench_plankton.operations.profiles import BandDropConfig, BandScaleConfig, MirrorConfig, TimeCropConfig
from sslbench_plankton.resampling import resample

Change = Callable[[Tensor, "Tensor | None", KeyedRandom], "dict[str, Tensor]"]
"""A sequence, its true steps and its draws -> what becomes of it ('') and of its facts ('.length')."""


def modalities_of(parts: OperationParts, layout: str) -> tuple[str, ...]:
    """The modalities of a layout."""
    return tuple(name for name, modality in parts.modalities.items() if modality.layout == layout)


class OnSequences:
    """Apply one function to every sequence of a view, with draws of its own for each.

    moves_steps: whether the function moves or resamples steps, so that facts of the steps follow, such as their times.
    """

    def __init__(self, parts: OperationParts, change: Change, *, moves_steps: bool = False) -> None:
        self.names, self.change, self.moves_steps = modalities_of(parts, "sequence"), change, moves_steps

    def __call__(self, view: View, draws: KeyedRandom) -> View:
        made = dict(view)
        for name in (name for name in self.names if name in view):
            length, own = view.get(f"{name}.length"), draws.fork(name)
            changed = self.change(view[name], length, own)
            made |= {f"{name}{fact}": value for fact, value in changed.items()}
            for fact, values in step_facts(view, name).items() if self.moves_steps else ():
                moved = self.change(values.flatten(2) if values.ndim > 2 else values.unsqueeze(2), length, own)[""]
                made[fact] = moved.reshape(*moved.shape[:2], *values.shape[2:])
        return made


def select_dropped_bands(uniform: Tensor, p: float, most: int) -> Tensor:
    """Select bands to drop: draws [B, C] below p, at least one and at most `most` per sample."""
    rank = uniform.argsort(1).argsort(1)
    return (rank == 0) | ((uniform < p) & (rank < most))


def reverse_time(x: Tensor, length: Tensor | None) -> Tensor:
    """The true steps of [B, T, C] backwards; what pads them stays behind."""
    steps = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
    count = torch.full_like(steps[:, :1], x.shape[1]) if length is None else length.to(x.device).unsqueeze(1)
    places = torch.where(steps < count, count - 1 - steps, steps)
    return x.gather(1, places.unsqueeze(-1).expand_as(x))


def band_scale(config: BandScaleConfig, parts: OperationParts) -> OnSequences:
    """One factor for each band of each sample."""

    def change(x: Tensor, length: Tensor | None, draws: KeyedRandom) -> dict[str, Tensor]:
        low, high = config.factor
        return {"": x * (low + (high - low) * draws.uniform("factor", x.shape[2])).unsqueeze(1)}

    return OnSequences(parts, change)


def band_drop(config: BandDropConfig, parts: OperationParts) -> OnSequences:
    """Some bands are 0 at every step."""

    def change(x: Tensor, length: Tensor | None, draws: KeyedRandom) -> dict[str, Tensor]:
        gone = select_dropped_bands(draws.uniform("band", x.shape[2]), config.p_band, config.max_bands)
        return {"": x.masked_fill(gone.unsqueeze(1), 0.0)}

    return OnSequences(parts, change)


def time_crop(config: TimeCropConfig, parts: OperationParts) -> OnSequences:
    """A window of the resampled steps, all of it true; how many steps there were is kept as 'NAME.original_length'."""

    def change(x: Tensor, length: Tensor | None, draws: KeyedRandom) -> dict[str, Tensor]:
        starts = (draws.uniform("start") * (config.steps - config.keep + 1)).long()
        places = starts.unsqueeze(1) + torch.arange(config.keep, device=x.device)
        kept = resample(x, length, config.steps).gather(1, places.unsqueeze(-1).expand(-1, -1, x.shape[2]))
        if length is None:
            return {"": kept}
        return {"": kept, ".length": torch.full_like(length, config.keep), ".original_length": length}

    return OnSequences(parts, change, moves_steps=True)


def mirror_together(config: MirrorConfig, parts: OperationParts) -> Operation:
    """Images left to right and sequences end to start, as when the particle had passed the other way round."""
    images = modalities_of(parts, "image")
    reverse = OnSequences(parts, lambda x, n, draws: {"": reverse_time(x, n)}, moves_steps=True)

    def change(view: View, draws: KeyedRandom) -> View:
        made = dict(reverse(view, draws))
        for name in (name for name in images if name in view):
            made |= {name: view[name].flip(3), **flip_facts(view, name, LEFT_RIGHT)}
        return made

    return change
