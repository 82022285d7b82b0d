"""Crop images by random boxes, drawn as in torchvision (ten attempts, then the center)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sslbench.api import KeyedRandom, OperationParts, View
from sslbench.api.image_boxes import crop_resize, full_boxes
from sslbench.api.modules import Operation
from sslbench.api.view_places import crop_facts
from sslbench_vision.operations.crops import CenterCropConfig, PadConfig, RandomResizedCropConfig
from sslbench_vision.operations.image_operation import find_image_modalities, scale_uniform

ATTEMPTS = 10


def random_boxes(
    draws: KeyedRandom,
    config: RandomResizedCropConfig,
    image: tuple[int, int],
    room: tuple[int, int],
    aspect: Tensor | None,
) -> Tensor:
    """Draw boxes [B, 4] of whole pixels inside a padded image of size `room`; `image` is the size without padding.

    `aspect` [B] is the ratio of width to height of the original images, where images were resized to squares.
    """
    attempts = draws.uniform("box", ATTEMPTS, 2)
    share = scale_uniform(attempts[..., 0], *config.scale)
    ratio = torch.exp(scale_uniform(attempts[..., 1], math.log(config.ratio[0]), math.log(config.ratio[1])))
    stretch = 1.0 if aspect is None else aspect.view(-1, 1) * image[0] / image[1]
    area = share * image[0] * image[1]
    height = torch.round(torch.sqrt(area / ratio * stretch))
    width = torch.round(torch.sqrt(area * ratio / stretch))
    fits = (height >= 1) & (height <= room[0]) & (width >= 1) & (width <= room[1])
    first = fits.to(torch.int8).argmax(1, keepdim=True)
    height, width = height.gather(1, first).squeeze(1), width.gather(1, first).squeeze(1)
    has_no_box = ~fits.any(1)
    height = torch.where(has_no_box, torch.full_like(height, image[0]), height)
    width = torch.where(has_no_box, torch.full_like(width, image[1]), width)
    corner = draws.uniform("corner", 2)
    top = torch.floor(corner[:, 0] * (room[0] - height + 1))
    left = torch.floor(corner[:, 1] * (room[1] - width + 1))
    top = torch.where(has_no_box, torch.floor((room[0] - height) / 2), top)
    left = torch.where(has_no_box, torch.floor((room[1] - width) / 2), left)
    return torch.stack([top, left, height, width], dim=1)


class RandomResizedCrop:
    """Random crop. With a scale above 1, images are first padded by zeros for the largest box."""

    def __init__(self, config: RandomResizedCropConfig, parts: OperationParts) -> None:
        self.config = config
        self.names = find_image_modalities(parts)
        self.sizes = {n: config.size or parts.modalities[n].shape[1] for n in self.names}
        self.has_unit_range = {n: parts.modalities[n].has_unit_range for n in self.names}

    def __call__(self, view: View, draws: KeyedRandom) -> View:
        result = dict(view)
        for name in (n for n in self.names if n in view):
            images = view[name]
            image, rows, columns = (images.shape[2], images.shape[3]), 0, 0
            if self.config.scale[1] > 1:
                grow = math.sqrt(self.config.scale[1] * self.config.ratio[1]) - 1
                rows, columns = (math.ceil(side * grow / 2) for side in image)
                images = nn.functional.pad(images, (columns, columns, rows, rows))
            room = (images.shape[2], images.shape[3])
            boxes = random_boxes(draws.fork(name), self.config, image, room, view.get(f"{name}.aspect"))
            size = (self.sizes[name], self.sizes[name])
            unit = self.has_unit_range[name]
            result[name] = crop_resize(images, boxes, size, self.config.interpolation, has_unit_range=unit)
            result.pop(f"{name}.aspect", None)
            boxes_in_image = boxes - boxes.new_tensor([rows, columns, 0, 0]) if rows or columns else boxes
            result |= crop_facts(view, name, boxes_in_image)
        return result


class CenterCrop:
    """Center crop."""

    def __init__(self, config: CenterCropConfig, parts: OperationParts) -> None:
        self.config = config
        self.names = find_image_modalities(parts)
        self.sizes = {n: config.size or parts.modalities[n].shape[1] for n in self.names}
        self.has_unit_range = {n: parts.modalities[n].has_unit_range for n in self.names}

    def __call__(self, view: View, draws: KeyedRandom) -> View:
        result = dict(view)
        for name in (n for n in self.names if n in view):
            boxes = full_boxes(view[name]).clone()
            kept = torch.round(boxes[:, 2:] * self.config.share).clamp(min=1)
            boxes = torch.cat([torch.floor((boxes[:, 2:] - kept) / 2), kept], dim=1)
            size = (self.sizes[name], self.sizes[name])
            unit = self.has_unit_range[name]
            result[name] = crop_resize(view[name], boxes, size, self.config.interpolation, has_unit_range=unit)
            result |= crop_facts(view, name, boxes)
        return result


def pad_operation(config: PadConfig, parts: OperationParts) -> Operation:
    """Make the operation that adds a border of random width and resizes to the original size."""
    names = find_image_modalities(parts)

    def pad(view: View, draws: KeyedRandom) -> View:
        result = dict(view)
        for name in (n for n in names if n in view):
            images = view[name]
            height, width = images.shape[2:]
            side = max(height, width)
            max_border = math.ceil(config.share[1] * side)
            border = torch.round(scale_uniform(draws.fork(name).uniform("share"), *config.share) * side)
            room = nn.functional.pad(images, (max_border, max_border, max_border, max_border), value=config.fill)
            boxes = torch.stack([-border, -border, height + 2 * border, width + 2 * border], dim=1)
            inside_room = boxes + boxes.new_tensor([max_border, max_border, 0, 0])
            result[name] = crop_resize(room, inside_room, (height, width))
            result |= crop_facts(view, name, boxes)
        return result

    return pad
