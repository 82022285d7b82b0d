"""Cut recordings of two motion sensors into steps, pairs and series.

A step is `size` consecutive instants of one sensor, in order of time: three axes of eight instants are 24 values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AXES = 3
"""Axes of each sensor; the first three channels are the accelerometer's, the others the gyroscope's."""
CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")


def window_starts(instants: int, size: int, stride: int) -> NDArray[np.int64]:
    """Return the first instants of all windows of `size` instants that lie within a recording."""
    return np.arange(0, instants - size + 1, stride, dtype=np.int64)


def cut_windows(values: NDArray[np.float32], starts: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    """Return windows [n, size, C] of values [instants, C]."""
    windows: NDArray[np.float32] = values[starts[:, None] + np.arange(size)]
    return windows


def split_sensors(windows: NDArray[np.float32], size: int) -> dict[str, NDArray[np.float32]]:
    """Return the steps [n, T, 3 size] of sensors a and b from windows [n, T size, 6]."""
    count, instants, _ = windows.shape
    steps = windows.reshape(count, instants // size, size, 2 * AXES)
    sides = {"a": steps[..., :AXES], "b": steps[..., AXES:]}
    return {
        name: np.ascontiguousarray(side).reshape(count, instants // size, size * AXES) for name, side in sides.items()
    }
