"""Implement the layout of images: canvas, size and display."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from sslbench.api.layouts import DTYPES, Layout, PrepareOptions, scale_to_range
from sslbench.api.values import Modality
from sslbench.data.canvas import Background, Fit, fit_to_canvas, match_background

if TYPE_CHECKING:
    from torch import Tensor


class ImageLayout(Layout):
    """Images [C, H, W]."""

    def fit(self, value: NDArray[Any], stored: Modality, options: PrepareOptions) -> NDArray[Any]:
        """Return an image on its canvas, inverted where its background does not match `options.background`."""
        if options.background != "as-is":
            value = match_background(value, cast(Background, options.background), _stored_range(stored))
        if value.shape == stored.shape:
            return value
        return fit_to_canvas(value, stored.shape[1], cast(Fit, options.fit))

    def resize(self, x: Tensor, sides: tuple[int, ...], aspect: Tensor | None) -> Tensor:
        """Return whole images, or the central square of squashed ones, at the encoder's size."""
        from sslbench.api.image_boxes import crop_resize

        return crop_resize(x, self.shown_boxes(x, aspect), (sides[0], sides[1]))

    def shown_boxes(self, x: Tensor, aspect: Tensor | None) -> Tensor:
        """Return boxes of whole images, or of the central square of squashed ones."""
        from sslbench.api.image_boxes import center_boxes

        return center_boxes(x, aspect)

    def to_image(self, values: NDArray[Any], modality: Modality) -> NDArray[np.uint8]:
        """Return the modality's `shown` channels: by default the first three, or the first of fewer."""
        chosen = list(modality.shown or (range(3) if len(values) >= 3 else range(1)))
        channels = np.moveaxis(scale_to_range(values[chosen], modality.shown_range, (1, 2)), 0, -1)
        return channels if channels.shape[-1] == 3 else channels[..., 0]


def _stored_range(modality: Modality) -> tuple[float, float]:
    """Return the lowest and highest stored value; raises ValueError for floats without a stated range."""
    if modality.stored_dtype != "float32":
        return (0, DTYPES[modality.stored_dtype])
    if modality.range is None:
        raise ValueError("floats without a range cannot be inverted. Set prepare.background=as-is")
    return modality.range
