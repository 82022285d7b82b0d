"""Write the facts that a modality announces, such as the time of each step, next to its samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.data.disk_arrays import create_array


class FactWriter:
    """Write one fact row by row as float32: dense [n, ...], or for steps of ragged sequences one after the other.

    The first sample decides the shape of a value, and whether every step has one.
    """

    def __init__(self, folder: Path, name: str, rows: int, *, is_ragged: bool) -> None:
        self.folder, self.name, self.rows, self.is_ragged = folder, name, rows, is_ragged
        self.form: tuple[bool, tuple[int, ...]] | None = None

    @property
    def has_steps(self) -> bool:
        """Return whether every step of a ragged sequence has a value."""
        return self.form is not None and self.form[0]

    def put(self, row: int, value: NDArray[Any]) -> None:
        """Write the fact of one sample; raises ValueError for another shape than that of the first sample."""
        has_steps = self.is_ragged and value.ndim > 0
        form = has_steps, value.shape[has_steps:]
        if self.form is None:
            self._open(*form)
        elif self.form != form:
            own, other = (f"a value{' per step' * steps} of shape {shape}" for steps, shape in (form, self.form))
            raise ValueError(f"{self.name!r} has {own}, but an earlier sample {other}")
        if has_steps:
            self.file.write(np.ascontiguousarray(value, np.float32).tobytes())
        else:
            self.values[row] = value

    def _open(self, has_steps: bool, shape: tuple[int, ...]) -> None:
        self.form = has_steps, shape
        if has_steps:
            self.file = (self.folder / f"{self.name}.raw").open("wb")
        else:
            self.values = create_array(self.folder / f"{self.name}.npy", np.float32, (self.rows, *shape))

    def close(self) -> None:
        """Finish the file."""
        if self.form is None:
            return
        if not self.has_steps:
            self.values.flush()  # type: ignore[attr-defined]
            return
        self.file.close()
        raw = self.folder / f"{self.name}.raw"
        np.save(self.folder / f"{self.name}.npy", np.fromfile(raw, np.float32).reshape(-1, *self.form[1]))
        raw.unlink()
