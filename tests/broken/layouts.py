"""Define toy layouts, each with one defect. `BROKEN` maps a check to the function that makes the spec."""

from __future__ import annotations

import numpy as np

from sslbench.api import Layout, LayoutSpec

from .known import KNOWN


class Grid(Layout):
    """A sound layout of maps [H, W, C]."""

    def draw(self, axes, values, modality, length=None):
        axes.imshow(values[..., 0])


class Doubles(Grid):
    def random(self, modality, rng):
        return rng.normal(size=modality.shape).astype(complex)


class Flat(Grid):
    def by_channel(self, values, lengths, modality):
        return values.reshape(1, -1).astype(np.float64)


class Invisible(Layout):
    def draw(self, axes, values, modality, length=None):
        return


def layout(build):
    """Make a layout with an implementation."""
    return lambda folder: LayoutSpec(
        **KNOWN, build=build, axes=("rows", "columns", "channels"), channel_axis=2, example=(12, 10, 2)
    )


SOUND = layout(Grid)
BROKEN = {"prepares_samples": layout(Doubles), "makes_views": layout(Flat), "draws_samples": layout(Invisible)}
