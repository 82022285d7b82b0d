"""Decode image files: every bit depth, orientation, page and channel that a file has. Imports no torch.

Pillow reads them all but some TIFF files (more than 8 bits per color, 64 bits, more than four channels), which tifffile
reads.
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
"""Errors of the system that say nothing of a file."""

_limit = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """What an image file states about itself, without its pixels.

    `height` and `width` are those after the EXIF orientation, `channels` those of one page without transparency, `dtype`
    the type of decoded values, and `stored_bits` the bits per value in the file. `problem` states why it cannot be read
    ('': it can). `decoder` is the library that reads it.
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
    """Read what an image file states; a file that cannot be read has a `problem`."""
    try:
        header = _find_header(path)
    except Exception as error:  # whatever a decoder raises is a fact about the file
        return ImageHeader(problem=_describe(error, path), is_transient=is_transient(error))
    pixels = header.height * header.width
    if pixels > max_pixels:
        told = f"{header.width} x {header.height} = {pixels:,} pixels, more than data.max_pixels={max_pixels:,}"
        return ImageHeader(format=header.format, height=header.height, width=header.width, problem=told)
    return header


def is_transient(error: Exception) -> bool:
    """Whether an error says nothing of a file, such as too many open files or too little memory."""
    return isinstance(error, MemoryError) or getattr(error, "errno", None) in TRANSIENT_ERRORS


def decode_image(path: Path, pages: Pages = None, header: ImageHeader | None = None) -> NDArray[Any]:
    """Decode an image file as [C, H, W] in its own type; uint8 where it has at most 8 bits per value.

    The EXIF orientation is applied and transparency is shown on white. `header` saves reading the header again. Raises
    DataBroken for a page that is not there, several pages of which none is chosen, too many pixels and values that are not
    finite; else what the decoder raises.
    """
    header = header or read_header(path)
    if header.problem:
        raise DataBroken(header.problem)
    count = header.pages
    if pages is None and count > 1:
        raise DataBroken(f"has {count} pages, and none is chosen")
    if isinstance(pages, int) and not 0 <= pages < count:
        raise DataBroken(f"has {count} page(s), and none is numbered {pages}")
    wanted = [pages] if isinstance(pages, int) else list(range(count))
    read = _read_tiff if header.decoder == "tifffile" else _read_pillow
    planes = list(read(path, wanted))
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
    """Map [C, H, W] to 0..255: `low` becomes black and `high` white, one value for all channels or one for each."""
    bottom, top = (np.reshape(np.asarray(v, np.float64), (-1, 1, 1)) for v in (low, high))
    span = np.where(top > bottom, top - bottom, 1.0)
    shares: NDArray[np.float64] = np.clip((values.astype(np.float64) - bottom) / span, 0, 1)
    scaled: NDArray[np.uint8] = np.round(shares * 255).astype(np.uint8)
    return scaled


def convert_to_gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert color [3, H, W] to its luma [1, H, W], rounded as Pillow does (ITU-R 601-2)."""
    red, green, blue = image.astype(np.uint32)
    luma: NDArray[np.uint8] = ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.uint8)
    return luma[None]


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image with Pillow, of any number of pixels: the limit is the caller's to check, by the size in the header."""
    with path.open("rb") as file:  # of a path, Pillow maps some TIFF files into memory and does not turn them upright
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


def _is_narrowed(opened: Image.Image) -> bool:
    """Whether an image is a TIFF of whose values Pillow does not keep all bits, or not all channels."""
    if opened.format != TIFF:
        return False
    lost = opened.tag_v2.get(SAMPLES_PER_PIXEL, 1) != len(opened.getbands())  # type: ignore[attr-defined]
    narrowed = _stored_bits(opened) > 8 and opened.mode not in GRAY_MODES
    unsigned = opened.tag_v2.get(SAMPLE_FORMAT, (1,)) in ((1,), 1)  # type: ignore[attr-defined]
    return narrowed or lost or opened.mode == "I" or not unsigned  # mode I reads uint32 as int32, L reads int8 as uint8


def _is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF does; Pillow cannot identify all of them."""
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _stored_bits(opened: Image.Image) -> int:
    """Bits per value in the file, as far as Pillow's raw mode states them."""
    if opened.mode in ("I", "F"):
        return 32
    raw = [
        str(tile[3][0] if isinstance(tile[3], tuple) else tile[3]) for tile in getattr(opened, "tile", ()) if tile[3]
    ]
    return 16 if opened.mode.startswith("I;16") or any(";16" in mode for mode in raw) else 8


def _find_header(path: Path) -> ImageHeader:
    try:
        with open_image(path) as opened:
            return _tiff_header(path) if _is_narrowed(opened) else _pillow_header(opened)
    except UnidentifiedImageError:
        if _is_tiff(path):
            return _tiff_header(path)
        raise


def _pillow_header(opened: Image.Image) -> ImageHeader:
    bits, orientation = _stored_bits(opened), _find_orientation(opened)
    turned = opened.format != TIFF and orientation in (5, 6, 7, 8)  # of a TIFF Pillow gives the turned size
    width, height = opened.size[::-1] if turned else opened.size
    kinds = {"I": "int32", "F": "float32"}
    dtype = kinds.get(opened.mode, "uint16" if opened.mode.startswith("I;16") else "uint8")
    return ImageHeader(
        format=str(opened.format), channels=1 if opened.mode in GRAY_MODES else 3, dtype=dtype, stored_bits=bits,
        height=height, width=width, pages=_count_pages(opened), transparent=_is_transparent(opened),
        rotated=orientation != 1,
    )  # fmt: skip


def _find_orientation(opened: Image.Image) -> int:
    """Find the EXIF orientation; of a PNG only where it is stated before the pixels, for all of them would be decoded."""
    if opened.format == "PNG" and "exif" not in opened.info:
        return 1
    return int(opened.getexif().get(ORIENTATION, 1))


def _count_pages(opened: Image.Image) -> int:
    """Pages or frames; of a camera's MPO file the others are previews of the first."""
    return 1 if opened.format == "MPO" else int(getattr(opened, "n_frames", 1))


def _is_transparent(opened: Image.Image) -> bool:
    return opened.mode in ALPHA_MODES or "transparency" in opened.info


def _read_pillow(path: Path, pages: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Decode pages as [C, H, W] each."""
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
                solid = image.convert("RGBA")
                ground = Image.new("RGBA", solid.size, (255, 255, 255, 255))
                ground.alpha_composite(solid)
                image = ground.convert("L" if opened.mode in GRAY_MODES else "RGB")
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
    """Find the value of a tag of a TIFF page; 1 where it has none."""
    tag = page.tags.get(number)
    return int(tag.value) if tag else 1


def _count_alpha(page: Any) -> int:
    """Channels of a TIFF page that state transparency (ExtraSamples 1 and 2)."""
    return sum(int(kind) in (1, 2) for kind in page.extrasamples or ())


def _read_tiff(path: Path, pages: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Decode pages as [C, H, W] each, without transparency, upright."""
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
