"""Wrap a dataset, and transform its samples when they are read."""

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

OPTIONAL_MEMBERS = ("contents", "account", "describe", "sizes", "label_lists")
"""Optional members of a dataset, which the wrapper passes on."""


def keep_sample(sample: Sample, rng: np.random.Generator) -> Sample:
    """Return the sample unchanged."""
    return sample


class TransformedDataset:
    """Dataset that returns `change(sample, rng)` for each sample of another dataset; names and labels stay.

    The fingerprint is that of the wrapped dataset, so the version of the wrapping component must cover the change.
    columns: columns that replace those of the wrapped dataset.
    """

    def __init__(
        self,
        dataset: Dataset,
        modalities: Mapping[str, Modality],
        change: Change = keep_sample,
        columns: Mapping[str, NDArray[np.str_]] | None = None,
    ) -> None:
        self.dataset, self.change = dataset, change
        self.modalities = modalities
        self.target, self.labels = dataset.target, dataset.labels
        self.columns: Mapping[str, NDArray[np.str_]] = dataset.columns if columns is None else columns

    def read(self, row: int, rng: np.random.Generator) -> Sample:
        """Return one transformed sample."""
        return self.change(self.dataset.read(row, rng), rng)

    def fingerprint(self) -> str:
        """Return the fingerprint of the wrapped dataset."""
        return self.dataset.fingerprint()

    def __getattr__(self, name: str) -> Any:
        if name in OPTIONAL_MEMBERS:
            return getattr(self.dataset, name)
        raise AttributeError(name)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
