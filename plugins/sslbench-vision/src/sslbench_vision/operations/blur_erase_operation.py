"""Blur as one matrix a side and sample (reflecting at the edges, as torchvision does), and boxes filled with a value."""

from __future__ import annotations

import torch
from torch import Tensor

from sslbench.api import Draws, OperationParts
from sslbench_vision.operations.blur_erase import BlurConfig, EraseConfig
from sslbench_vision.operations.crops import RandomResizedCropConfig
from sslbench_vision.operations.crops_operation import random_boxes
from sslbench_vision.operations.pictures import OnPictures, between


def blur_matrix(sigma: Tensor, kernel: int, side: int) -> Tensor:
    """[B, side, side]: a Gaussian of deviation `sigma` [B] cut to `kernel` taps, reflected at the edges."""
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


def blur_by(pictures: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    """Blur [B, C, H, W] by [B]."""
    rows, columns = (blur_matrix(sigma, kernel, side).unsqueeze(1) for side in pictures.shape[2:])
    return rows @ pictures @ columns.mT


def blur(config: BlurConfig, parts: OperationParts) -> OnPictures:
    """The operation."""

    def change(pictures: Tensor, draws: Draws) -> Tensor:
        side = min(pictures.shape[2:])
        kernel = config.kernel or max(3, side // 10)
        kernel = min(kernel + (kernel + 1) % 2, 2 * side - 1)
        return blur_by(pictures, between(draws.uniform("sigma"), *config.sigma), kernel)

    return OnPictures(parts, change)


def erase_boxes(pictures: Tensor, boxes: Tensor, fill: float) -> Tensor:
    """Fill boxes [B, 4] (top, left, height, width)."""
    rows = torch.arange(pictures.shape[2], device=pictures.device).view(1, -1, 1)
    columns = torch.arange(pictures.shape[3], device=pictures.device).view(1, 1, -1)
    top, left, height, width = (boxes[:, i].view(-1, 1, 1) for i in range(4))
    inside = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return torch.where(inside.unsqueeze(1), fill, pictures)


def erase(config: EraseConfig, parts: OperationParts) -> OnPictures:
    """The operation: a box like a random crop's."""
    box = RandomResizedCropConfig(scale=config.scale, ratio=config.ratio)

    def change(pictures: Tensor, draws: Draws) -> Tensor:
        size = (pictures.shape[2], pictures.shape[3])
        return erase_boxes(pictures, random_boxes(draws, box, size, size, None), config.fill)

    return OnPictures(parts, change)
