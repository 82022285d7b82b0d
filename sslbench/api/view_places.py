"""Track which part of the stored image a view shows, by the facts 'NAME.box' and 'NAME.flip' of images. Imports torch.

'NAME.box' [B, 4]: top, left, height and width of the view, as fractions of the stored image: the image as it was prepared,
    before any operation. It exceeds [0, 1] where a view has a border.
'NAME.flip' [B] int64: 0, or the sum of LEFT_RIGHT and TOP_BOTTOM, for a view that is mirrored.

Views of images have both facts when a loss receives them, unless an operation of the augmentation moves pixels to places
that these facts cannot describe, such as a rotation. An operation that moves pixels adds `crop_facts` or `flip_facts` to its
result, and its spec states `places="updated"`; with `places="unknown"` the harness removes the facts.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from sslbench.api.values import View

LEFT_RIGHT, TOP_BOTTOM = 1, 2


def whole_image_facts(name: str, images: Tensor) -> dict[str, Tensor]:
    """Return the facts of whole images [B, C, H, W] of the modality `name`."""
    box = torch.zeros(len(images), 4, device=images.device)
    box[:, 2:] = 1.0
    flip = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    return {f"{name}.box": box, f"{name}.flip": flip}


def crop_facts(view: View, name: str, boxes: Tensor) -> dict[str, Tensor]:
    """Return the new facts of `view` after a crop, to be added to the operation's result; {} for a view without facts.

    boxes: [B, 4] top, left, height and width in pixels of `view[name]` before the crop; they may exceed the image. The size
        to which the crop is resized does not matter.
    """
    if f"{name}.box" not in view:
        return {}
    height, width = view[name].shape[2:]
    fractions = (boxes / _constant((height, width, height, width), boxes.device)).float()
    corner = _unflip(fractions[:, :2], fractions[:, 2:], view[f"{name}.flip"])
    before = view[f"{name}.box"]
    start, size = before[:, :2], before[:, 2:]
    return {f"{name}.box": torch.cat([torch.addcmul(start, corner, size), fractions[:, 2:] * size], dim=1)}


def flip_facts(view: View, name: str, axis: int) -> dict[str, Tensor]:
    """Return the new facts of `view` after all images were mirrored; {} for a view without facts.

    axis: LEFT_RIGHT or TOP_BOTTOM.
    """
    return {f"{name}.flip": view[f"{name}.flip"] ^ axis} if f"{name}.flip" in view else {}


def locate(view: View, name: str, points: Tensor) -> Tensor:
    """Return the places [B, P, 2] in the stored image of points [P, 2] or [B, P, 2] in a view.

    Places and points are (y, x) as fractions of the height and width, from the top left corner. Raises ValueError for a view
    without facts.
    """
    if f"{name}.box" not in view:
        raise ValueError(
            f"{name}.box: the view has no such fact, because an operation moved pixels to unknown places. "
            "State needs_places=True in the method's spec, so that such augmentations are refused when a run is planned"
        )
    box = view[f"{name}.box"]
    expanded = points.to(box).expand(len(box), -1, -1)
    places = _unflip(expanded, 0.0, view[f"{name}.flip"].unsqueeze(1))
    return box[:, None, :2] + places * box[:, None, 2:]


def cell_centers(rows: int, columns: int) -> Tensor:
    """Return the centers [rows * columns, 2] of the cells of a map or of patches, row by row, as points of `locate`."""
    y, x = (torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).view(-1, 2)


def _unflip(corner: Tensor, extent: Tensor | float, flip: Tensor) -> Tensor:
    """Return the corners (y, x) [..., 2] of boxes of mirrored images as corners in the images themselves, in fractions."""
    is_mirrored = (flip.unsqueeze(-1) & _constant((TOP_BOTTOM, LEFT_RIGHT), flip.device)) > 0
    return torch.where(is_mirrored, 1 - corner - extent, corner)


@lru_cache
def _constant(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    """Return numbers on a device, copied there once."""
    return torch.tensor(numbers, device=device)
