"""Define the values that the harness and plugins exchange. Imports no torch at run time.

Shapes: B samples, V views, N tokens, D width, C classes (or channels, next to H and W), T steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from sslbench.api.modality import Modality as Modality
from sslbench.api.renamed import missing_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from sslbench.api.targets import Labels

    IntArray: TypeAlias = NDArray[np.int64]

Scalar: TypeAlias = str | int | float | bool | None
TargetName: TypeAlias = Literal["class", "labels", "value", "none"]
View: TypeAlias = "Mapping[str, Tensor]"
"""One view of a batch: modality -> [B, *shape] in its natural range; 'image.size' [B, 2] is a fact about 'image'.

The facts 'image.box' and 'image.flip' state which part of the image a view shows: see `sslbench.api.view_places`.
"""

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""Modality -> shape of one sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One kind of view that a method takes; without `augment` it is only prepared and resized, without random changes."""

    count: int
    augment: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Kind of labels that samples have: one of C classes, any of C labels, D numbers, or none; see `sslbench.api.targets`.

    names: names of the classes, labels or numbers.
    """

    kind: TargetName
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDescription:
    """Facts about a dataset by topic (layout, formats, sizes, …), and notes on what its reader assumed or skipped."""

    facts: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanContext:
    """Facts that are known when a request is planned.

    shapes: shapes after augmentation, by role.
    samples: number of training rows.
    batch_size: rows of one optimizer step, over all processes.
    target: labels of the data; kind 'none' for a method that uses no labels.
    """

    modalities: Mapping[str, Modality]
    shapes: Mapping[str, Shapes]
    samples: int
    batch_size: int
    epochs: int
    target: Target


class KeyedRandom(Protocol):
    """Random numbers keyed by (seed, epoch, sample, view, name): the same for every batch, process and resume point."""

    def uniform(self, name: str, *shape: int) -> Tensor:
        """Return uniform numbers [B, *shape] in [0, 1)."""
        ...

    def normal(self, name: str, *shape: int) -> Tensor:
        """Return normal numbers [B, *shape] with mean 0 and standard deviation 1."""
        ...

    def fork(self, name: str) -> KeyedRandom:
        """Return a source of independent numbers for the same samples."""
        ...

    def __getitem__(self, rows: Tensor) -> KeyedRandom:
        """Return the source of the same numbers for some of the samples."""
        ...


class ProcessGroup(Protocol):
    """Processes that share one optimizer step."""

    rank: int
    size: int

    def gather(self, rows: Tensor) -> Tensor:
        """Gather [B, ...] into [size * B, ...], in the order of a single process, with gradient."""
        ...

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over processes, with gradient."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """State of a training: `index` of `total_steps` optimizer steps are done; `random` [1] is equal in every process."""

    index: int
    total_steps: int
    epoch: int
    epochs: int
    random: KeyedRandom
    processes: ProcessGroup

    @property
    def progress(self) -> float:
        """Fraction of the training that is done, from 0 to 1."""
        return self.index / max(self.total_steps, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Views of B samples by role, their rows [B] in the training table (`index`), and random numbers keyed by sample.

    target: encoded labels: codes [B], or [B, C] zeros and ones (labels) or standardized numbers (value), NaN where unknown.
    """

    views: Mapping[str, tuple[View, ...]]
    index: Tensor
    random: KeyedRandom
    target: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loss:
    """A scalar to minimize, its named terms for the log, and detached tensors (`carry`) for `after_step`."""

    total: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)
    carry: Mapping[str, Tensor] = field(default_factory=dict)


class UnaugmentedPass(Protocol):
    """This process's share of all training rows, un-augmented, in table order: (index [b], view)."""

    def __call__(self) -> Iterator[tuple[Tensor, View]]: ...


# ---- evaluation ------------------------------------------------------------------------------------------------------


class FeatureTable(Protocol):
    """Features of one evaluation dataset, memory-mapped, one row per sample.

    space: space of all features; '' for the encoders' own.
    features: modality -> [n, D], or [n, T, D] for a series.
    augmented: modality -> [n, V, D], for protocols that use views.
    lengths: modality -> [n] steps, where they differ.
    target: [n] class codes (-1: unknown), [n, C] labels (1, 0, -1: unknown), or [n, D] numbers (NaN: unknown).
    groups: [n] group of each sample, or None. A protocol that splits samples itself must not split a group.
    """

    @property
    def space(self) -> str: ...
    @property
    def features(self) -> Mapping[str, NDArray[np.float32]]: ...
    @property
    def augmented(self) -> Mapping[str, NDArray[np.float32]]: ...
    @property
    def lengths(self) -> Mapping[str, IntArray]: ...
    @property
    def target(self) -> Labels: ...
    @property
    def columns(self) -> Mapping[str, NDArray[np.str_]]: ...
    @property
    def groups(self) -> NDArray[np.str_] | None: ...

    def rows(self) -> int: ...

    def vectors(self) -> NDArray[np.float32]:
        """Return one vector per sample [n, D]: those of all modalities, concatenated in alphabetical order.

        A new array, which may be modified.
        """
        ...

    def vectors_of(self, modality: str) -> NDArray[np.float32]:
        """Return one vector per sample [n, D] of one modality; the steps of a series are averaged.

        A new array, which may be modified. Raises KeyError for a modality that is not in `features`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """Row numbers of one table: learn from the bank, select on validation, predict the query."""

    setting: Mapping[str, Scalar]
    bank: IntArray
    validation: IntArray
    query: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleGroups:
    """Exemplars or retrievals: row numbers by caption; the report draws the samples.

    modalities: show the first sample of each group in the first modality and the others in the second, as a query and its
        matches. None: show all images.
    """

    name: str
    groups: Mapping[str, tuple[int, ...]]
    modalities: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableArtifact:
    """A small table: curves, spectra, counts. Columns 'x' and 'y' are drawn as points, colored by each other column."""

    name: str
    columns: Mapping[str, tuple[Scalar, ...]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageArtifact:
    """Computed samples of a layout, such as reconstructions or prototypes, which the layout draws.

    arrays: caption -> [n, ...]; 'CAPTION.length' [n] states the true steps of padded sequences.
    """

    name: str
    layout: str
    arrays: Mapping[str, NDArray[np.float32]]


Artifact: TypeAlias = SampleGroups | TableArtifact | ImageArtifact


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """One result of a protocol; the harness computes every accuracy from `predicted`.

    task: index in `trial.tasks`; None: the result is about the whole table.
    setting: values that the protocol varied.
    chosen: values that the protocol selected.
    chosen_on: samples used for the selection; a result chosen on 'query' is an oracle and has a column of its own.
    draw: number of a repetition with other random numbers; classes are counted over all repetitions.
    rows: predicted rows.
    bank: labeled rows that the result was learned from, where they differ from the task's.
    predicted: [n] codes or [n, C] scores of `rows`; probabilities [n, C] of several labels; numbers [n, D].
    validation: predictions for the task's validation rows, which recipes may be tuned on.
    considered: candidates of the selection, each with its validation score; the first of the best was chosen.
    clusters: cluster codes [n] of `rows`, one array per clustering.
    scores: metrics that do not follow from predictions.
    """

    task: int | None
    setting: Mapping[str, Scalar] = field(default_factory=dict)
    chosen: Mapping[str, Scalar] = field(default_factory=dict)
    chosen_on: Literal["validation", "query", "nothing"] = "nothing"
    draw: int | None = None
    rows: IntArray | None = None
    bank: IntArray | None = None
    predicted: NDArray[np.float32] | IntArray | None = None
    validation: NDArray[np.float32] | IntArray | None = None
    considered: tuple[tuple[Mapping[str, Scalar], float], ...] = ()
    clusters: tuple[IntArray, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of a run, passed to the hook `sslbench_event`."""

    kind: Literal["planned", "started", "step", "stage", "failed", "finished"]
    run: str
    stage: str = ""
    values: Mapping[str, Scalar] = field(default_factory=dict)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
