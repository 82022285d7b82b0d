"""A dataset whose samples are changed as they are read, such as padded or framed. What they are called and labeled stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from sslbench.api.renamed import missing_name
from sslbench.api.specs import Dataset
from sslbench.api.values import Modality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Sample: TypeAlias = Mapping[str, NDArray[Any]]
    Change: TypeAlias = Callable[[Sample, np.random.Generator], Sample]

ASKED_FOR = ("contents", "account", "describe", "sizes")
"""What a dataset may have beside what every dataset has."""


def unchanged(sample: Sample, rng: np.random.Generator) -> Sample:
    """A sample as it is."""
    return sample


class TransformedDataset:
    """Another dataset's samples, each through `change(sample, rng)`; how it changes them is the version of who wraps.

    `columns` are in place of the other's.
    """

    def __init__(
        self,
        whole: Dataset,
        modalities: Mapping[str, Modality],
        change: Change = unchanged,
        columns: Mapping[str, NDArray[np.str_]] | None = None,
    ) -> None:
        self.whole, self.change = whole, change
        self.modalities = modalities
        self.target, self.labels = whole.target, whole.labels
        self.columns: Mapping[str, NDArray[np.str_]] = whole.columns if columns is None else columns

    def read(self, row: int, rng: np.random.Generator) -> Sample:
        """One changed sample."""
        return self.change(self.whole.read(row, rng), rng)

    def fingerprint(self) -> str:
        """The other's."""
        return self.whole.fingerprint()

    def __getattr__(self, name: str) -> Any:
        if name in ASKED_FOR:
            return getattr(self.whole, name)
        raise AttributeError(name)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
