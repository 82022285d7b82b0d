"""Hold the samples of small datasets in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import Modality, Target


class ArraySamples:
    """Samples of arrays [n, ...] by modality.

    digest: returns the fingerprint.
    """

    def __init__(
        self,
        arrays: Mapping[str, NDArray[np.float32]],
        modalities: Mapping[str, Modality],
        classes: tuple[str, ...],
        labels: NDArray[np.int64],
        columns: Mapping[str, NDArray[np.str_]],
        digest: Callable[[], str],
    ) -> None:
        self.arrays, self.modalities, self.digest = arrays, modalities, digest
        self.target = Target(kind="class", names=classes)
        self.labels: NDArray[Any] = labels
        self.columns = columns

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Return one sample, in new arrays."""
        return {name: self.arrays[name][row].copy() for name in self.modalities}

    def fingerprint(self) -> str:
        """Return the digest of what the samples were made from."""
        return self.digest()
