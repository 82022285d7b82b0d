"""Flip and transform images by a matrix per sample. Agrees with torchvision's functional `affine`."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from sslbench.api import KeyedRandom, OperationParts, View
from sslbench.api.view_places import LEFT_RIGHT, TOP_BOTTOM, flip_facts
from sslbench_vision.operations.geometry import AffineConfig, FlipConfig, RotationConfig, ShearConfig, TranslationConfig
from sslbench_vision.operations.image_operation import ImageOperation, find_image_modalities, scale_uniform


class Mirror:
    """Mirror images left and right, or top and bottom."""

    def __init__(self, parts: OperationParts, axis: int) -> None:
        self.names = find_image_modalities(parts)
        self.axis = axis

    def __call__(self, view: View, draws: KeyedRandom) -> View:
        result = dict(view)
        for name in (n for n in self.names if n in view):
            result[name] = view[name].flip(3 if self.axis == LEFT_RIGHT else 2)
            result |= flip_facts(view, name, self.axis)
        return result


def flip_horizontally(config: FlipConfig, parts: OperationParts) -> Mirror:
    """Make the operation that mirrors left and right."""
    return Mirror(parts, LEFT_RIGHT)


def flip_vertically(config: FlipConfig, parts: OperationParts) -> Mirror:
    """Make the operation that mirrors top and bottom."""
    return Mirror(parts, TOP_BOTTOM)


def inverse_matrices(angle: Tensor, translate: Tensor, scale: Tensor, shear: Tensor) -> Tensor:
    """Return matrices [B, 2, 3] from pixels of the result to pixels of the input, about the center.

    `angle` and `shear` [B] in radians (clockwise, along x), `translate` [B, 2] in pixels (x, y), `scale` [B].
    """
    a, b = angle.cos(), -angle.cos() * shear.tan() - angle.sin()
    c, d = angle.sin(), -angle.sin() * shear.tan() + angle.cos()
    linear = torch.stack([torch.stack([d, -b], 1), torch.stack([-c, a], 1)], 1) / scale.view(-1, 1, 1)
    shift = -(linear @ translate.unsqueeze(2))
    return torch.cat([linear, shift], dim=2)


def apply_affine(images: Tensor, inverse: Tensor, fill: float | Literal["edge"]) -> Tensor:
    """Sample images [B, C, H, W] bilinearly by matrices `inverse`; outside is `fill` or the nearest edge."""
    height, width = images.shape[2:]
    size = torch.tensor([width, height], device=images.device, dtype=torch.float32)
    theta = inverse.clone()
    theta[:, :, :2] = inverse[:, :, :2] * (size.view(1, 1, 2) / size.view(1, 2, 1))
    theta[:, :, 2] = inverse[:, :, 2] * 2 / size
    grid = nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    if fill == "edge":
        return nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return nn.functional.grid_sample(images - fill, grid, padding_mode="zeros", align_corners=False) + fill


def affine(config: AffineConfig, parts: OperationParts) -> ImageOperation:
    """Make the operation that draws rotation, shift, scale and shear of each sample."""

    def change(images: Tensor, draws: KeyedRandom) -> Tensor:
        max_angle = math.radians(config.degrees)
        max_shear = math.radians(config.shear)
        size = torch.tensor([images.shape[3], images.shape[2]], device=images.device, dtype=torch.float32)
        max_shift = torch.tensor(config.translate, device=images.device) * size
        inverse = inverse_matrices(
            scale_uniform(draws.uniform("angle"), -max_angle, max_angle),
            torch.round((2 * draws.uniform("translate", 2) - 1) * max_shift),
            scale_uniform(draws.uniform("scale"), *config.scale),
            scale_uniform(draws.uniform("shear"), -max_shear, max_shear),
        )
        return apply_affine(images, inverse, config.fill)

    return ImageOperation(parts, change)


def rotation(config: RotationConfig, parts: OperationParts) -> ImageOperation:
    """Make the operation that rotates."""
    return affine(AffineConfig(degrees=config.degrees, translate=(0, 0), shear=0, fill=config.fill), parts)


def translation(config: TranslationConfig, parts: OperationParts) -> ImageOperation:
    """Make the operation that shifts."""
    return affine(AffineConfig(degrees=0, translate=config.share, shear=0, fill=config.fill), parts)


def shear(config: ShearConfig, parts: OperationParts) -> ImageOperation:
    """Make the operation that shears."""
    return affine(AffineConfig(degrees=0, translate=(0, 0), shear=config.degrees, fill=config.fill), parts)
