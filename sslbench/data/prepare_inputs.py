"""Define the inputs of the prepare stage, and of the stages that read prepared samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from sslbench.api.specs import Dataset
from sslbench.data.canvas import Background, Fit
from sslbench.data.key_form import StageInputs


class OpenedPart(Protocol):
    """An opened part of a dataset, identified by its component, settings and fingerprint."""

    @property
    def dataset(self) -> Dataset: ...
    @property
    def fingerprint(self) -> Callable[[], str]: ...
    def key_form(self) -> Any: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleInputs(StageInputs):
    """Everything that prepared samples depend on.

    layouts: layouts of the modalities, with their versions.
    canvas: side in pixels of images that are fitted to a canvas; 0 if none is.
    fit, background: default if they change no sample.
    groups: group columns of the dataset's card.
    decoders: versions of the libraries that decode files.
    """

    kind: ClassVar[str] = "samples"

    part: OpenedPart
    layouts: tuple[str, ...]
    canvas: int
    fit: Fit
    background: Background
    groups: tuple[str, ...]
    decoders: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class PrepareInputs(StageInputs):
    """The samples to prepare, and the share of them that may be unreadable, which changes no prepared sample."""

    kind: ClassVar[str] = "prepare"

    samples: SampleInputs
    unreadable: float
