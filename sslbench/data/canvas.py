"""Put images of any size on one canvas, and the settings of preparing. Pure NumPy and Pillow: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sslbench.api.ranges import NonNegativeInt, Share
from sslbench.data.subset import Sampling

Fit = Literal["pad", "squash", "crop"]
Background = Literal["as-is", "light", "dark"]
MID_GRAY = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareSettings:
    """What is kept of a dataset: at most `samples` of each part (0: all), but at least one of every class.

    With `sampling` = stratified every class keeps its share of all samples: a class with a tenth of them has a tenth of
    `samples`. With balanced every class has the same number, or all that it has. Each official split keeps its share.
    Images of mixed size get a canvas of `size` pixels (0: twice the view's size, at most that of the
    largest image and 256) and are made to fit:
    `pad` keeps the shape and fills with the edges' commonest color, `squash` fills the canvas (crops are then drawn in
    the image's own proportions), `crop` keeps the middle square. With `background` 'light' or 'dark' a image whose edges
    are mostly the other is inverted, so that cameras of opposite kinds (shadowgraph, dark field) are seen alike. More than
    the share `unreadable` is an error.
    """

    samples: NonNegativeInt = 0
    sampling: Sampling = "stratified"
    size: NonNegativeInt = 0
    fit: Fit = "pad"
    background: Background = "as-is"
    unreadable: Share = 0.05


def find_unused_sampling(settings: PrepareSettings) -> list[str]:
    """Say where `prepare.sampling` is set and nothing is sampled."""
    if settings.samples or settings.sampling == "stratified":
        return []
    return [f"prepare.sampling={settings.sampling}: has no effect on all samples. Set prepare.samples=NUMBER"]


def match_background(image: NDArray[np.uint8], background: Background) -> NDArray[np.uint8]:
    """A image [C, H, W] on the background that is asked for: inverted where its edges' commonest value is of the other."""
    if background == "as-is":
        return image
    light = edge_mode(image).mean() >= MID_GRAY
    return image if light == (background == "light") else 255 - image


def fit_to_canvas(image: NDArray[np.uint8], size: int, fit: Fit) -> NDArray[np.uint8]:
    """[C, H, W] -> [C, size, size]; antialiased when it shrinks."""
    height, width = image.shape[1:]
    if fit == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[:, top : top + side, left : left + side]
        return resize(image, size, size)
    if fit == "squash":
        return resize(image, size, size)
    scale = size / max(height, width)
    small = resize(image, max(1, round(height * scale)), max(1, round(width * scale)))
    if small.shape[1:] == (size, size):
        return small
    canvas = np.empty((image.shape[0], size, size), np.uint8)
    canvas[:] = edge_mode(small)[:, None, None]
    top, left = (size - small.shape[1]) // 2, (size - small.shape[2]) // 2
    canvas[:, top : top + small.shape[1], left : left + small.shape[2]] = small
    return canvas


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """[C, H, W] -> [C, height, width], bilinear and antialiased."""
    if image.shape[1:] == (height, width):
        return image
    planes = [Image.fromarray(p).resize((width, height), Image.Resampling.BILINEAR) for p in image]
    return np.stack([np.asarray(plane) for plane in planes])


def edge_mode(image: NDArray[Any]) -> NDArray[np.uint8]:
    """The commonest value [C] on the four edges of a image [C, H, W]."""
    ring = np.concatenate([image[:, 0], image[:, -1], image[:, 1:-1, 0], image[:, 1:-1, -1]], axis=1)
    return np.array([np.bincount(channel, minlength=256).argmax() for channel in ring], dtype=np.uint8)
