"""Fit images of any size to one canvas, and define the settings of preparation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sslbench.api.ranges import NonNegativeInt, Share
from sslbench.api.settings import setting
from sslbench.data.subset import Sampling

Fit = Literal["pad", "squash", "crop"]
Background = Literal["as-is", "light", "dark"]
MID_GRAY = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareSettings:
    """Settings of preparation: the samples to keep, and how images of mixed size are stored."""

    samples: NonNegativeInt = setting(
        0, "Largest number of samples of each part, of which every class has at least one (0: all samples)."
    )
    sampling: Sampling = setting(
        "stratified",
        "Samples to keep: every class keeps its share (stratified), or all classes get the same number (balanced); each "
        "official split keeps its share.",
    )
    size: NonNegativeInt = setting(
        0,
        "Side in pixels of stored images of mixed or larger sizes (0: twice the view's size, at most that of the largest "
        "image and 256).",
    )
    fit: Fit = setting(
        "pad",
        "Fit of images of mixed size: keep the shape and fill with the most frequent edge color (pad), stretch (squash; "
        "crops keep the image's own proportions), or keep the central square (crop).",
    )
    background: Background = setting(
        "as-is",
        "Invert images whose edges are mostly dark (light) or mostly light (dark), so that shadowgraph and dark-field "
        "cameras give similar images; as-is inverts none.",
    )
    unreadable: Share = setting(0.05, "Share of unreadable samples above which preparation fails.")


def find_unused_sampling(settings: PrepareSettings) -> list[str]:
    """Return a message if `prepare.sampling` is set but all samples are kept."""
    if settings.samples or settings.sampling == "stratified":
        return []
    return [f"prepare.sampling={settings.sampling}: has no effect without prepare.samples. Set prepare.samples=NUMBER"]


def match_background(
    image: NDArray[Any], background: Background, value_range: tuple[float, float] = (0, 255)
) -> NDArray[Any]:
    """Return an image [C, H, W], inverted if the most frequent value of its edges does not match `background`.

    `value_range` holds the lowest and highest possible value.
    """
    if background == "as-is":
        return image
    low, high = value_range
    is_light = edge_mode(image).mean() >= low + (high - low) * MID_GRAY / 255
    return image if is_light == (background == "light") else (low + high - image).astype(image.dtype)


def fit_to_canvas(image: NDArray[Any], size: int, fit: Fit) -> NDArray[Any]:
    """Resize an image [C, H, W] to [C, size, size], antialiased when it shrinks."""
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
    canvas = np.empty((image.shape[0], size, size), image.dtype)
    canvas[:] = edge_mode(small)[:, None, None]
    top, left = (size - small.shape[1]) // 2, (size - small.shape[2]) // 2
    canvas[:, top : top + small.shape[1], left : left + small.shape[2]] = small
    return canvas


def resize(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Resize an image [C, H, W] to [C, height, width], bilinear and antialiased."""
    if image.shape[1:] == (height, width):
        return image
    planes = image if image.dtype == np.uint8 else image.astype(np.float32)
    resized = [Image.fromarray(p).resize((width, height), Image.Resampling.BILINEAR) for p in planes]
    stacked: NDArray[Any] = np.stack([np.asarray(plane) for plane in resized])
    return np.rint(stacked).astype(np.uint16) if image.dtype == np.uint16 else stacked


def edge_mode(image: NDArray[Any]) -> NDArray[Any]:
    """Return the most frequent value [C] on the four edges of an image [C, H, W]; of floats the median."""
    ring = np.concatenate([image[:, 0], image[:, -1], image[:, 1:-1, 0], image[:, 1:-1, -1]], axis=1)
    if image.dtype.kind == "f":
        return np.asarray(np.median(ring, axis=1), image.dtype)
    return np.array([np.bincount(channel).argmax() for channel in ring], dtype=image.dtype)
