"""Define the inputs of the pretrain, extract and evaluate stages: all that each stage may read, and all that is in its key.

What a stage does not use is no field, or holds a constant: labels and folds are inputs where a method or pool uses them,
data and schedule where a method trains, backbones where the harness builds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sslbench.api.specs import MethodSpec
from sslbench.api.values import Modality, Role, Shapes
from sslbench.config.augmentations import PlannedAugmentation
from sslbench.config.choices import Choice
from sslbench.config.settings import TrainSettings
from sslbench.data.key_form import StageInputs
from sslbench.data.label_lists import LabelList
from sslbench.data.prepare_inputs import SampleInputs
from sslbench.data.splits import SplitSettings
from sslbench.environment import Precision

EVALUATION_FORMAT = 5
"""Version of the files in an evaluation's folder: increased when they change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DivisionInputs:
    """Everything that the division of a dataset depends on, in addition to its samples.

    rules: versions of the harness's rules.
    libraries: versions of the libraries that divide.
    """

    settings: SplitSettings
    rules: tuple[int, ...]
    libraries: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoolInputs:
    """The samples of a pretraining.

    divisions: one per part, or none if all rows are used; without `is_divided` they state only groups of samples.
    is_divided: whether the rows are those of the training part of a division.
    fold: fold of the division; 0 without one.
    has_holdout: whether rows are held out for the validation loss.
    holdout_fraction: share that is held out where the division has no validation part.
    """

    parts: tuple[SampleInputs, ...]
    divisions: tuple[DivisionInputs, ...]
    is_divided: bool
    fold: int
    has_holdout: bool
    holdout_fraction: float

    @property
    def is_squashed(self) -> bool:
        """Return whether images were stretched to their canvas."""
        return any(part.fit == "squash" for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingInputs:
    """Views, settings and environment of a training.

    shapes: shapes of a sample in each role, after augmentation.
    epochs: epochs that components are told, those of all rows of the data.
    threads, device: number of threads and kind of device that compute it.
    """

    roles: Mapping[str, Role]
    augmentations: tuple[PlannedAugmentation, ...]
    shapes: Mapping[str, Shapes]
    settings: TrainSettings
    epochs: int
    threads: int
    device: str


@dataclass(frozen=True, kw_only=True, eq=False)
class PretrainInputs(StageInputs):
    """Everything that the encoders of a method depend on.

    modalities: those that the method uses, as encoders receive them, without statistics.
    backbones: by modality; empty if the harness builds none.
    pool: None for a method without backbone and training.
    training: None for a method that does not train.
    seed: 0 if the encoders do not depend on it.
    libraries: versions of the libraries that the harness uses; components name their own.
    """

    kind: ClassVar[str] = "pretrain"

    method: Choice
    modalities: Mapping[str, Modality]
    backbones: Mapping[str, Choice]
    pool: PoolInputs | None
    training: TrainingInputs | None
    seed: int
    libraries: Mapping[str, str]

    @property
    def spec(self) -> MethodSpec[Any]:
        """Return the method's spec."""
        spec: MethodSpec[Any] = self.method.spec
        return spec


@dataclass(frozen=True, kw_only=True, eq=False)
class ExtractInputs(StageInputs):
    """Everything that the features of a part under an encoder depend on.

    epoch: epoch after which the encoder was saved; None: the last.
    """

    kind: ClassVar[str] = "extract"

    pretrain: PretrainInputs
    samples: SampleInputs
    epoch: int | None
    precision: Literal["auto", "float32", "bfloat16"]
    threads: int
    device: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ExtractViewsInputs(StageInputs):
    """Everything that the features of augmented views of a part depend on."""

    kind: ClassVar[str] = "views"

    extract: ExtractInputs
    augmentation: PlannedAugmentation


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluateInputs(StageInputs):
    """Everything that the results of one protocol on features depend on.

    views: features of augmented views, if the protocol uses them.
    augmentation: augmentation that the protocol trains with, if any.
    division: None for data that is not divided by class.
    fraction: share of the labels that it trains on, or a list of them; None if it uses no labels.
    """

    kind: ClassVar[str] = "evaluate"

    extract: ExtractInputs
    views: ExtractViewsInputs | None
    protocol: Choice
    augmentation: PlannedAugmentation | None
    division: DivisionInputs | None
    folds: tuple[int, ...]
    fraction: float | LabelList | None
    seed: int
    threads: int
    cpu_matmul_dtype: Precision
    format: int = EVALUATION_FORMAT
