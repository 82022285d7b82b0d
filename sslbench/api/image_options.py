"""Options for reading image files, which datasets offer as settings. Imports no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from sslbench.api.ranges import AnyFloat, NonEmpty, NonNegativeInt, PositiveInt, Span

GrayOrColor: TypeAlias = Literal["gray", "color"]
Channels: TypeAlias = Literal["auto", "gray", "color"] | NonEmpty[NonNegativeInt]
"""Channels that an image gets: as the files have them, gray, color, or those with these numbers (from 0)."""

Pages: TypeAlias = NonNegativeInt | Literal["all", "max", "mean"] | None
"""Which pages of a file are read: one of them (from 0), all as channels, their maximum or mean; None: files have one."""

IntensityRange: TypeAlias = Literal["percentiles", "minmax", "type"] | Span[AnyFloat]
"""Values shown as black and white for images of more than 8 bits, one range for the whole dataset."""

MAX_PIXELS = 178_956_970
"""Pixels above which Pillow refuses an image by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """How image files are read; the names are those of the settings that users write."""

    channels: Channels = "auto"
    pages: Pages = None
    intensity_range: IntensityRange = "percentiles"
    max_pixels: PositiveInt = MAX_PIXELS
