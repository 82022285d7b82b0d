"""Values that cross the boundary between the harness and a plugin. No torch at run time: types only.

Shapes everywhere: B samples, V views, N tokens, D width, C classes (or channels, beside H and W), T steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from sslbench.api.renamed import missing_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    IntArray: TypeAlias = NDArray[np.int64]

Scalar: TypeAlias = str | int | float | bool | None
Layout: TypeAlias = Literal["vector", "sequence", "image"]
"""How one sample of a modality lies in memory: [D], [T, C] or [C, H, W]."""

View: TypeAlias = "Mapping[str, Tensor]"
"""One view of a batch: modality -> [B, *shape] in its natural range; 'image.size' [B, 2] is a fact about 'image'."""

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""Modality -> shape of one sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Modality:
    """Describe one modality of a dataset as an encoder meets it.

    A 0 in `shape` means that samples differ there; a sequence with a 0 arrives padded at the end, with its true
    steps as the fact 'length'. `mean` and `std` are of the training rows, per channel, in the natural range.
    With `sequence_of`, every step of axis 0 is a sample of that other modality.
    """

    layout: Layout
    shape: tuple[int, ...]
    sequence_of: str | None = None
    facts: tuple[str, ...] = ()
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One kind of view that a method takes; without `augment` it is prepared and resized, nothing random."""

    count: int
    augment: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is known about a sample: one of C classes, any of C labels, or nothing."""

    kind: Literal["class", "labels", "none"]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDescription:
    """What a reader found: facts by topic (layout, formats, sizes, …), and notes on what it assumed or left out."""

    facts: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanContext:
    """What is known when a request is planned.

    `shapes` gives, for each role, the shapes after its augmentation; `samples` the rows to train on; `batch` the rows
    of one optimizer step over all processes. `target.kind` is 'none' for a method that takes no target.
    """

    modalities: Mapping[str, Modality]
    shapes: Mapping[str, Shapes]
    samples: int
    batch_size: int
    epochs: int
    target: Target


class KeyedRandom(Protocol):
    """Random numbers keyed by (seed, epoch, sample, view, name): the same for any batch, process or resume point."""

    def uniform(self, name: str, *shape: int) -> Tensor:
        """[B, *shape] in [0, 1)."""
        ...

    def normal(self, name: str, *shape: int) -> Tensor:
        """[B, *shape], mean 0 and deviation 1."""
        ...

    def fork(self, name: str) -> KeyedRandom:
        """Other numbers for the same samples."""
        ...

    def __getitem__(self, rows: Tensor) -> KeyedRandom:
        """The same numbers, for some of the samples."""
        ...


class ProcessGroup(Protocol):
    """The processes that share one optimizer step."""

    rank: int
    size: int

    def gather(self, rows: Tensor) -> Tensor:
        """[B, ...] -> [size * B, ...] in one-process order, with gradient."""
        ...

    def sum(self, values: Tensor) -> Tensor:
        """The sum over processes, with gradient."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """Where training stands: `index` optimizer steps done `of` all, and draws [1] equal in every process."""

    index: int
    total_steps: int
    epoch: int
    epochs: int
    random: KeyedRandom
    processes: ProcessGroup

    @property
    def progress(self) -> float:
        """Share of the training done, 0 to 1."""
        return self.index / max(self.total_steps, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """The views of B samples by role, their rows [B] in the training table, and draws keyed by sample."""

    views: Mapping[str, tuple[View, ...]]
    index: Tensor
    random: KeyedRandom
    target: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loss:
    """A scalar to minimize, named parts for the log, and what `after_step` is to remember (detached)."""

    total: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)
    carry: Mapping[str, Tensor] = field(default_factory=dict)


class UnaugmentedPass(Protocol):
    """Every training row once, un-augmented, in table order, this process's share: (index [b], view)."""

    def __call__(self) -> Iterator[tuple[Tensor, View]]: ...


# ---- measuring -------------------------------------------------------------------------------------------------------


class FeatureTable(Protocol):
    """Features of one evaluation dataset, memory-mapped, one row per sample.

    `space` is the one that every modality's features are of, '' where they are the encoders' own.
    `features`: modality -> [n, D], or [n, T, D] for a series; `augmented`: modality -> [n, V, D] where a protocol asked
    for views; `lengths`: modality -> [n] steps where they differ; `target`: [n] class codes (-1 unknown) or [n, C].
    `groups`: [n] the group of each sample, None where there are none: a protocol that divides samples itself keeps each
    group on one side.
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
    def target(self) -> NDArray[np.int64]: ...
    @property
    def columns(self) -> Mapping[str, NDArray[np.str_]]: ...
    @property
    def groups(self) -> NDArray[np.str_] | None: ...

    def rows(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """Learn from the bank, choose on validation, answer for the query: row numbers into one table."""

    setting: Mapping[str, Scalar]
    bank: IntArray
    validation: IntArray
    query: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleGroups:
    """Exemplars or retrievals: row numbers by caption; the report draws the samples themselves.

    With `modalities` the first of a group is shown as the first of them and the others as the second: a question, and what
    was found for it. Without, every image is shown.
    """

    name: str
    groups: Mapping[str, tuple[int, ...]]
    modalities: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableArtifact:
    """A small table: curves, spectra, counts. One with 'x' and 'y' is drawn as points, colored by each other column."""

    name: str
    columns: Mapping[str, tuple[Scalar, ...]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageArtifact:
    """Images that exist nowhere else (reconstructions, prototypes): caption -> [n, ...]."""

    name: str
    layout: Layout
    arrays: Mapping[str, NDArray[np.float32]]


Artifact: TypeAlias = SampleGroups | TableArtifact | ImageArtifact


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """One answer of a protocol; the harness derives every accuracy from `predicted`.

    `task` is the place in `trial.tasks` (None: about the whole table), `setting` what the protocol varied, `chosen`
    what it selected and `chosen_on` where: an answer chosen on 'query' is an oracle and kept in a column of its own.
    `predicted` holds [n] codes or [n, C] scores for `rows`, `validation` the same answer's for the task's validation
    rows (what a recipe may be tuned by); `scores` holds metrics that do not follow from them. `considered` is what was
    chosen among, each with its accuracy on validation, and the first of the best is what was chosen. `clusters` holds codes
    [n] of `rows`, one array a clustering. Of one question that is asked several times at random, `draw` numbers the answers:
    each has numbers of its own, classes are counted over all of them. `bank` are the labeled rows that the answer was learned
    from, where they are not the task's.
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
    """What `sslbench_event` hears."""

    kind: Literal["planned", "started", "step", "stage", "failed", "finished"]
    run: str
    stage: str = ""
    values: Mapping[str, Scalar] = field(default_factory=dict)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
