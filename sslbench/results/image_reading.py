"""Read an image file as input of an exported encoder.

`reader_source` returns this code as a file that does not need sslbench.
"""

from __future__ import annotations

import inspect

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from sslbench.data.canvas import MID_GRAY, Background, Fit, edge_mode, fit_to_canvas, match_background, resize

HEAD = '''"""Read an image file as input of the exported encoder in this folder. Needs NumPy and Pillow."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

MID_GRAY = {middle}
'''


def read_image(
    file: str,
    channels: int,
    height: int,
    width: int,
    fit: Fit,
    background: Background,
    black: float | None = None,
    white: float | None = None,
) -> NDArray[np.uint8]:
    """Read a file upright as [1, channels, height, width] of 0 to 255, transparency on white.

    An image of another size is put on a canvas by `fit`. Values of more than 8 bits need `black` and `white`, the values
    shown as 0 and 255. Raises ValueError without them, for a file of several pages, and for a number of channels that is
    neither 1 nor 3.
    """
    if channels not in (1, 3):
        raise ValueError(f"{channels} channels: read the file yourself, as an array [1, {channels}, {height}, {width}]")
    with open(file, "rb") as binary, Image.open(binary) as opened:  # noqa: PTH123 - Pillow maps a path into memory and then cannot rotate it
        if getattr(opened, "n_frames", 1) > 1 and opened.format != "MPO":
            raise ValueError(f"{file}: has several pages. Save the page to read as a separate file")
        bits = getattr(opened, "tag_v2", {}).get(258, (8,))
        if opened.format == "TIFF" and (opened.mode == "I" or (opened.mode in ("RGB", "RGBA") and max(bits) > 8)):
            raise ValueError(f"{file}: Pillow does not keep all bits. Read it with tifffile, and scale it to 0 to 255")
        image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I") or image.mode == "F":
        if black is None or white is None:
            raise ValueError(
                f"{file}: has more than 8 bits per value. Set black and white, the values shown as 0 and 255"
            )
        shares = np.clip((np.asarray(image, np.float64) - black) / (white - black), 0, 1)
        image = Image.fromarray(np.round(shares * 255).astype(np.uint8))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
        ground.alpha_composite(image.convert("RGBA"))
        image = ground
    array = np.asarray(image.convert("L" if channels == 1 else "RGB"), np.uint8)
    planes = array[None] if channels == 1 else np.ascontiguousarray(np.moveaxis(array, -1, 0))
    planes = match_background(planes, background)
    if planes.shape[1:] != (height, width):
        planes = fit_to_canvas(planes, height, fit)
    return planes[None].copy()


def read_aspect(file: str) -> float:
    """Read the width of an image file over its height, upright."""
    with open(file, "rb") as binary, Image.open(binary) as opened:  # noqa: PTH123 - as above
        image = ImageOps.exif_transpose(opened)
    return image.width / image.height


def reader_source() -> str:
    """Return the functions above, and those that they call, as one file without sslbench."""
    functions = (match_background, fit_to_canvas, resize, edge_mode, read_image, read_aspect)
    return "\n\n".join([HEAD.format(middle=MID_GRAY), *(inspect.getsource(function) for function in functions)])
