"""Define specs: frozen dataclasses that describe components, one class per kind. Imports no torch.

The field `build` names the implementation, which is imported only when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from sslbench.api.citation import Citation as Citation
from sslbench.api.citation import Described
from sslbench.api.defaults import (
    accept_all,
    keep_config,
    keep_settings,
    no_dependencies,
    no_libraries,
    no_members,
    no_title,
    no_warnings,
    one_part,
    resolve_no_name,
    same_shapes,
    zero,
)
from sslbench.api.dependencies import Dependency as Dependency
from sslbench.api.errors import ImplementationError
from sslbench.api.implementations import load_implementation
from sslbench.api.layouts import TakesLayouts
from sslbench.api.renamed import missing_name
from sslbench.api.values import Modality, PlanContext, Role, Scalar, Shapes, Target, TargetName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sslbench.api.frozen_encoder import FrozenEncoder
    from sslbench.api.modules import Backbone, Method, Operation

C = TypeVar("C")
Kind: TypeAlias = Literal[
    "method", "backbone", "operation", "augmentation", "dataset", "protocol", "recipe", "study", "executor", "reference",
    "layout", "metric",
]  # fmt: skip
Setting: TypeAlias = Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings by dotted path, which override defaults and are overridden by the user's settings.

    source: where the settings come from: a section of a paper, a file of published code, or a measurement of our own.
    samples, pixels: ranges; `recipe=auto` takes the first recipe that contains the number of samples and a view's pixels.
    """

    name: str
    summary: str
    settings: Mapping[str, Setting]
    source: str = ""
    samples: tuple[int, int] = (0, 2**62)
    pixels: tuple[int, int] = (0, 2**62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec(Described, Generic[C]):
    """Common fields of all specs with settings.

    config: frozen dataclass of the settings, all with defaults; see `sslbench.api.setting`.
    smoke: settings for a tiny run.
    dependencies: returns the components that it uses, by a name of its own; see `Dependency`.
    build: makes the component from its config and the parts of its kind: a callable, or "package.module:Name" as in entry
        points, which is imported by `implementation`, so that listing components imports nothing.
    check: returns one sentence per impossible setting; must not import torch.
    warnings: returns one sentence per setting that works poorly, which begins with its name ('min_steps=10: …').
    resolve_name, members: for families: settings for a further name that no other component has, and all such names.
    reset_unused: resets settings that others switch off, so that they do not prevent reuse of results.
    libraries: distributions whose version changes the numbers, such as 'timm', in addition to torch and numpy.

    Results are reused where all settings are equal, except those with `identity=False` and a dataset's root and title.
    """

    config: type[C]
    smoke: C
    build: str | Callable[..., Any]
    dependencies: Callable[[C], Mapping[str, Dependency]] = no_dependencies
    check: Callable[[C, PlanContext], Iterable[str]] = accept_all
    warnings: Callable[[C, PlanContext], Iterable[str]] = no_warnings
    resolve_name: Callable[[str], Mapping[str, Setting] | None] = resolve_no_name
    members: Callable[[], Iterable[str]] = no_members
    reset_unused: Callable[[C], C] = keep_settings
    libraries: Callable[[C], Iterable[str]] = no_libraries

    def implementation(self) -> Callable[..., Any]:
        """Return what `build` names, imported on the first call; raises ImplementationError in one line."""
        try:
            return load_implementation(self.build)
        except ImplementationError as error:
            raise ImplementationError(f"{self.name!r}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MethodParts:
    """Arguments for building a method: encoders by modality (copy one for a teacher), dependencies and context.

    needs_weights: whether published weights are loaded: not where a saved state replaces them, or only time is measured.
    """

    encoders: Mapping[str, Backbone]
    dependencies: Mapping[str, FrozenEncoder]
    context: PlanContext
    needs_weights: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSpec(Spec[C]):
    """A method: a way to train encoders, or a baseline without training.

    views: roles of the views that it takes.
    modalities: minimum and maximum number of modalities.
    requires: capabilities that every encoder must provide.
    spaces: names of embeddings in addition to the encoder's.
    trains: whether it has a training; else no data, view or schedule enters its key.
    backbone: whether the harness builds its encoders; else it brings its own.
    uses_labels: whether `Batch.target` is filled, with labels of one of the kinds `targets`.
    baseline: whether every table needs a row of it.
    random_init: whether its encoders start from random weights, also where their settings name weights.
    has_per_sample_state: whether its loss looks up state of training rows, so that it has no loss on other rows.
    frozen_weights: whether an untrained encoder is the same for every seed.
    compares_views: whether its loss compares augmented views; a modality without augmentation is then refused.
    identical_views: whether its views may be identical although it compares views.
    needs_places: whether its loss needs the facts 'box' and 'flip' of views (`sslbench.api.view_places`); operations that
        remove them are then refused.
    """

    build: str | Callable[[C, MethodParts], Method]
    views: Callable[[C], Mapping[str, Role]]
    family: str
    modalities: tuple[int, int] = (1, 1)
    requires: frozenset[str] = frozenset()
    spaces: tuple[str, ...] = ()
    trains: bool = True
    backbone: bool = True
    uses_labels: bool = False
    targets: frozenset[TargetName] = frozenset({"class"})
    baseline: bool = False
    random_init: bool = False
    has_per_sample_state: bool = False
    frozen_weights: bool = False
    compares_views: bool = False
    identical_views: bool = False
    needs_places: bool = False
    recipes: tuple[Recipe, ...] = ()

    @property
    def depends_on_seed(self) -> bool:
        """Return whether another seed gives other encoders."""
        return self.trains or (self.backbone and not self.frozen_weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSpec(TakesLayouts, Spec[C]):
    """An encoder of one modality.

    provides: its capabilities, such as 'tokens' and 'depth'; plugins may add names.
    without_weights: returns settings of the same encoder without downloaded weights, with tensors of the same shapes; used
        where weights are loaded or initialized afterwards.

    A backbone that loads published weights calls `Backbone.use_statistics`, and one that offers them to other components
    implements `PublishedWeights`.
    """

    build: str | Callable[[C, Modality], Backbone]
    layouts: frozenset[str]
    provides: Callable[[C], frozenset[str]]
    without_weights: Callable[[C], C] = keep_config


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OperationParts:
    """Arguments for building an operation: the modalities, and `spec.reference` training rows, modality -> [R, ...].

    The rows are in their natural range and the same for every seed, with facts such as 'profile.length'.
    """

    modalities: Mapping[str, Modality]
    reference: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSpec(TakesLayouts, Spec[C]):
    """One operation of augmentations.

    shapes: returns the shapes after the operation, for planning.
    reference: number of training rows that it needs when it is built.
    across_samples: whether a sample's result depends on other samples of the batch.
    random: whether views of a sample may differ after it; a center crop is not random.
    places: where pixels of images are after it: "same" as before, "updated" in the facts 'box' and 'flip' of
        `sslbench.api.view_places`, or "unknown", which removes these facts.
    """

    build: str | Callable[[C, OperationParts], Operation]
    layouts: frozenset[str]
    shapes: Callable[[C, Shapes], Shapes] = same_shapes
    reference: Callable[[C], int] = zero
    across_samples: bool = False
    random: bool = True
    places: Literal["same", "updated", "unknown"] = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStep:
    """One operation in an augmentation: its name, one probability (or one per view), and its settings.

    random_key: key of its random numbers (default: its label in the augmentation); state the old label after a rename.
    """

    operation: str
    p: float | tuple[float, ...] = 1.0
    settings: Mapping[str, Setting] = field(default_factory=dict)
    random_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationSpec(Described):
    """An ordered set of operations.

    roles: settings that differ for a role: role -> operation -> settings.
    random_key: key of its random numbers (default: its name). State the old name when an augmentation is renamed.
    """

    operations: Mapping[str, OperationStep]
    roles: Mapping[str, Mapping[str, Mapping[str, Setting]]] = field(default_factory=dict)
    random_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCard:
    """License, origin and known contents of a dataset.

    obtain: sentence on how to get the data, printed when it is missing.
    groups: columns whose values may not be divided by a split.
    embedded: whether the data needs no download; target: kind of its labels, for plans while the data is missing.
    counts: known samples by part and class, which `data verify` compares with the files.
    totals: known samples and classes by part (0: not known).
    modalities: modalities for plans while the data is missing (a side of 0 varies).
    formats: general formats that it reads, by which users find it.
    """

    license: str
    citation: Citation
    source: str
    obtain: str
    groups: tuple[str, ...] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)
    embedded: bool = False
    target: TargetName = "class"
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    totals: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    modalities: Mapping[str, Modality] = field(default_factory=dict)
    formats: tuple[str, ...] = ()


class Dataset(Protocol):
    """Samples of one part of a dataset; making one reads only names, no samples.

    columns: one row per sample: 'id' (unique), 'split' where an official split exists ('split.0', 'split.1',
        ... where several are published; each is a fold), and group columns.
    labels: [n] class codes (-1: unknown), [n, C] labels (1, 0, -1: unknown), or [n, D] numbers (NaN: unknown).
    read: returns a sample in the types of `modalities`, the facts that these announce, and 'image.size', the height and width
        of 'image' before padding. It may raise any error: the row is then left out and counted.

    Optional members: `label_lists`, ids of labeled training samples by the name of a subset (see `splits.label_lists`);
    `contents() -> Sequence[str]`, a digest of each sample's bytes; `account`, rows of a table on used and
    unused samples; `describe() -> DataDescription`; and `sizes`, height and width [n, 2] of each original image (0: unknown).
    """

    modalities: Mapping[str, Modality]
    target: Target
    columns: Mapping[str, NDArray[np.str_]]
    labels: NDArray[Any]

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]: ...

    def fingerprint(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """Folders and parts for opening a dataset.

    root: folder that the user named, if any; folders: those to search, in order, where there is none.
    work: folder for downloads and unpacked files (the last of the folders); fetch: whether it may download.
    versions: versions of the spec's libraries; part of the name of each file in `work` that was computed with them.
    """

    root: Path | None
    folders: tuple[Path, ...]
    work: Path
    part: str = ""
    fetch: bool = True
    dependencies: Mapping[str, Dataset] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec(Spec[C]):
    """A dataset.

    build: opens it; raises DataMissing or DataBroken for wrong files, RequestError for settings that do not fit them.
    parts: names of its parts, such as 'sea' and 'lab'; a request may name all, some or one of them.
    label_preserving: augmentation that keeps every label correct; used by protocols that train.
    title: name of the data in tables and files ('': that of the dataset); see `sslbench.api.files.name_folder`.
    """

    build: str | Callable[[C, Source], Dataset]
    card: DatasetCard
    parts: Callable[[C], tuple[str, ...]] = one_part
    label_preserving: str = ""
    title: Callable[[C], str] = no_title


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySpec(Described):
    """A study: a YAML file with a grid of runs and the tables made from it."""

    file: Path


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
