"""Decode image files of any bit depth, orientation, number of pages and channels. Imports no torch.

Pillow reads all files except some TIFF files (more than 8 bits per color, 64 bits, more than four channels), which
tifffile reads.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from sslbench.api.errors import DataBroken
from sslbench.api.image_options import MAX_PIXELS, Pages

GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
TIFF = "TIFF"
ORIENTATION, SAMPLES_PER_PIXEL, SAMPLE_FORMAT = 0x0112, 277, 339

TRANSIENT_ERRORS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE, errno.ENOMEM, errno.EAGAIN, errno.ETIMEDOUT}
)
"""Errors of the operating system that do not depend on the file."""

_limit = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """Properties of an image file that are known without decoding its pixels.

    decoder: library that reads the file.
    channels: channels of one page, without transparency.
    dtype: type of the decoded values.
    stored_bits: bits per value in the file.
    height, width: size after the EXIF orientation is applied.
    problem: reason why the file cannot be read, or ''.
    is_transient: whether the problem may disappear, such as too many open files.
    """

    decoder: Literal["pillow", "tifffile"] = "pillow"

    format: str = ""
    channels: int = 0
    dtype: str = "uint8"
    stored_bits: int = 8
    height: int = 0
    width: int = 0
    pages: int = 1
    transparent: bool = False
    rotated: bool = False
    problem: str = ""
    is_transient: bool = False

    def as_dict(self) -> dict[str, str | int]:
        """Return the fields by name; `asdict` copies each value, which is slow for a hundred thousand files."""
        return {name: getattr(self, name) for name in self.__slots__}


def read_header(path: Path, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """Read the header of an image file; `problem` is set where the file cannot be read."""
    try:
        header = _find_header(path)
    except Exception as error:  # a decoder may raise any error
        return ImageHeader(problem=_describe(error, path), is_transient=is_transient(error))
    pixels = header.height * header.width
    if pixels > max_pixels:
        problem = f"{header.width} x {header.height} = {pixels:,} pixels, more than data.max_pixels={max_pixels:,}"
        return ImageHeader(format=header.format, height=header.height, width=header.width, problem=problem)
    return header


def is_transient(error: Exception) -> bool:
    """Return whether an error does not depend on the file, such as too many open files or too little memory."""
    return isinstance(error, MemoryError) or getattr(error, "errno", None) in TRANSIENT_ERRORS


def decode_image(path: Path, pages: Pages = None, header: ImageHeader | None = None) -> NDArray[Any]:
    """Decode an image file as [C, H, W] in its own type; uint8 where it has at most 8 bits per value.

    The EXIF orientation is applied, and transparent pixels are shown on white. `header` saves reading the header again.
    Raises DataBroken for a missing page, several pages without a choice, too many pixels, and values that are not finite;
    and any error of the decoder.
    """
    header = header or read_header(path)
    if header.problem:
        raise DataBroken(header.problem)
    count = header.pages
    if pages is None and count > 1:
        raise DataBroken(f"has {count} pages, and data.pages is not set")
    if isinstance(pages, int) and not 0 <= pages < count:
        raise DataBroken(f"has {count} page(s), numbered from 0, and no page {pages}")
    numbers = [pages] if isinstance(pages, int) else list(range(count))
    read = _read_tiff if header.decoder == "tifffile" else _read_pillow
    planes = list(read(path, numbers))
    if pages == "max":
        planes = [np.max(planes, axis=0)]
    elif pages == "mean":
        mean = np.mean(planes, axis=0)
        planes = [np.round(mean).astype(planes[0].dtype) if planes[0].dtype.kind in "iu" else mean]
    values: NDArray[Any] = np.concatenate(planes)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataBroken("contains values that are not finite")
    return values


def scale_to_bytes(values: NDArray[Any], low: Sequence[float], high: Sequence[float]) -> NDArray[np.uint8]:
    """Scale [C, H, W] to 0..255: `low` becomes black and `high` white, one value for all channels or one per channel."""
    bottom, top = (np.reshape(np.asarray(v, np.float64), (-1, 1, 1)) for v in (low, high))
    span = np.where(top > bottom, top - bottom, 1.0)
    shares: NDArray[np.float64] = np.clip((values.astype(np.float64) - bottom) / span, 0, 1)
    scaled: NDArray[np.uint8] = np.round(shares * 255).astype(np.uint8)
    return scaled


def convert_to_gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert color [3, H, W] to luma [1, H, W], rounded as in Pillow (ITU-R 601-2)."""
    red, green, blue = image.astype(np.uint32)
    luma: NDArray[np.uint8] = ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.uint8)
    return luma[None]


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image with Pillow, without its limit of pixels: callers check the size in the header."""
    with path.open("rb") as file:  # given a path, Pillow memory-maps some TIFF files and does not turn them upright
        with _limit:  # Pillow's limit is a global of its module, checked while a header is read
            pillow_limit = Image.MAX_IMAGE_PIXELS
            Image.MAX_IMAGE_PIXELS = None
            try:
                opened = Image.open(file)
            finally:
                Image.MAX_IMAGE_PIXELS = pillow_limit
        with opened:
            yield opened


def _describe(error: Exception, path: Path) -> str:
    """Describe an error in one line, without the folder's path."""
    text = " ".join(str(error).split()).replace(str(path), path.name)
    return text or type(error).__name__


def _loses_data(opened: Image.Image) -> bool:
    """Return whether an image is a TIFF file of which Pillow would lose bits or channels."""
    if opened.format != TIFF:
        return False
    loses_channels = opened.tag_v2.get(SAMPLES_PER_PIXEL, 1) != len(opened.getbands())  # type: ignore[attr-defined]
    loses_bits = _stored_bits(opened) > 8 and opened.mode not in GRAY_MODES
    is_unsigned = opened.tag_v2.get(SAMPLE_FORMAT, (1,)) in ((1,), 1)  # type: ignore[attr-defined]
    # mode I reads uint32 as int32, and L reads int8 as uint8
    return loses_bits or loses_channels or opened.mode == "I" or not is_unsigned


def _is_tiff(path: Path) -> bool:
    """Return whether a file begins as a TIFF file; Pillow cannot identify all of them."""
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _stored_bits(opened: Image.Image) -> int:
    """Return the bits per value in the file, as far as Pillow's raw mode states them."""
    if opened.mode in ("I", "F"):
        return 32
    raw = [
        str(tile[3][0] if isinstance(tile[3], tuple) else tile[3]) for tile in getattr(opened, "tile", ()) if tile[3]
    ]
    return 16 if opened.mode.startswith("I;16") or any(";16" in mode for mode in raw) else 8


def _find_header(path: Path) -> ImageHeader:
    try:
        with open_image(path) as opened:
            return _tiff_header(path) if _loses_data(opened) else _pillow_header(opened)
    except UnidentifiedImageError:
        if _is_tiff(path):
            return _tiff_header(path)
        raise


def _pillow_header(opened: Image.Image) -> ImageHeader:
    bits, orientation = _stored_bits(opened), _find_orientation(opened)
    turned = opened.format != TIFF and orientation in (5, 6, 7, 8)  # for TIFF files, Pillow returns the turned size
    width, height = opened.size[::-1] if turned else opened.size
    kinds = {"I": "int32", "F": "float32"}
    dtype = kinds.get(opened.mode, "uint16" if opened.mode.startswith("I;16") else "uint8")
    return ImageHeader(
        format=str(opened.format), channels=1 if opened.mode in GRAY_MODES else 3, dtype=dtype, stored_bits=bits,
        height=height, width=width, pages=_count_pages(opened), transparent=_is_transparent(opened),
        rotated=orientation != 1,
    )  # fmt: skip


def _find_orientation(opened: Image.Image) -> int:
    """Return the EXIF orientation; of PNG files only if it precedes the pixels, which would be decoded otherwise."""
    if opened.format == "PNG" and "exif" not in opened.info:
        return 1
    return int(opened.getexif().get(ORIENTATION, 1))


def _count_pages(opened: Image.Image) -> int:
    """Return the number of pages or frames; 1 for a camera's MPO file, whose other images are previews."""
    return 1 if opened.format == "MPO" else int(getattr(opened, "n_frames", 1))


def _is_transparent(opened: Image.Image) -> bool:
    return opened.mode in ALPHA_MODES or "transparency" in opened.info


def _read_pillow(path: Path, pages: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Yield the pages, each as [C, H, W]."""
    with open_image(path) as opened:
        for page in pages:
            if page or _count_pages(opened) > 1:
                opened.seek(page)
            opened.load()
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I") or image.mode == "F":
                yield np.array(image)[None]
                continue
            if _is_transparent(image):
                rgba = image.convert("RGBA")
                background = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
                background.alpha_composite(rgba)
                image = background.convert("L" if opened.mode in GRAY_MODES else "RGB")
            array = np.array(image.convert("L" if opened.mode in GRAY_MODES else "RGB"), np.uint8)
            yield array[None] if array.ndim == 2 else np.ascontiguousarray(np.moveaxis(array, -1, 0))


def _tiff_header(path: Path) -> ImageHeader:
    with tifffile.TiffFile(path) as opened:
        first = opened.pages.first
        kind, orientation = np.dtype(first.dtype), _find_tag(first, ORIENTATION)
        size = (first.imagelength, first.imagewidth)
        height, width = size[::-1] if orientation in (5, 6, 7, 8) else size
        if kind.kind not in "iuf":
            return ImageHeader(format=TIFF, height=height, width=width, problem=f"holds values of type {kind.name}")
        return ImageHeader(
            decoder="tifffile", format=TIFF, channels=first.samplesperpixel - _count_alpha(first), dtype=kind.name,
            stored_bits=8 * kind.itemsize, height=height, width=width, pages=len(opened.pages), rotated=orientation != 1,
            transparent=_count_alpha(first) > 0,
        )  # fmt: skip


def _find_tag(page: Any, number: int) -> int:
    """Return the value of a tag of a TIFF page; 1 where the tag is missing."""
    tag = page.tags.get(number)
    return int(tag.value) if tag else 1


def _count_alpha(page: Any) -> int:
    """Return the number of transparency channels of a TIFF page (ExtraSamples 1 and 2)."""
    return sum(int(kind) in (1, 2) for kind in page.extrasamples or ())


def _read_tiff(path: Path, pages: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Yield the pages, each as [C, H, W], upright and without transparency."""
    with tifffile.TiffFile(path) as opened:
        for number in pages:
            page: Any = opened.pages[number]
            values = np.asarray(page.asarray())
            if values.ndim == 2:
                values = values[None]
            elif page.axes.endswith("S"):
                values = np.moveaxis(values, -1, 0)
            channels = len(values) - _count_alpha(page)
            yield np.ascontiguousarray(_turn_upright(values[:channels], _find_tag(page, ORIENTATION)))


def _turn_upright(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Apply an EXIF orientation to [C, H, W]."""
    if orientation in (5, 6, 7, 8):
        values = np.swapaxes(values, 1, 2)
    if orientation in (3, 4, 7, 8):
        values = values[:, ::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, :, ::-1]
    return values
