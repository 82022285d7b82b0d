"""Cut boxes out of batches of images and resize them, every sample by its own numbers. Imports torch.

Agrees with torchvision's `resized_crop` (antialiased bilinear or bicubic) on the same box.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Interpolation = Literal["bilinear", "bicubic"]
SUPPORT = {"bilinear": 1, "bicubic": 2}


def crop_resize(
    images: Tensor, boxes: Tensor, size: tuple[int, int], interpolation: Interpolation = "bilinear"
) -> Tensor:
    """[B, C, H, W] and boxes [B, 4] (top, left, height, width; whole pixels inside the image) -> [B, C, *size].

    Two matrices a sample: a separable resize is a product from the left and one from the right.
    """
    rows = resize_matrix(boxes[:, 0], boxes[:, 2], images.shape[2], size[0], interpolation)
    columns = resize_matrix(boxes[:, 1], boxes[:, 3], images.shape[3], size[1], interpolation)
    batch, channels, height, width = images.shape
    if channels == 1:
        wide = torch.bmm(rows, images.reshape(batch, height, width))
        result = torch.bmm(wide, columns.mT).unsqueeze(1)
    else:
        result = rows.unsqueeze(1) @ images @ columns.mT.unsqueeze(1)
    return result.clamp_(0, 1) if interpolation == "bicubic" else result


def resize_matrix(start: Tensor, length: Tensor, source: int, target: int, interpolation: Interpolation) -> Tensor:
    """[B, target, source]: how much of each source pixel goes into each target pixel, for boxes along one axis."""
    support = SUPPORT[interpolation]
    taps = 2 * math.ceil(support * max(source / target, 1.0)) + 1
    scale = (length / target).view(-1, 1, 1)
    stretch = scale.clamp(min=1.0)
    places = torch.arange(target, device=start.device, dtype=torch.float32).view(1, -1, 1)
    center = (places + 0.5) * scale
    first = torch.floor(center - support * stretch)
    pixel = first + torch.arange(taps, device=start.device, dtype=torch.float32).view(1, 1, -1)
    weight = _filter((pixel + 0.5 - center) / stretch, interpolation)
    weight = torch.where((pixel >= 0) & (pixel < length.view(-1, 1, 1)), weight, 0.0)
    weight = weight / weight.sum(-1, keepdim=True)
    place = (pixel + start.view(-1, 1, 1)).long().clamp_(0, source - 1)
    return torch.zeros(len(start), target, source, device=start.device).scatter_add_(2, place, weight)


def _filter(distance: Tensor, interpolation: Interpolation) -> Tensor:
    """The triangle, or Keys' cubic with a = -0.5 (what Pillow and antialiased torch use)."""
    x = distance.abs()
    if interpolation == "bilinear":
        return (1 - x).clamp_(min=0)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def whole(images: Tensor) -> Tensor:
    """The boxes [B, 4] that cover whole images [B, C, H, W]."""
    height, width = images.shape[2:]
    return torch.tensor([0.0, 0.0, height, width], device=images.device).expand(len(images), 4)


def middle(images: Tensor, aspect: Tensor | None) -> Tensor:
    """The boxes [B, 4] that show the middle square of the scene, whose width over height is `aspect` [B].

    Without `aspect` the canvas keeps the scene's shape and is shown whole.
    """
    if aspect is None:
        return whole(images)
    height, width = images.shape[2:]
    rows = torch.round(height * aspect.clamp(max=1.0))
    columns = torch.round(width / aspect.clamp(min=1.0))
    top, left = torch.floor((height - rows) / 2), torch.floor((width - columns) / 2)
    return torch.stack([top, left, rows.clamp(min=1), columns.clamp(min=1)], dim=1)
