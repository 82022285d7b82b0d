"""Plan, build and train a method on the kit's samples, small enough for a test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslbench.api.errors import RequestError
from sslbench.api.modules import Method
from sslbench.api.specs import MethodSpec
from sslbench.api.values import Batch, Step, View
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, Plan, make_plan
from sslbench.config.plan_stages import make_prepare_inputs, split_plan
from sslbench.config.request import read_request
from sslbench.config.stage_inputs import PretrainInputs
from sslbench.convert import to_plain
from sslbench.data.keyed_random import CounterRandom
from sslbench.data.prepare import prepare
from sslbench.data.table import Pool, Prepared, open_prepared
from sslbench.environment import places
from sslbench.testing.check import NotApplicable, Subject
from sslbench.testing.example_modalities import installed_layouts
from sslbench.train.build import TrainingData, build_augmentation, build_method, gather_training_data, make_views
from sslbench.train.distributed.fabric import make_fabric
from sslbench.train.distributed.process_group import SingleProcess
from sslbench.train.feeds import SampleFeed
from sslbench.train.loop import Training, TrainingResult, train

BATCH, EPOCHS = 32, 6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MethodRig:
    """A planned method and its training samples."""

    plan: Plan
    inputs: PretrainInputs
    material: TrainingData

    def build(self, seed: int = 0) -> Any:
        """Build a new method."""
        inputs, material = replace(self.inputs, seed=seed), self.material
        return build_method(inputs, material.modalities, material.target, len(material.pool))

    def start(self) -> Any:
        """Build a new method and call before_epoch(), as a training loop does."""
        method = self.build()
        with torch.no_grad():
            method.before_epoch(self.step(), self.feed().unaugmented_pass())
        return method

    def feed(self, seed: int = 0) -> SampleFeed:
        """Return the feed of batches."""
        plan, material = self.plan, self.material
        views = make_views(material.modalities, seed, make_fabric("float32").device, is_squashed=False)
        planned = [augmentation.reset_unused(plan.view) for augmentation in plan.augmentations]
        return SampleFeed(
            pool=material.pool, views=views, roles=plan.roles,
            augmentations=[build_augmentation(one, material.modalities, material.pool) for one in planned],
            batch_size=plan.train.batch_size, grad_accumulation=1, seed=seed, processes=SingleProcess(),
            labels=material.labels,
        )  # fmt: skip

    def batch(self) -> Batch:
        """Return the first batch of the first epoch."""
        return next(iter(self.feed().epoch(0, 0)))[0][0][1]

    def view(self) -> View:
        """Return the first samples without augmentation."""
        return next(iter(self.feed().unaugmented_pass()()))[1]

    def step(self, epoch: int = 0) -> Step:
        """Return the training step at the beginning of an epoch."""
        steps, epochs = self.feed().steps(), self.plan.train.epochs
        draws = CounterRandom.of(self.batch().index[:1], 0, "step")
        return Step(
            index=epoch * steps,
            total_steps=epochs * steps,
            epoch=epoch,
            epochs=epochs,
            random=draws,
            processes=SingleProcess(),
        )

    def train(self, method: Any, *, epochs: int | None = None, checkpoint: Path | None = None) -> TrainingResult:
        """Train in the real loop, from the checkpoint if there is one; `epochs` stops it early."""

        def ended(epoch: int) -> None:
            if epoch == epochs:
                raise _StopTraining

        feed, fabric = self.feed(), make_fabric("float32")
        return train(Training(objective=method, feed=feed, settings=self.plan.train, fabric=fabric, seed=0,
                              processes=SingleProcess(), checkpoint=checkpoint, checkpoint_seconds=0.0,
                              on_epoch_end=ended))  # fmt: skip

    def train_and_stop(self, method: Any, epochs: int, checkpoint: Path) -> None:
        """Train some epochs, as a run that is interrupted."""
        try:
            self.train(method, epochs=epochs, checkpoint=checkpoint)
        except _StopTraining:
            return


class _StopTraining(Exception):
    """Raised to stop a training early."""


def make_rig(subject: Subject) -> MethodRig:
    """Plan the subject on the kit's samples; raises RequestError with the problems of the plan."""
    return subject.cached("rig", lambda: rig_of(plan_method(subject)))  # type: ignore[no-any-return]


def rig_of(plan: Plan) -> MethodRig:
    """Prepare the samples of a plan, and gather its training data: all samples, for a method without a pool."""
    inputs, table = split_plan(plan).trainings[0].pretrain, prepare_samples(plan)
    material = gather_training_data(inputs, [table])
    if inputs.pool is None:
        everything = Pool(members=[(table, np.arange(len(table)))], modalities=inputs.modalities)
        material = replace(material, pool=everything)
    return MethodRig(plan=plan, inputs=inputs, material=material)


def plan_method(
    subject: Subject, *, batch: int = BATCH, count: int | None = None, target: str | None = None, need: str = ""
) -> Plan:
    """Plan the first combination of modalities without problems; raises RequestError with those of all combinations.

    count: number of modalities (default: the fewest that the method takes).
    target: kind of target (default: classes, or the first kind that the method takes).
    need: fact of layouts, such as 'has_length', that one of the modalities must have.
    """
    problems: list[str] = []
    target = target or min(subject.spec.targets, key=lambda kind: (kind != "class", kind))
    for specs in combinations(installed_layouts(subject.catalog), count or subject.spec.modalities[0]):
        if need and not any(getattr(spec, need) for spec in specs):
            continue
        try:
            return _plan_on_layouts(subject, [spec.name for spec in specs], batch, target)
        except RequestError as error:
            problems += error.problems
    raise RequestError(list(dict.fromkeys(problems)))


def _plan_on_layouts(subject: Subject, layouts: Sequence[str], batch: int, target: str) -> Plan:
    spec: MethodSpec[Any] = subject.spec
    request: dict[str, Any] = {
        "method": {"name": spec.name, **to_plain(spec.smoke)}, "recipe": "none", "protocols": ["knn"], "seeds": [0],
        "data": {"name": "kit-samples", "layouts": list(layouts), "target": target}, "augmentation": {"name": "kit-noisy"},
        "train": {"batch_size": batch, "epochs": EPOCHS, "lr": 3e-3, "weight_decay": 0.0, "precision": "float32"},
    }  # fmt: skip
    if spec.backbone:
        request["backbones"] = {name: {"name": _encoder_for(subject, name)} for name in layouts}
    tree = read_request(None, request, [])
    return make_plan(tree, subject.catalog, DatasetCache(places()), Machine(threads=1, precision="float32"))


def _encoder_for(subject: Subject, layout: str) -> str:
    """Return the kit's encoder, or the first installed one with capabilities that the kit's encoder lacks."""
    wanted: frozenset[str] = subject.spec.requires
    installed = sorted(subject.catalog.all("backbone"), key=lambda component: component.name != "kit-encoder")
    for component in installed:
        spec = component.spec
        if wanted <= spec.provides(spec.config()) and spec.takes(layout):
            return component.name
    return "kit-encoder"


def prepare_samples(plan: Plan) -> Prepared:
    """Prepare a plan's training samples in a temporary folder, which is deleted afterwards: mapped files stay readable."""
    inputs = make_prepare_inputs(plan.pretrain_parts[0], plan.prepare, plan.canvas)
    with tempfile.TemporaryDirectory(prefix="sslbench-kit-") as folder:
        prepare(inputs, "kit", Path(folder), lambda done, total: None)
        return open_prepared(Path(folder), "kit")


def copy_state(method: Method) -> Mapping[str, Tensor]:
    """Return a copy of the state dictionary."""
    return {name: value.detach().clone() for name, value in method.state_dict().items()}


@contextmanager
def temporary_checkpoint() -> Iterator[Path]:
    """Yield the path of a checkpoint in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="sslbench-kit-") as folder:
        yield Path(folder) / "checkpoint"


def take_rows(view: View, rows: Tensor | slice) -> View:
    """Return some samples of a view."""
    return {name: x[rows] for name, x in view.items()}


def trained_rig(subject: Subject) -> MethodRig:
    """Return the rig of a method that trains; raises NotApplicable for others."""
    if not subject.spec.trains:
        raise NotApplicable("does not train")
    return make_rig(subject)


def start_method(subject: Subject) -> tuple[MethodRig, Any]:
    """Return the rig, and a new method after before_epoch()."""
    rig = trained_rig(subject)
    return rig, rig.start()


def select_rows(batch: Batch, rows: Tensor) -> Batch:
    """Return some samples of a batch, in the given order."""
    views = {role: tuple(take_rows(view, rows) for view in made) for role, made in batch.views.items()}
    target = None if batch.target is None else batch.target[rows]
    return Batch(views=views, index=batch.index[rows], random=batch.random[rows], target=target)
