"""Define the modality of a dataset: its layout, shape, type of values and statistics. Imports no torch."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sslbench.api.layouts import DTYPES, LAYOUTS, Layout, LayoutSpec, load_layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMPUTED_FACTS = ("size", "length")
"""Facts that preparation adds itself: the size of images of mixed size, and the length of ragged sequences."""
PLACE_FACTS = ("box", "flip")
"""Facts that every view of an image has; see `sslbench.api.view_places`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Modality:
    """One modality of a dataset, as an encoder receives it.

    shape: shape of a sample; 0 where samples differ. Sequences of different lengths are padded at the end, and the fact
        'length' holds their true number of steps.
    sequence_of: another modality; every step of axis 0 is a sample of it.
    facts: names of numbers that `read` returns as '<modality>.<fact>', such as the time of each step; views have them too.
        For sequences a fact is one number, or has one entry per step along axis 0; for others it has any fixed shape.
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
    def announced_facts(self) -> tuple[str, ...]:
        """Return the facts that `read` returns, without those that preparation adds."""
        return tuple(fact for fact in self.facts if fact not in COMPUTED_FACTS)

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
        if self.sequence_of and not spec.has_length:
            yield f"is a sequence of {self.sequence_of!r}, but layout {self.layout!r} has no steps"
        added = [f for f, has in (("size", spec.has_size), ("length", self.is_ragged)) if f in self.facts and not has]
        if added:
            yield f"announces the fact {added[0]!r}, which its samples do not have"
        for fact in self.announced_facts:
            if not fact or "." in fact:
                yield f"announces the fact {fact!r}. Use a name without dots"
            if fact in PLACE_FACTS and spec.has_places:
                yield f"announces the fact {fact!r}, which views of images have already. Use another name"
        if self.shown and (len(self.shown) not in (1, 3) or not all(0 <= c < self.channels for c in self.shown)):
            yield f"shows channels {self.shown}. State one or three of its {self.channels} channels, from 0"

    def find_fact_errors(self, name: str, sample: Mapping[str, NDArray[Any]]) -> Iterator[str]:
        """Yield what is wrong with the announced facts of a sample, as read, of this modality called `name`."""
        import numpy as np  # here, as commands that only list and help do without it

        for fact in self.announced_facts:
            key = f"{name}.{fact}"
            if key not in sample:
                yield f"{name!r} announces the fact {fact!r}, but read() returns no {key!r}"
                continue
            value = np.asarray(sample[key])
            if value.dtype.kind not in "biuf":
                yield f"{key!r} holds {value.dtype}, but facts are numbers"
            elif self.spec.has_length and value.ndim and len(value) != len(sample[name]):
                yield f"{key!r} has {len(value)} entries, but {name!r} has {len(sample[name])} steps"

    def key_form(self) -> dict[str, Any]:
        """Return what stage keys contain of it: every field, and the version of its layout."""
        return {**{field.name: getattr(self, field.name) for field in fields(self)}, "layout": self.spec.label}


def match_encoders(encoders: Collection[str], modalities: Mapping[str, Modality]) -> dict[str, str]:
    """Return the encoder of each modality that has one: its own, or for a series that of its steps."""
    own = {name: name for name in encoders if name in modalities}
    steps = {name: one.sequence_of or "" for name, one in modalities.items() if name not in encoders}
    return own | {name: step for name, step in steps.items() if step in encoders}
