"""Find the pixels of parcels: those whose center lies inside a polygon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelGrid:
    """An image of `height` x `width` pixels within bounds (min x, min y, max x, max y); the first row is the northernmost."""

    height: int
    width: int
    bounds: tuple[float, float, float, float]

    def to_pixels(self, points: Ring) -> Ring:
        """Return points [n, 2] (x, y) in units of pixels: (column, row)."""
        low_x, low_y, high_x, high_y = self.bounds
        column = (points[:, 0] - low_x) / (high_x - low_x) * self.width
        row = (high_y - points[:, 1]) / (high_y - low_y) * self.height
        return np.stack([column, row], axis=1)


def rings_of(geometry: Mapping[str, Any]) -> list[Ring]:
    """Return the rings [n, 2] of a GeoJSON Polygon or MultiPolygon; raises ValueError for another geometry."""
    kind, coordinates = geometry.get("type"), geometry.get("coordinates", ())
    if kind not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"geometry {kind!r} is no Polygon or MultiPolygon")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    return [np.asarray(ring, np.float64)[:, :2] for polygon in polygons for ring in polygon]


def find_pixels(rings: Sequence[Ring], grid: PixelGrid) -> NDArray[np.int64]:
    """Return the row and column [n, 2] of the pixels whose centers are inside an odd number of rings (holes are not)."""
    scaled = [grid.to_pixels(ring) for ring in rings]
    points = np.concatenate(scaled)
    low = np.clip(np.floor(points.min(0)).astype(int), 0, (grid.width, grid.height))
    high = np.clip(np.ceil(points.max(0)).astype(int), 0, (grid.width, grid.height))
    column, row = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
    inside = np.zeros(column.shape, np.bool_)
    for ring in scaled:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if y0 != y1:  # count edges to the right of the center, each including its upper end only
                crosses = (y0 > row) != (y1 > row)
                inside ^= crosses & (column < x0 + (row - y0) / (y1 - y0) * (x1 - x0))
    places: NDArray[np.int64] = np.argwhere(inside) + low[::-1]
    return places
