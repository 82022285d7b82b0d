"""Define options for reading image files, which datasets offer as settings. Imports no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from sslbench.api.ranges import AnyFloat, NonEmpty, NonNegativeInt, PositiveInt, Span
from sslbench.api.settings import setting

T = TypeVar("T")
GrayOrColor: TypeAlias = Literal["gray", "color"]
Channels: TypeAlias = Literal["auto", "gray", "color"] | NonEmpty[NonNegativeInt]
"""Channels of an image: those of the files, gray, color, or the channels with these numbers (from 0)."""

Pages: TypeAlias = NonNegativeInt | Literal["all", "max", "mean"] | None
"""Pages of a file to read: a number (from 0), all as channels, their maximum or mean; None: files have one page."""

IntensityRange: TypeAlias = Literal["percentiles", "minmax", "type"] | Span[AnyFloat]
"""Values that become black and white in images of more than 8 bits, the same for all images of a dataset."""

MAX_PIXELS = 178_956_970
"""Default limit of Pillow on the pixels of an image."""


def channels_setting(default: T, help: str) -> T:
    """Return the setting of the channels of images, which knows the old names of its values."""
    return setting(default, help, old_values={"grey": "gray", "colour": "color"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """Options for reading image files."""

    channels: Channels = channels_setting(
        "auto",
        "Channels of each image: 'auto' (those of the files; color where gray and color are mixed), 'gray', 'color', or "
        "channel numbers from 0, such as [0,2].",
    )
    pages: Pages = setting(
        None, "Pages to read from files with several: a number from 0, 'all' (as channels), 'max' or 'mean'."
    )
    intensity_range: IntensityRange = setting(
        "percentiles",
        "Values that become black and white in images of more than 8 bits: 'percentiles' (0.1 and 99.9 over all images), "
        "'minmax' (over all images), 'type' (range of the file's type), or [BLACK,WHITE].",
    )
    max_pixels: PositiveInt = setting(MAX_PIXELS, "Limit on the pixels of an image; larger images are left out.")
