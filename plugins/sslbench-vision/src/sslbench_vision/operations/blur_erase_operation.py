"""Blur images by one matrix per side and sample (with reflected edges, as in torchvision), and erase boxes."""

from __future__ import annotations

import torch
from torch import Tensor

from sslbench.api import KeyedRandom, OperationParts
from sslbench_vision.operations.blur_erase import BlurConfig, EraseConfig
from sslbench_vision.operations.crops import RandomResizedCropConfig
from sslbench_vision.operations.crops_operation import random_boxes
from sslbench_vision.operations.image_operation import ImageOperation, scale_uniform


def blur_matrix(sigma: Tensor, kernel: int, side: int) -> Tensor:
    """Return [B, side, side]: Gaussians of deviation `sigma` [B] with `kernel` taps, reflected at the edges."""
    reach = kernel // 2
    taps = torch.arange(-reach, reach + 1, device=sigma.device, dtype=torch.float32)
    weight = torch.exp(-0.5 * (taps / sigma.view(-1, 1)) ** 2)
    weight = weight / weight.sum(1, keepdim=True)
    place = (torch.arange(side, device=sigma.device).view(-1, 1) + taps.long()).abs()
    place = torch.where(place >= side, 2 * (side - 1) - place, place)
    matrix = torch.zeros(len(sigma), side, side, device=sigma.device)
    return matrix.scatter_add_(
        2, place.expand(len(sigma), -1, -1), weight.unsqueeze(1).expand(-1, side, -1).contiguous()
    )


def blur_by(images: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    """Blur images [B, C, H, W] with standard deviations [B] in pixels."""
    rows, columns = (blur_matrix(sigma, kernel, side).unsqueeze(1) for side in images.shape[2:])
    return rows @ images @ columns.mT


def blur(config: BlurConfig, parts: OperationParts) -> ImageOperation:
    """Make the blur operation."""

    def change(images: Tensor, draws: KeyedRandom) -> Tensor:
        side = min(images.shape[2:])
        kernel = config.kernel or max(3, side // 10)
        kernel = min(kernel + (kernel + 1) % 2, 2 * side - 1)
        return blur_by(images, scale_uniform(draws.uniform("sigma"), *config.sigma), kernel)

    return ImageOperation(parts, change)


def erase_boxes(images: Tensor, boxes: Tensor, fill: float) -> Tensor:
    """Fill boxes [B, 4] (top, left, height, width) of images with a value."""
    rows = torch.arange(images.shape[2], device=images.device).view(1, -1, 1)
    columns = torch.arange(images.shape[3], device=images.device).view(1, 1, -1)
    top, left, height, width = (boxes[:, i].view(-1, 1, 1) for i in range(4))
    inside = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(inside.unsqueeze(1), fill, images)


def erase(config: EraseConfig, parts: OperationParts) -> ImageOperation:
    """Make the erase operation, whose box is drawn like that of a random crop."""
    box = RandomResizedCropConfig(scale=config.scale, ratio=config.ratio)

    def change(images: Tensor, draws: KeyedRandom) -> Tensor:
        size = (images.shape[2], images.shape[3])
        return erase_boxes(images, random_boxes(draws, box, size, size, None), config.fill)

    return ImageOperation(parts, change)
