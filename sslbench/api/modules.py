"""Behavior: the classes that a plugin writes. Imports torch, so only implementations import it, never discovery."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, cast, runtime_checkable

import torch
from torch import Tensor, nn

from sslbench.api.renamed import missing_name
from sslbench.api.training_budget import Fit as Fit
from sslbench.api.values import (
    Artifact,
    Batch,
    FeatureTable,
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

    from sslbench.api.values import IntArray


class Backbone(nn.Module, ABC):
    """Encode [B, *shape] in the modality's natural range as [B, width] float32; it normalizes its own input.

    The statistics are those of the pretraining pool, and of published weights their own: a backbone that loads such weights
    calls `use_statistics`. `pooling` names how places become one vector ('avg', 'token'), for the record and the card.
    """

    width: int
    pooling: str = ""

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self._channels = modality.shape[0 if modality.layout == "image" else -1]
        channels = len(modality.mean)
        shape = (channels, 1, 1) if modality.layout == "image" else (channels,)
        self.register_buffer("mean", torch.tensor(modality.mean).view(shape))
        self.register_buffer("std", torch.tensor(modality.std).view(shape))

    def normalize(self, x: Tensor) -> Tensor:
        """Subtract the mean and divide by the deviation that the encoder was built with."""
        return (x - self.get_buffer("mean")) / self.get_buffer("std")

    def use_statistics(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Normalize with the statistics of the images that the weights were trained on.

        One value per channel that the weights take. Data of one channel is then repeated to as many by `normalize`, which is
        exact at image borders too; for data of another number of channels, the values repeat.
        """
        for name, values in (("mean", mean), ("std", std)):
            buffer = self.get_buffer(name)
            count = self._channels if self._channels > 1 else len(values)
            repeated = [values[place % len(values)] for place in range(count)]
            setattr(self, name, buffer.new_tensor(repeated).view(-1, *buffer.shape[1:]))

    @abstractmethod
    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """[B, *shape] -> [B, width]; `length` [B] counts the true steps of padded sequences."""


@runtime_checkable
class PublishedWeights(Protocol):
    """An encoder whose library publishes weights; both methods raise whatever the library or the network does."""

    def published(self) -> Mapping[str, Tensor]:
        """Fetch the weights, by the names of the encoder's `network`."""
        ...

    def published_statistics(self) -> tuple[Sequence[float], Sequence[float]]:
        """Return mean and standard deviation per channel of the images, in [0, 1], that the weights were trained on."""
        ...


@runtime_checkable
class Tokens(Protocol):
    """Capability 'tokens': an encoder that can look at some patches only."""

    patch: tuple[int, int]
    prefix: int

    def tokens(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """[B, prefix + N, width]; with `keep` [B, K] of the N patches: [B, prefix + K, width]."""
        ...


@runtime_checkable
class Depth(Protocol):
    """Capability 'depth': an encoder that knows how deep each parameter lies (layer decay, freezing)."""

    depth: int

    def depth_of(self, parameter: str) -> int:
        """0 for the stem up to `depth` for the last norm."""
        ...


@runtime_checkable
class DropPath(Protocol):
    """Capability 'drop-path': an encoder whose residual branches can be dropped at random while it trains."""

    def set_drop_path(self, rate: float) -> None:
        """Drop whole branches with this probability, growing linearly with depth."""
        ...


@runtime_checkable
class LearnedPositions(Protocol):
    """Capability 'learned-positions': an encoder that learns its positions, and can have fixed ones instead."""

    def fix_positions(self) -> None:
        """Replace learned positions by fixed sine-cosine ones, which take no gradient.

        Positions that came with published weights keep their values, and take no gradient either.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParameterGroup:
    """Parameters that are trained alike.

    `rate` multiplies the scheduled learning rate (0: never trained); without `scheduled` the rate is constant;
    before `from_epoch` the group is frozen.
    """

    parameters: tuple[nn.Parameter, ...]
    lr_multiplier: float = 1.0
    scheduled: bool = True
    weight_decay: bool = True
    from_epoch: int = 0


class Objective(nn.Module, ABC):
    """What the harness's loop can train: a method, or a protocol's head. State is parameters and buffers only."""

    @abstractmethod
    def loss(self, batch: Batch, step: Step) -> Loss:
        """Say how wrong it is. Pure: changes nothing but batch-norm statistics, and called twice gives one number."""

    def before_epoch(self, step: Step, survey: UnaugmentedPass) -> None:
        """Act exactly once an epoch, without gradients, on buffers alone; train or eval mode is put back afterwards."""

    def after_step(self, step: Step, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """Move what follows the weights, without gradients; one carry per `loss` call of the step.

        Passes of a step may differ in size: what is averaged over carries needs their numbers of rows.
        """

    def groups(self) -> Sequence[ParameterGroup]:
        """Say how parameters are trained; every trainable one in exactly one group."""
        return (ParameterGroup(parameters=tuple(p for p in self.parameters() if p.requires_grad)),)


class Method(nn.Module, ABC):
    """What is measured. One that trains nothing is no more than this."""

    @property
    @abstractmethod
    def encoders(self) -> Mapping[str, Backbone]:
        """What is kept, by modality: read when training has ended (a teacher's, say)."""

    def embed(self, view: View) -> Mapping[str, Tensor]:
        """Embed a view: 'image' is the encoder's feature, 'image.joint' the one in space 'joint'."""
        return {m: e(view[m], view.get(f"{m}.length")) for m, e in self.encoders.items() if m in view}

    def notes(self) -> Mapping[str, str]:
        """Say what the record and the terminal should say of it, such as the share of weights that matched."""
        return {}


class TrainedMethod(Method, Objective, ABC):
    """A method that learns."""

    def illustrate(self, batch: Batch, step: Step) -> Sequence[Artifact]:
        """Show what was learned, once, at the end, on held-out samples."""
        return ()


def widen(x: Tensor) -> Tensor:
    """Half-precision values as float32; float64 stays float64."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


E = TypeVar("E", bound=Callable[..., Any])


def equation(function: E) -> E:
    """Mark a paper's equation: half-precision tensors arrive as float32, autocast is off, float64 stays float64."""

    def widened(x: Any) -> Any:
        return widen(x) if isinstance(x, Tensor) else x

    @functools.wraps(function)
    def exact(*args: Any, **named: Any) -> Any:
        with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False):
            return function(*map(widened, args), **{name: widened(x) for name, x in named.items()})

    return cast(E, exact)


class Operation(Protocol):
    """One step of an augmentation on a batch: a new mapping; the inputs stay untouched."""

    def __call__(self, view: View, draws: KeyedRandom) -> View: ...


class Bench(Protocol):
    """The harness lent to a protocol that trains."""

    def encoders(self) -> Mapping[str, Backbone]:
        """Fresh trained copies at every call."""
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
        """Train on these rows; batches have the one role 'view' and a target.

        With `validate` (higher is better, called after each of `Fit.list_validation_epochs`) the best epoch's weights are put
        back at the end.
        `name` is its progress line. With source 'features' a view maps modality to features.
        """
        ...

    def answer(
        self, function: Callable[[View], Tensor], rows: IntArray, *, source: Literal["samples", "features"]
    ) -> Tensor:
        """Apply a function to these rows, un-augmented, without gradients: [n, ...] on the CPU."""
        ...


class Trial(Protocol):
    """All that a protocol sees; never who is measured."""

    @property
    def tasks(self) -> Sequence[Task]:
        """All folds and label fractions at once, to be solved together."""
        ...

    @property
    def target(self) -> Target: ...

    @property
    def bench(self) -> Bench: ...

    @property
    def cpu_matmul_dtype(self) -> str:
        """What products of matrices on the processor may be made in: 'bfloat16' where it gains by that, else 'float32'."""
        ...

    def rng(self, *name: Scalar) -> np.random.Generator:
        """A generator keyed by seed, protocol, data and name, never by the method: arms share draws."""
        ...

    def table(self, space: str = "") -> FeatureTable:
        """Features of a space; '' is the encoder's, and stands in where a method lacks the space."""
        ...


class Evaluator(Protocol):
    """A protocol, built."""

    def measure(self, trial: Trial) -> Iterator[Outcome]: ...


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
