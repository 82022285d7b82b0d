"""Provide protocols with encoders, training and predictions (the bench), and with features and tasks (the trial)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sslbench.api.frozen_encoder import FrozenEncoder
from sslbench.api.modules import Backbone, Fit, Objective
from sslbench.api.targets import kind_of
from sslbench.api.values import FeatureTable, Modality, Role, Scalar, Target, Task, View
from sslbench.config.settings import TrainSettings
from sslbench.data.loader import read_ahead
from sslbench.data.table import Pool, Prepared
from sslbench.data.views import BuiltAugmentation, ViewMaker
from sslbench.environment import seed_everything, seed_from
from sslbench.evaluation import nearest_neighbors
from sslbench.evaluation.features import BATCH_SIZE
from sslbench.progress import TrainingStep
from sslbench.train.distributed.lightning import Fabric
from sslbench.train.distributed.process_group import SingleProcess
from sslbench.train.feeds import FeatureFeed, Feed, SampleFeed, read_feature_view
from sslbench.train.loop import Training, ignore_step, train

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HarnessBench:
    """The `Bench` of a protocol over one prepared table.

    load_encoders: called for every copy of the trained encoders, and never by protocols that need only features.
    fitted: names of the fits so far.
    """

    load_encoders: Callable[[], Mapping[str, Backbone]]
    table: Prepared
    features: Callable[[], FeatureTable]
    views: ViewMaker
    augmentation: BuiltAugmentation | None
    fabric: Fabric
    seed: int
    precision: Literal["auto", "float32", "bfloat16"]
    folder: Path
    checkpoint_seconds: float
    on_step: Callable[[str, TrainingStep], None] = field(default=lambda name, step: ignore_step(step))
    fitted: set[str] = field(default_factory=set)

    def encoders(self) -> Mapping[str, Backbone]:
        """Return new copies of the encoders; torch is seeded by the seed alone, so that methods start with equal heads."""
        copies = {name: copy.deepcopy(encoder).train() for name, encoder in self.load_encoders().items()}
        seed_everything("bench", self.seed)
        return copies

    def fit(
        self,
        objective: Objective,
        rows: Rows,
        fit: Fit,
        *,
        source: Literal["samples", "features"],
        name: str,
        validate: Callable[[], float] | None = None,
    ) -> None:
        """Train an objective in the training loop, with its own checkpoint.

        Raises ValueError if an earlier fit had the same name, whose checkpoint and random numbers this one would get.
        """
        if name in self.fitted:
            raise ValueError(f"the name {name!r} of a fit is used twice. Give each fit of a protocol a name of its own")
        self.fitted.add(name)
        objective.to(self.fabric.device)
        seed_everything("fit", self.seed, name)
        best: list[tuple[float, dict[str, Tensor]]] = []
        # validate only as often as the original number of epochs: it may cost more than an epoch of few rows
        validated = fit.list_validation_epochs(len(rows))
        fit = fit.scale_to(len(rows))

        def validate_epoch(epoch: int) -> None:
            if validate is not None and epoch in validated:
                score = validate()
                if not best or score > best[0][0]:
                    best[:] = [(score, copy.deepcopy(objective.state_dict()))]
            objective.train()

        training = Training(
            objective=objective,
            feed=self._feed(rows, fit, source, name),
            settings=make_train_settings(fit, self.precision),
            fabric=self.fabric,
            processes=SingleProcess(),
            seed=self.seed,
            # with validate the best weights are not in the checkpoint, so such a fit restarts from its beginning
            checkpoint=None if validate is not None else self.folder / f"{name}.checkpoint",
            checkpoint_seconds=self.checkpoint_seconds,
            on_step=lambda step: self.on_step(name, step),
            on_epoch_end=validate_epoch,
        )
        train(training)
        if best:
            objective.load_state_dict(best[0][1])

    def _feed(self, rows: Rows, fit: Fit, source: Literal["samples", "features"], name: str) -> Feed:
        labels = kind_of(self.table.target).encode(self.table.labels[rows], self.table.labels[rows])
        seed = seed_from("fit", self.seed, name)
        if source == "features":
            return FeatureFeed(
                table=self.features(), rows=rows, labels=labels, batch_size=fit.batch_size, seed=seed,
                device=self.fabric.device,
            )  # fmt: skip
        plain = BuiltAugmentation(name="none", weight=1.0, roles={"view": ()})
        augment = fit.augment and self.augmentation is not None
        return SampleFeed(
            pool=Pool(members=[(self.table, rows)], modalities=self.table.modalities),
            views=self.views,
            roles={"view": Role(count=1, augment=augment)},
            augmentations=[self.augmentation if augment and self.augmentation else plain],
            batch_size=fit.batch_size,
            grad_accumulation=1,
            seed=seed,
            processes=SingleProcess(),
            labels=labels,
        )

    def answer(
        self, function: Callable[[View], Tensor], rows: Rows, *, source: Literal["samples", "features"]
    ) -> Tensor:
        """Apply a function to rows without augmentation; a bound method's module is in evaluation mode meanwhile."""
        owner = getattr(function, "__self__", None)
        mode = owner.training if isinstance(owner, nn.Module) else False
        if isinstance(owner, nn.Module):
            owner.eval()
        pieces = [rows[i : i + BATCH_SIZE] for i in range(0, len(rows), BATCH_SIZE)]
        with torch.no_grad(), self.fabric.autocast():
            results = [function(view).float().cpu() for view in self._views(pieces, source)]
        if isinstance(owner, nn.Module):
            owner.train(mode)
        return torch.cat(results) if results else torch.empty(0)

    def _views(self, pieces: Sequence[Rows], source: Literal["samples", "features"]) -> Iterator[View]:
        if source == "features":
            table = self.features()
            return (read_feature_view(table, rows, self.fabric.device) for rows in pieces)
        pool = Pool(members=[(self.table, np.arange(len(self.table)))], modalities=self.table.modalities)
        return (self.views.plain(self.views.natural(pair[1])) for pair in read_ahead(pool, list(pieces)))


def make_train_settings(fit: Fit, precision: Literal["auto", "float32", "bfloat16"]) -> TrainSettings:
    """Return the training settings of a fit."""
    return TrainSettings(
        epochs=fit.epochs,
        batch_size=fit.batch_size,
        optimizer=fit.optimizer,
        lr=fit.lr,
        weight_decay=fit.weight_decay,
        schedule=fit.schedule,
        warmup_epochs=fit.warmup_epochs,
        layer_decay=fit.layer_decay,
        precision=precision,
    )


def refuse_dependency(slot: str) -> FrozenEncoder:
    """Raise ValueError: the protocol uses no other component of this name."""
    raise ValueError(f"the protocol has no dependency {slot!r}. Return it from dependencies() of its spec")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HarnessTrial:
    """The `Trial` of a protocol: tasks and features, without the method's name or settings.

    rng_key: key of the random numbers of `rng`.
    load_dependency: returns the encoder that the protocol uses under a name.
    """

    tasks: Sequence[Task]
    target: Target
    bench: HarnessBench
    rng_key: tuple[Scalar, ...]
    open_table: Callable[[str], FeatureTable]
    cpu_matmul_dtype: str = "float32"
    load_dependency: Callable[[str], FrozenEncoder] = refuse_dependency

    def dependency(self, slot: str) -> FrozenEncoder:
        """Return an encoder that the protocol uses; it is built on the first call."""
        return self.load_dependency(slot)

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """Return the modalities of the samples."""
        return self.bench.table.modalities

    def rng(self, *name: Scalar) -> np.random.Generator:
        """Return a generator keyed by seed, protocol, data and `name`."""
        return np.random.default_rng(seed_from(*self.rng_key, *name))

    def table(self, space: str = "") -> FeatureTable:
        """Return the features of a space."""
        return self.open_table(space)

    def find_nearest(
        self, bank: NDArray[np.float32], query: NDArray[np.float32], k: int, *, memory: int = 256
    ) -> tuple[NDArray[np.float32], Rows]:
        """Return the cosines [Q, k] and row numbers [Q, k] of the nearest bank vectors, best first."""
        # an array of the caller is never modified, but torch warns about one that is read-only
        vectors = (torch.from_numpy(np.require(one, np.float32, ["C", "W"])) for one in (bank, query))
        unit_bank, unit_query = (nn.functional.normalize(one, dim=1) for one in vectors)
        del bank, query, vectors  # frees copies that the caller does not keep, before the search needs memory
        cosines, rows = nearest_neighbors.find_nearest(unit_bank, unit_query, k, memory, self.cpu_matmul_dtype)
        return cosines.numpy(), rows.numpy()
