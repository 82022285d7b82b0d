"""Define layouts: the axes of one sample, and everything that depends on them. Imports no torch.

`LayoutSpec` states the facts that plans, keys and records need; `Layout` is the base class of implementations, which prepare,
convert and draw samples. The built-in layouts are plugins like any other.

A modality names its layout as text, because datasets of plugins, cards and stored files do. `LAYOUTS` resolves the name: one
table for the process, because a modality is also used where no catalog is at hand, such as in the loader's processes, in a
reader of stored samples, and in a plugin's own tests. The table is filled by every discovery. A process without one discovers
the installed plugins when a layout is first missing, as commands do: it leaves out disabled plugins and names broken ones.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from sslbench.api.citation import Described
from sslbench.api.errors import ImplementationError, RequestError
from sslbench.api.implementations import load_implementation
from sslbench.api.suggestions import did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from sslbench.api.modality import Modality

DTYPES: Mapping[str, int] = {"uint8": 255, "uint16": 65535, "float32": 1}
"""Types of stored values, and the stored value of 1 in the natural range: integers are divided by it, floats kept."""
ANY_LAYOUT = frozenset({"any"})
"""As `layouts` of a backbone or an operation: it takes every layout."""
RANDOM_SIDE = 64
"""Length of sides that vary in random samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutSpec(Described):
    """A layout of samples.

    build: its implementation, a subclass of `Layout`, as "package.module:Name".
    axes: names of the axes of a sample, in the plural.
    channel_axis: axis of the channels; each channel has its own mean and standard deviation.
    example: shape of a sample for the conformance kit, without 0.
    dtype: type of stored values where a modality states none: 'uint8', 'uint16' or 'float32'.
    has_size: whether all axes but the channels are in pixels: `prepare.size` and `view.size` apply, and where sides differ
        between samples, the fact 'size' holds those of the sample.
    has_length: whether axis 0 may differ between samples; the fact 'length' holds its length, and batches are padded.
    has_image: whether figures and pages show samples as images.
    memory_format: torch's memory format of batches, such as 'channels_last'; '' for the default.
    """

    build: str | Callable[[LayoutSpec], Layout]
    axes: tuple[str, ...]
    channel_axis: int
    example: tuple[int, ...]
    dtype: str = "float32"
    has_size: bool = False
    has_length: bool = False
    has_image: bool = False
    memory_format: str = ""

    @property
    def has_places(self) -> bool:
        """Return whether samples are [C, H, W] in pixels, so that views have the facts of `sslbench.api.view_places`."""
        return self.has_size and len(self.axes) == 3 and self.channel_axis == 0

    @property
    def label(self) -> str:
        """Return the name for keys, with the version from 2 on."""
        return self.name if self.version == 1 else f"{self.name} {self.version}"

    def sides(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the sides of a shape, without the channels."""
        return (*shape[: self.channel_axis], *shape[self.channel_axis + 1 :])

    def with_sides(self, shape: tuple[int, ...], sides: Iterable[int]) -> tuple[int, ...]:
        """Return a shape with the same number of channels and other sides."""
        others = tuple(sides)
        return (*others[: self.channel_axis], shape[self.channel_axis], *others[self.channel_axis :])

    def with_channels(self, shape: tuple[int, ...], channels: int) -> tuple[int, ...]:
        """Return a shape with the same sides and another number of channels."""
        return (*shape[: self.channel_axis], channels, *shape[self.channel_axis + 1 :])

    def implementation(self) -> Callable[..., Any]:
        """Return what `build` names, imported on the first call; raises ImplementationError in one line."""
        try:
            return load_implementation(self.build)
        except ImplementationError as error:
            raise ImplementationError(f"{self.name!r}: {error}") from error


class TakesLayouts:
    """Base of specs that state layouts: of backbones the ones that they take, of operations the ones that they change."""

    __slots__ = ()
    layouts: frozenset[str]

    def takes(self, layout: str) -> bool:
        """Return whether `layouts` contains a layout, or is `ANY_LAYOUT`."""
        return layout in self.layouts or self.layouts == ANY_LAYOUT


class PrepareOptions(Protocol):
    """Settings of preparation that a layout with sizes may need; see `sslbench show settings prepare`."""

    @property
    def fit(self) -> str: ...
    @property
    def background(self) -> str: ...


class Layout:
    """Implementation of a layout: prepares, converts and draws samples.

    The base class handles arrays of any axes, by the facts of the spec. A subclass defines `draw` or `to_image`, and with
    sizes in pixels also `fit` and `resize`.
    """

    def __init__(self, spec: LayoutSpec) -> None:
        self.spec = spec

    def stored(self, modality: Modality, canvas: int) -> Modality:
        """Return a modality after preparation: larger or mixed sizes get the canvas, and what differs becomes a fact."""
        spec, sides = self.spec, self.spec.sides(modality.shape)
        if spec.has_size and 0 in modality.shape:
            shape = spec.with_sides(modality.shape, (canvas,) * len(sides))
            return replace(modality, shape=shape, facts=(*modality.facts, "size"))
        if spec.has_size and canvas and canvas < max(sides):
            return replace(modality, shape=spec.with_sides(modality.shape, (canvas,) * len(sides)))
        if modality.is_ragged:
            return replace(modality, facts=(*modality.facts, "length"))
        return modality

    def fit(self, value: NDArray[Any], stored: Modality, options: PrepareOptions) -> NDArray[Any]:
        """Return a valid sample in its stored shape and type; with sizes in pixels, on the canvas of `stored`."""
        return value

    def find_sample_errors(self, value: NDArray[Any], modality: Modality) -> Iterator[str]:
        """Yield what a sample, as read, has that its modality does not declare: another shape or type of values."""
        import numpy as np  # here, as commands that only list and help do without it

        shape = modality.shape
        if value.ndim != len(shape) or any(side not in (0, own) for side, own in zip(shape, value.shape, strict=True)):
            yield f"has shape {value.shape}, but the dataset declares {shape}"
        elif modality.sequence_of and not len(value):
            yield "has no steps"
        wanted = np.dtype(modality.stored_dtype)
        fits = value.dtype == wanted if wanted.kind == "u" else np.can_cast(value.dtype, wanted, "same_kind")
        if not fits:
            yield f"has values of type {value.dtype}, but the dataset declares {wanted}"

    def by_channel(
        self, values: NDArray[Any], lengths: NDArray[np.int64] | None, modality: Modality
    ) -> NDArray[np.float64]:
        """Return stored values [B, *shape] as [positions, channels] in the natural range, without padded steps."""
        import numpy as np  # here, as commands that only list and help do without it

        axis = self.spec.channel_axis + 1
        if lengths is None:
            flat = np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])
        else:
            inside = np.arange(values.shape[1])[None] < lengths[:, None]
            flat = np.moveaxis(values, axis, -1)[inside].reshape(-1, values.shape[axis])
        natural = flat.astype(np.float64)
        return natural / DTYPES[values.dtype.name] if values.dtype.kind == "u" else natural

    def natural(self, stored: Tensor) -> Tensor:
        """Return stored values [B, *shape], on their device, as float32 in the natural range."""
        import torch

        scale = {torch.uint8: 1 / 255, torch.uint16: 1 / 65535}.get(stored.dtype)
        values = stored.to(torch.float32)
        return values if scale is None else values.mul_(scale)

    def resize(self, x: Tensor, sides: tuple[int, ...], aspect: Tensor | None) -> Tensor:
        """Return samples [B, *shape] at the encoder's size, in the natural range; only for layouts with sizes.

        `aspect` [B] is the original width over height of samples that were squashed to their canvas.
        """
        raise NotImplementedError(
            f"layout {self.spec.name!r} has sizes in pixels, but {type(self).__name__} has no resize"
        )

    def shown_boxes(self, x: Tensor, aspect: Tensor | None) -> Tensor:
        """Return the part of samples [B, *shape] with two sides that `resize` shows: boxes [B, 4], by default the whole.

        Boxes are top, left, height and width in pixels.
        """
        from sslbench.api.image_boxes import full_boxes

        return full_boxes(x)

    def random(self, modality: Modality, rng: np.random.Generator) -> NDArray[Any]:
        """Return one sample of noise; sides that vary are 64."""
        import numpy as np  # here, as commands that only list and help do without it

        shape, wanted = tuple(side or RANDOM_SIDE for side in modality.shape), np.dtype(modality.stored_dtype)
        if wanted.kind == "u":
            return rng.integers(0, DTYPES[wanted.name] + 1, shape, dtype=wanted)
        return rng.normal(size=shape).astype(wanted)

    def to_image(self, values: NDArray[Any], modality: Modality) -> NDArray[np.uint8]:
        """Return stored or natural values of one sample as [H, W] or [H, W, 3]; only where `has_image`."""
        raise NotImplementedError(f"layout {self.spec.name!r} has_image, but {type(self).__name__} has no to_image")

    def draw(self, axes: Any, values: NDArray[Any], modality: Modality, length: int | None = None) -> None:
        """Draw stored or natural values of one sample on matplotlib axes, without steps from `length` on."""
        if not self.spec.has_image:
            raise NotImplementedError(f"layout {self.spec.name!r}: {type(self).__name__} has neither to_image nor draw")
        axes.imshow(self.to_image(values, modality), cmap="gray", vmin=0, vmax=255)


def scale_to_range(
    values: NDArray[Any], natural_range: tuple[float, float] | None, axes: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Return values as 0 to 255, for images.

    8-bit values are kept. Others are scaled from `natural_range`, or without it from their smallest and largest value along
    `axes`, such as height and width.
    """
    import numpy as np  # as above

    if values.dtype == np.uint8:
        return values
    natural = values.astype(np.float64) / (DTYPES[values.dtype.name] if values.dtype.kind == "u" else 1)
    low: Any = natural.min(axis=axes, keepdims=True) if natural_range is None else natural_range[0]
    high: Any = natural.max(axis=axes, keepdims=True) if natural_range is None else natural_range[1]
    shares: NDArray[np.float64] = np.clip((natural - low) / np.where(high > low, high - low, 1), 0, 1)
    return np.round(shares * 255).astype(np.uint8)


# ---- layouts by name -------------------------------------------------------------------------------------------------


class LayoutTable:
    """Layouts by name, those of all discoveries of this process.

    `discover_with` sets what to do where a name is missing: call a function that registers the layouts of installed plugins
    and returns a sentence per plugin that it could not use.
    """

    def __init__(self) -> None:
        self._specs: dict[str, LayoutSpec] = {}
        self._missing: dict[str, list[str]] = {}
        self._discover: Callable[[], Iterable[str]] = tuple
        self._is_discovering = False

    def register(self, specs: Iterable[LayoutSpec]) -> None:
        """Add layouts, which replace earlier ones of the same name."""
        self._specs.update({spec.name: spec for spec in specs})
        self._missing.clear()

    def discover_with(self, discover: Callable[[], Iterable[str]]) -> None:
        """Set the function that is called for a missing name."""
        self._discover = discover

    def find(self, name: str) -> LayoutSpec:
        """Return a layout by name.

        Raises RequestError for a name that no usable plugin provides; it also names the plugins that cannot be used.
        """
        if name not in self._specs and name not in self._missing and not self._is_discovering:
            self._is_discovering = True  # plugins may look up layouts while they are loaded
            try:
                self._missing[name] = [*self._discover()]
            finally:
                self._is_discovering = False
        if name not in self._specs:
            unknown = f"layout {name!r} is not installed{did_you_mean(name, self._specs)}"
            raise RequestError([unknown, *self._missing.get(name, [])])
        return self._specs[name]


LAYOUTS = LayoutTable()
"""The layouts of this process; see the module."""


@functools.lru_cache
def load_layout(spec: LayoutSpec) -> Layout:
    """Return the implementation of a layout, built once."""
    return cast(Layout, spec.implementation()(spec))
