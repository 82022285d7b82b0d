"""What a plugin says about itself: frozen facts, one dataclass per kind of component. Importing this costs no torch.

A spec is not the component: `build` names the implementation, which is imported only when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from sslbench.api.defaults import (
    accept_all,
    keep_config,
    keep_settings,
    no_dependencies,
    no_libraries,
    no_members,
    no_title,
    no_warnings,
    none,
    one_part,
    resolve_no_name,
    same_shapes,
)
from sslbench.api.errors import ImplementationError
from sslbench.api.implementations import load_implementation
from sslbench.api.renamed import missing_name
from sslbench.api.values import Layout, Modality, PlanContext, Role, Scalar, Shapes, Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sslbench.api.modules import Backbone, Method, Operation

C = TypeVar("C")
Kind: TypeAlias = Literal[
    "method", "backbone", "operation", "augmentation", "dataset", "protocol", "recipe", "study", "executor", "reference"
]
Setting: TypeAlias = Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Where an idea or a dataset was published."""

    title: str
    authors: str
    year: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Name another component that this one needs (a teacher, the members of a pool); it enters every key.

    A dataset may be named with a part, as in NAME/PART; every part that is meant comes under SLOT/PART.
    """

    kind: Kind
    name: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    modality: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings that go together: dotted path -> value, above the defaults and below the user's own.

    `recipe=auto` takes a method's first recipe whose ranges hold the number of samples and the view's pixels. `source`
    says where the settings come from: a paper's section, a file of published code, or an own measurement.
    """

    name: str
    summary: str
    settings: Mapping[str, Setting]
    source: str = ""
    samples: tuple[int, int] = (0, 2**62)
    pixels: tuple[int, int] = (0, 2**62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec(Generic[C]):
    """What every component says about itself.

    `build` makes the component from its config and the parts of its kind. It is the text "package.module:Name" of a class or
    function, as in entry points, or a callable. The text is imported by `implementation`, so listing components imports none.

    `name` is lower-case words joined by '-'; `version` is raised when numbers may change; `config` is a frozen
    dataclass with defaults and *is* the schema; `smoke` is a tiny setting of it. `check` returns one sentence per impossible
    setting, `warnings` one per setting that works poorly, from its name on ('min_steps=10: ...'); neither imports torch. A
    *family* answers to further names (`answers_to` gives settings, if nobody has the name) and lists them in `members`.

    The settings decide which results are reused: one that changes no number is `field(default=256, metadata={"identity":
    False})`, a dataset's `root` and `title` never count, `reset_unused` resets what other settings switch off, and
    `libraries` names packages whose installed version the numbers depend on, beyond those of every training. A text that may
    name a file is `field(default="", metadata={"names_file": True})`: like a Path it is published without its folder.
    """

    name: str
    version: int
    summary: str
    citation: Citation
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
    """What a method is built from: encoders by modality (copy one for a teacher), what it uses, and the facts."""

    encoders: Mapping[str, Backbone]
    dependencies: Mapping[str, Any]
    context: PlanContext


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSpec(Spec[C]):
    """A way to learn, or not to learn, an encoder.

    `views` says which roles of views it takes; `modalities` how many at once, least and most; `requires` which
    capabilities every encoder must provide; `spaces` which embeddings it offers beside the encoder's. Without `trains`
    no data, view or schedule enters its key; without `backbone` it brings its own encoder; only with `takes_target`
    is `Batch.target` filled. A `baseline` is a row that every table needs. With `fresh` its encoders start from random
    weights whatever their settings say; with `remembers_rows` its loss looks up a training row, and it has none on others.
    With `frozen_weights` an untrained encoder is the same for every seed. With `compares_views` its loss compares augmented
    views, and a request that augments nothing of a modality is refused, but with `identical_views`, which are meant to be.
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
    baseline: bool = False
    random_init: bool = False
    has_per_sample_state: bool = False
    frozen_weights: bool = False
    compares_views: bool = False
    identical_views: bool = False
    recipes: tuple[Recipe, ...] = ()

    @property
    def depends_on_seed(self) -> bool:
        """Whether another seed gives other encoders."""
        return self.trains or (self.backbone and not self.frozen_weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSpec(Spec[C]):
    """An encoder of one modality; `provides` names its capabilities: 'tokens', 'depth', or anybody's word.

    `unlearned` gives the same encoder without weights that it would fetch: for methods that want it so, and where a state is
    put into it anyway; its tensors have the same shapes. Weights come with the statistics of their images: where `build`
    loads some it calls `Backbone.use_statistics`, and an encoder that offers them to others is a `PublishedWeights`.
    """

    build: str | Callable[[C, Modality], Backbone]
    layouts: frozenset[Layout]
    provides: Callable[[C], frozenset[str]]
    without_weights: Callable[[C], C] = keep_config


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OperationParts:
    """What an operation is built from: the modalities, and `spec.reference` training rows, modality -> [R, ...]."""

    modalities: Mapping[str, Modality]
    reference: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSpec(Spec[C]):
    """One step of an augmentation: code. `shapes` says the sizes after it, so that they are known when planning.

    Without `random` it does the same to every view of a sample (a center crop), and makes no two views differ.
    """

    build: str | Callable[[C, OperationParts], Operation]
    layouts: frozenset[Layout]
    shapes: Callable[[C, Shapes], Shapes] = same_shapes
    reference: Callable[[C], int] = none
    across_samples: bool = False
    random: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStep:
    """One operation in an augmentation: its name, one probability (or one per view), and its settings.

    `random_key` keys its random numbers (default: the operation's label in the augmentation). State the old label when a
    label is renamed, so that views stay the same.
    """

    operation: str
    p: float | tuple[float, ...] = 1.0
    settings: Mapping[str, Setting] = field(default_factory=dict)
    random_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationSpec:
    """An ordered, named set of operations: data, no code. `roles`: role -> operation -> what differs there.

    `random_key` keys its random numbers (default: its name); state the old name when an augmentation is renamed.
    """

    name: str
    version: int
    summary: str
    citation: Citation
    operations: Mapping[str, OperationStep]
    roles: Mapping[str, Mapping[str, Mapping[str, Setting]]] = field(default_factory=dict)
    random_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCard:
    """What one must know before using a dataset; `obtain` is the sentence read when it is missing.

    `groups` are columns whose values may not cross a split; `embedded` data needs no download at all; `counts` are
    the known samples by part and class, and `totals` those of a part and its classes (0: not known), which `data verify`
    compares with what is there; `modalities` is what a plan is made with while the data is missing (a side of 0 varies).
    `formats` are general formats that it reads, by which users who have such data find it.
    """

    license: str
    citation: Citation
    source: str
    obtain: str
    groups: tuple[str, ...] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)
    embedded: bool = False
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    totals: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    modalities: Mapping[str, Modality] = field(default_factory=dict)
    formats: tuple[str, ...] = ()


class Dataset(Protocol):
    """The samples of one part of a dataset; cheap to make, reads nothing but names until `read`.

    `columns` has one row per sample: 'id' (unique), 'split' where there is an official one, and group columns.
    `labels` holds [n] codes (-1 unknown) or [n, C] zeros and ones. `read` may raise anything: the row is then left
    out and counted. Images are uint8 [C, H, W]; everything else float32. Beside a image that it has padded it may
    give 'image.size', the height and width before. Some things more are used where a dataset has them:
    `contents() -> Sequence[str]`, a digest of each sample's own bytes; `account`, rows of a table that says what of
    what it was made of; `describe() -> DataDescription`, what the reader found; and `sizes`, height and width [n, 2] of each
    image before it is prepared (0: unknown).
    """

    modalities: Mapping[str, Modality]
    target: Target
    columns: Mapping[str, NDArray[np.str_]]
    labels: NDArray[np.int64]

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]: ...

    def fingerprint(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """Where a dataset may look: `root` if the user named one, then `folders` in order; and what it uses.

    `work` is where it may unpack or download to (the last of the folders); without `fetch` it must not download.
    `versions` are the installed versions of the libraries that the spec names: part of the name of anything kept in `work`
    that was computed with them.
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
    """Samples to learn from. With several `parts` ('sea/ifcb') a request may name all, some or one of them.

    `label_preserving` names an augmentation that leaves every label true; protocols that train use it for all arms. `build`
    raises DataMissing or DataBroken for what is wrong with the files, RequestError for settings that do not fit them.
    `title` names the data in tables, records and files: of a user's folder `sslbench.api.files.name_folder` (default, or '':
    the dataset's own name).
    """

    build: str | Callable[[C, Source], Dataset]
    card: DatasetCard
    parts: Callable[[C], tuple[str, ...]] = one_part
    label_preserving: str = ""
    title: Callable[[C], str] = no_title


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySpec:
    """A grid of runs and the tables made from it: a YAML file inside the package."""

    name: str
    version: int
    summary: str
    citation: Citation
    file: Path


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
