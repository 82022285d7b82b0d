"""Define base classes and interfaces for implementations of plugins. Imports torch, so specs must not import it."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from sslbench.api.capabilities import Depth as Depth
from sslbench.api.capabilities import DropPath as DropPath
from sslbench.api.capabilities import Layers as Layers
from sslbench.api.capabilities import LearnedPositions as LearnedPositions
from sslbench.api.capabilities import Maps as Maps
from sslbench.api.capabilities import MaskedTokens as MaskedTokens
from sslbench.api.capabilities import PublishedWeights as PublishedWeights
from sslbench.api.capabilities import Tokens as Tokens
from sslbench.api.renamed import missing_name
from sslbench.api.training_budget import Fit as Fit
from sslbench.api.values import (
    Batch,
    FeatureTable,
    ImageArtifact,
    KeyedRandom,
    Loss,
    Modality,
    Outcome,
    Scalar,
    Step,
    Target,
    Task,
    UnaugmentedPass,
    View,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sslbench.api.frozen_encoder import FrozenEncoder
    from sslbench.api.values import IntArray


class Backbone(nn.Module, ABC):
    """Encoder of [B, *shape] in the modality's natural range to [B, width] float32; it normalizes its own input.

    Its statistics are those of the pretraining data; a backbone that loads published weights calls `use_statistics` instead.
    pooling: how positions become one vector ('avg', 'token'), for the record and the card.
    """

    width: int
    pooling: str = ""

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self._channels = modality.channels
        following = len(modality.shape) - 1 - modality.spec.channel_axis
        shape = (len(modality.mean), *(1,) * following)
        self.register_buffer("mean", torch.tensor(modality.mean).view(shape))
        self.register_buffer("std", torch.tensor(modality.std).view(shape))

    def normalize(self, x: Tensor) -> Tensor:
        """Subtract the mean and divide by the standard deviation of the encoder."""
        return (x - self.get_buffer("mean")) / self.get_buffer("std")

    def use_statistics(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Normalize with the statistics of the images that the weights were trained on.

        mean, std: one value per input channel of the weights. `normalize` repeats data of one channel to that number of
        channels, which is exact at image borders too; for data of another number of channels, the values repeat.
        """
        for name, values in (("mean", mean), ("std", std)):
            buffer = self.get_buffer(name)
            count = self._channels if self._channels > 1 else len(values)
            repeated = [values[channel % len(values)] for channel in range(count)]
            setattr(self, name, buffer.new_tensor(repeated).view(-1, *buffer.shape[1:]))

    @abstractmethod
    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode [B, *shape] as [B, width]; `length` [B] is the true number of steps of padded sequences."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParameterGroup:
    """Parameters with the same optimizer settings.

    lr_multiplier: factor of the scheduled learning rate; 0: never trained.
    scheduled: whether the learning rate follows the schedule; else it is constant.
    from_epoch: first epoch in which the group is trained.
    """

    parameters: tuple[nn.Parameter, ...]
    lr_multiplier: float = 1.0
    scheduled: bool = True
    weight_decay: bool = True
    from_epoch: int = 0


class Objective(nn.Module, ABC):
    """Module that the harness can train: a method, or a head of a protocol. Its state is parameters and buffers only."""

    @abstractmethod
    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the loss of a batch; must be deterministic and change nothing except batch-norm statistics."""

    def before_epoch(self, step: Step, survey: UnaugmentedPass) -> None:
        """Update buffers once per epoch, without gradients; train or eval mode is restored afterwards."""

    def after_step(self, step: Step, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """Update buffers that follow the weights, without gradients; `carries` has one entry per `loss` call.

        The calls of a step may have different numbers of rows: weight an average over carries by them.
        """

    def groups(self) -> Sequence[ParameterGroup]:
        """Return the parameter groups; every trainable parameter must be in exactly one."""
        return (ParameterGroup(parameters=tuple(p for p in self.parameters() if p.requires_grad)),)


class Method(nn.Module, ABC):
    """A method that is evaluated; this is the base of methods without training."""

    @property
    @abstractmethod
    def encoders(self) -> Mapping[str, Backbone]:
        """Return the encoders to keep, by modality, such as a teacher's; read after training."""

    def embed(self, view: View) -> Mapping[str, Tensor]:
        """Return the embeddings of a view: 'image' is the encoder's feature, 'image.joint' the one in space 'joint'."""
        return {m: e(view[m], view.get(f"{m}.length")) for m, e in self.encoders.items() if m in view}

    def notes(self) -> Mapping[str, str]:
        """Return notes for the record and the terminal, such as the share of weights that were loaded."""
        return {}


class TrainedMethod(Method, Objective, ABC):
    """A method with training."""

    def illustrate(self, batch: Batch, step: Step) -> Sequence[ImageArtifact]:
        """Return illustrations of held-out samples, in any layout; called once, after training."""
        return ()


def widen(x: Tensor) -> Tensor:
    """Return half-precision values as float32, and others unchanged."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


E = TypeVar("E", bound=Callable[..., Any])


def equation(function: E) -> E:
    """Decorate an equation of a paper: compute in float32 or float64, without autocast."""

    def widened(x: Any) -> Any:
        return widen(x) if isinstance(x, Tensor) else x

    @functools.wraps(function)
    def exact(*args: Any, **kwargs: Any) -> Any:
        with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
            return function(*map(widened, args), **{name: widened(x) for name, x in kwargs.items()})

    return cast(E, exact)


class Operation(Protocol):
    """One step of an augmentation: returns a new view of the batch, and does not change its input."""

    def __call__(self, view: View, random: KeyedRandom, /) -> View: ...


class Bench(Protocol):
    """Services of the harness for protocols that train."""

    def encoders(self) -> Mapping[str, Backbone]:
        """Return new copies of the trained encoders."""
        ...

    def fit(
        self,
        objective: Objective,
        rows: IntArray,
        fit: Fit,
        *,
        source: Literal["samples", "features"],
        name: str,
        validate: Callable[[], float] | None = None,
    ) -> None:
        """Train an objective on rows; batches have a target and the role 'view'.

        source: content of a view: samples, or features by modality.
        name: label of the progress line; a name that is used twice raises ValueError.
        validate: returns a score (higher is better), and is called after each of `Fit.list_validation_epochs`; the weights
            of the best epoch are restored at the end.
        """
        ...

    def answer(
        self, function: Callable[[View], Tensor], rows: IntArray, *, source: Literal["samples", "features"]
    ) -> Tensor:
        """Return a function's outputs for rows, un-augmented, without gradients: [n, ...] on the CPU."""
        ...


class Trial(Protocol):
    """Input of a protocol; it does not name the evaluated method."""

    @property
    def tasks(self) -> Sequence[Task]:
        """Return the tasks of all folds and label fractions, to be solved together."""
        ...

    @property
    def target(self) -> Target: ...

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """Return the modalities of the samples, for `sslbench.api.series`."""
        ...

    @property
    def bench(self) -> Bench: ...

    @property
    def cpu_matmul_dtype(self) -> str:
        """Return the type of matrix products on the CPU: 'bfloat16' where that is faster, else 'float32'."""
        ...

    def rng(self, *name: Scalar) -> np.random.Generator:
        """Return a generator keyed by seed, protocol, data and name, but not by the method: methods share random numbers."""
        ...

    def table(self, space: str = "") -> FeatureTable:
        """Return the features of a space; those of the encoder ('') where a method lacks the space."""
        ...

    def dependency(self, slot: str) -> FrozenEncoder:
        """Return an encoder that `dependencies` of the protocol states, on the device of the trainings.

        `bench.answer(trial.dependency("teacher"), rows, source="samples")` returns its features [n, width] of rows.
        Raises ValueError for a name that is not stated, Unavailable if its weights are not available.
        """
        ...

    def find_nearest(
        self, bank: NDArray[np.float32], query: NDArray[np.float32], k: int, *, memory: int = 256
    ) -> tuple[NDArray[np.float32], IntArray]:
        """Return the cosines [Q, k] and row numbers [Q, k] of the nearest bank vectors, best first.

        Exact: the result does not depend on the hardware's matrix products. The lower row wins ties. A bank of fewer than k
        vectors returns all of them.
        bank: vectors [n, D] of any length; the cosine with a vector of zeros is 0.
        query: vectors [Q, D]; Q may be 0.
        memory: limit on the work space in MB.
        Raises ValueError for vectors that are not finite.
        """
        ...


class Evaluator(Protocol):
    """Implementation of a protocol."""

    def measure(self, trial: Trial) -> Iterator[Outcome]: ...


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
