"""Define the modality of a dataset: its layout, shape, type of values and statistics. Imports no torch."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from sslbench.api.layouts import DTYPES, LAYOUTS, Layout, LayoutSpec, load_layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Modality:
    """One modality of a dataset, as an encoder receives it.

    shape: shape of a sample; 0 where samples differ. Sequences of different lengths are padded at the end, and the fact
        'length' holds their true number of steps.
    sequence_of: another modality; every step of axis 0 is a sample of it.
    mean, std: statistics of the training rows per channel, in the natural range.
    dtype: type of the stored values: 'uint8', 'uint16' or 'float32'; '' for that of the layout (images: uint8, others:
        float32). The natural range of integers is [0, 1]; floats are used as they are.
    range: lowest and highest value in the natural range, for images and inversion (None: not known, except for 8 bits).
    shown: the channel, or three channels, that images show (default: the first three, or the first of fewer).
    """

    layout: str
    shape: tuple[int, ...]
    sequence_of: str | None = None
    facts: tuple[str, ...] = ()
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    dtype: str = ""
    range: tuple[float, float] | None = None
    shown: tuple[int, ...] = ()

    @property
    def spec(self) -> LayoutSpec:
        """Return the facts of its layout; raises RequestError if no plugin provides it."""
        return LAYOUTS.find(self.layout)

    @property
    def code(self) -> Layout:
        """Return the implementation of its layout, imported on first use."""
        return load_layout(self.spec)

    @property
    def channels(self) -> int:
        """Return the number of channels (0: it varies)."""
        return self.shape[self.spec.channel_axis]

    @property
    def sides(self) -> tuple[int, ...]:
        """Return the shape without the channels."""
        return self.spec.sides(self.shape)

    @property
    def stored_dtype(self) -> str:
        """Return the type of the stored values."""
        return self.dtype or self.spec.dtype

    @property
    def is_ragged(self) -> bool:
        """Return whether samples have different lengths, so that they are stored one after the other."""
        return self.spec.has_length and self.shape[0] == 0

    @property
    def has_unit_range(self) -> bool:
        """Return whether all values are in [0, 1] in the natural range."""
        return self.stored_dtype != "float32" or (self.range is not None and 0 <= self.range[0] <= self.range[1] <= 1)

    @property
    def shown_range(self) -> tuple[float, float] | None:
        """Return the natural values that images show as black and white; None: those of each image."""
        return (0.0, 1.0) if self.stored_dtype == "uint8" else self.range

    def find_errors(self) -> Iterator[str]:
        """Yield what does not fit its layout: number of axes, sides of 0, type of values, channels to show."""
        spec, shape = self.spec, self.shape
        if len(shape) != len(spec.axes):
            yield f"has shape {shape}, but layout {self.layout!r} has {len(spec.axes)} axes: {', '.join(spec.axes)}"
            return
        fixed = [spec.channel_axis] if spec.has_size else [*builtins.range(spec.has_length, len(shape))]
        if varying := [spec.axes[axis] for axis in fixed if shape[axis] == 0]:
            yield f"has shape {shape}, but the {varying[0]} of layout {self.layout!r} cannot vary"
        if self.stored_dtype not in DTYPES:
            yield f"has dtype {self.dtype!r}. Use {', '.join(DTYPES)}"
        if self.shown and (len(self.shown) not in (1, 3) or not all(0 <= c < self.channels for c in self.shown)):
            yield f"shows channels {self.shown}. State one or three of its {self.channels} channels, from 0"

    def key_form(self) -> dict[str, Any]:
        """Return what stage keys contain of it: every field, and the version of its layout."""
        return {**{field.name: getattr(self, field.name) for field in fields(self)}, "layout": self.spec.label}
