"""Crop and resize batches of images, with one box per sample. Imports torch.

Agrees with torchvision's `resized_crop` (antialiased bilinear or bicubic) on the same box.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from sslbench.api.renamed import missing_name

Interpolation = Literal["bilinear", "bicubic"]
SUPPORT = {"bilinear": 1, "bicubic": 2}


def crop_resize(
    images: Tensor,
    boxes: Tensor,
    size: tuple[int, int],
    interpolation: Interpolation = "bilinear",
    *,
    has_unit_range: bool = True,
) -> Tensor:
    """Return the boxes [B, 4] of images [B, C, H, W], resized to [B, C, *size].

    Boxes are (top, left, height, width) in whole pixels inside the image. A separable resize is one matrix product from the
    left and one from the right. Bicubic values beyond [0, 1] are clipped if `has_unit_range`.
    """
    rows = resize_matrix(boxes[:, 0], boxes[:, 2], images.shape[2], size[0], interpolation)
    columns = resize_matrix(boxes[:, 1], boxes[:, 3], images.shape[3], size[1], interpolation)
    batch, channels, height, width = images.shape
    if channels == 1:
        wide = torch.bmm(rows, images.reshape(batch, height, width))
        result = torch.bmm(wide, columns.mT).unsqueeze(1)
    else:
        result = rows.unsqueeze(1) @ images @ columns.mT.unsqueeze(1)
    return result.clamp_(0, 1) if interpolation == "bicubic" and has_unit_range else result


def resize_matrix(start: Tensor, length: Tensor, source: int, target: int, interpolation: Interpolation) -> Tensor:
    """Return the weights [B, target, source] of source pixels in target pixels, along one axis."""
    support = SUPPORT[interpolation]
    taps = 2 * math.ceil(support * max(source / target, 1.0)) + 1
    scale = (length / target).view(-1, 1, 1)
    stretch = scale.clamp(min=1.0)
    positions = torch.arange(target, device=start.device, dtype=torch.float32).view(1, -1, 1)
    center = (positions + 0.5) * scale
    first = torch.floor(center - support * stretch)
    pixel = first + torch.arange(taps, device=start.device, dtype=torch.float32).view(1, 1, -1)
    weight = _filter((pixel + 0.5 - center) / stretch, interpolation)
    weight = torch.where((pixel >= 0) & (pixel < length.view(-1, 1, 1)), weight, 0.0)
    weight = weight / weight.sum(-1, keepdim=True)
    column = (pixel + start.view(-1, 1, 1)).long().clamp_(0, source - 1)
    return torch.zeros(len(start), target, source, device=start.device).scatter_add_(2, column, weight)


def _filter(distance: Tensor, interpolation: Interpolation) -> Tensor:
    """Return the triangle filter, or Keys' cubic with a = -0.5, as in Pillow and antialiased torch."""
    x = distance.abs()
    if interpolation == "bilinear":
        return (1 - x).clamp_(min=0)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def full_boxes(images: Tensor) -> Tensor:
    """Return boxes [B, 4] that cover the whole images [B, C, H, W]."""
    height, width = images.shape[2:]
    return torch.tensor([0.0, 0.0, height, width], device=images.device).expand(len(images), 4)


def center_boxes(images: Tensor, aspect: Tensor | None) -> Tensor:
    """Return the boxes [B, 4] of the central square of images whose width over height was `aspect` [B].

    Without `aspect` the images keep their shape, and the boxes cover them.
    """
    if aspect is None:
        return full_boxes(images)
    height, width = images.shape[2:]
    rows = torch.round(height * aspect.clamp(max=1.0))
    columns = torch.round(width / aspect.clamp(min=1.0))
    top, left = torch.floor((height - rows) / 2), torch.floor((width - columns) / 2)
    return torch.stack([top, left, rows.clamp(min=1), columns.clamp(min=1)], dim=1)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
