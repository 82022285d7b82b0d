"""Run a protocol on features with a known answer, through a real evaluation.

The encoder returns its input.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sslbench.api.frozen_encoder import FrozenEncoder
from sslbench.api.modules import Backbone, Evaluator
from sslbench.api.protocols import Need
from sslbench.api.targets import KINDS, Labels, TargetKind, TargetName
from sslbench.api.values import Modality, Outcome, Target, Task
from sslbench.data.table import Column, Prepared
from sslbench.data.views import ViewMaker
from sslbench.evaluation.bench import HarnessBench, HarnessTrial, refuse_dependency
from sslbench.evaluation.features import DiskFeatureTable
from sslbench.testing.check import Subject
from sslbench.testing.props import label_by_class
from sslbench.train.distributed.fabric import make_fabric
from sslbench.train.loop import ignore_step

CLASSES, WIDTH, STEPS = 4, 16, 5
BANK, VALIDATION, QUERY = 120, 40, 200
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ToyProblem:
    """Features [n, D] of samples with classes, labels and ids [n], and the rows for learning, selection and testing.

    labels: labels of a kind of target, which follow from the classes.
    padding: value of padded steps, if each sample is a series of 2 to STEPS steps.
    """

    features: NDArray[np.float32]
    classes: Rows
    labels: Labels
    target: Target
    ids: NDArray[np.str_]
    tasks: tuple[Task, ...]
    padding: float | None = None

    @property
    def task(self) -> Task:
        """Return the first task."""
        return self.tasks[0]

    @property
    def kind(self) -> TargetKind:
        """Return the kind of target."""
        return KINDS[self.target.kind]

    def with_other_labels(self, rows: Rows, shift: int = 1) -> ToyProblem:
        """Return the problem in which some rows have the labels of another class."""
        other, _ = label_by_class((self.classes + shift) % CLASSES, self.target.kind)
        labels = self.labels.copy()
        labels[rows] = other[rows]
        return replace(self, labels=labels)


def make_problem(
    noise: float, seed: int = 0, *, kind: TargetName = "class", related: bool = True, folds: int = 1
) -> ToyProblem:
    """Make four classes at the corners of a simplex with Gaussian noise; unrelated labels have random corners."""
    rng = np.random.default_rng([3, seed])
    total = BANK + VALIDATION + QUERY
    classes = np.arange(total) % CLASSES
    corner = classes if related else rng.permutation(classes)
    features = (4 * np.eye(WIDTH)[corner] + noise * rng.normal(size=(total, WIDTH))).astype(np.float32)
    labels, names = label_by_class(classes, kind)
    tasks = tuple(_make_task(rng.permutation(total), fold) for fold in range(folds))
    return ToyProblem(
        features=features, classes=classes, labels=labels, target=Target(kind=kind, names=names),
        ids=np.arange(total).astype(np.str_), tasks=tasks,
    )  # fmt: skip


def _make_task(rows: Rows, fold: int) -> Task:
    bank, validation, query = (np.sort(part) for part in np.split(rows, [BANK, BANK + VALIDATION]))
    return Task(setting={"fold": fold, "fraction": 1.0}, bank=bank, validation=validation, query=query)


def shuffle_rows(problem: ToyProblem, seed: int = 0) -> tuple[ToyProblem, Rows]:
    """Return the same samples in another order of rows, and the new place of each."""
    order = np.random.default_rng([5, seed]).permutation(len(problem.ids))
    place = np.argsort(order)
    tasks = tuple(
        replace(
            task,
            bank=np.sort(place[task.bank]),
            validation=np.sort(place[task.validation]),
            query=np.sort(place[task.query]),
        )
        for task in problem.tasks
    )
    arrays = {name: getattr(problem, name)[order] for name in ("features", "classes", "labels", "ids")}
    return replace(problem, tasks=tasks, **arrays), place


class IdentityBackbone(Backbone):
    """An encoder with one layer that is initialized as the identity."""

    def __init__(self, modality: Modality) -> None:
        super().__init__(modality)
        self.width, self.depth = WIDTH, 1
        self.layer = nn.Linear(WIDTH, WIDTH)
        with torch.no_grad():
            self.layer.weight.copy_(torch.eye(WIDTH))
            self.layer.bias.zero_()

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Return [B, D] for [B, D]."""
        embedded: Tensor = self.layer(x)
        return embedded

    def depth_of(self, parameter: str) -> int:
        """Return 1 for every parameter."""
        return 1


def make_table(subject: Subject, problem: ToyProblem) -> DiskFeatureTable:
    """Return the features of a problem: series if the protocol needs steps, or if the problem has padded steps."""
    values, lengths = problem.features, {}
    if Need.SEQUENCES in subject.spec.needs or problem.padding is not None:
        values = np.repeat(values[:, None], STEPS, axis=1)
    if problem.padding is not None:
        lengths = {"x": 2 + np.arange(len(values)) % (STEPS - 1)}
        values[np.arange(STEPS)[None] >= lengths["x"][:, None]] = problem.padding
    views = subject.spec.views(subject.spec.config())
    augmented = {"x": np.repeat(values[:, None], views, axis=1)} if views else {}
    return DiskFeatureTable(
        features={"x": values}, target=problem.labels, columns={"id": problem.ids}, augmented=augmented, lengths=lengths
    )


def run_protocol(subject: Subject, problem: ToyProblem) -> tuple[Sequence[Outcome], DiskFeatureTable]:
    """Return the outcomes of the protocol with its default settings, and its table.

    Encoders that the protocol uses return their input, too.
    """
    table = make_table(subject, problem)
    config = subject.spec.config()
    evaluator: Evaluator = subject.component.implementation()(config)
    slots = subject.spec.dependencies(config).keys()
    with tempfile.TemporaryDirectory(prefix="sslbench-kit-") as folder:
        return list(evaluator.measure(_trial(problem, table, Path(folder), slots))), table


def _trial(problem: ToyProblem, table: DiskFeatureTable, folder: Path, slots: Collection[str]) -> HarnessTrial:
    modality = Modality(layout="vector", shape=(WIDTH,))
    fabric = make_fabric("float32")
    prepared = Prepared(
        key="kit", name="kit", modalities={"x": modality}, target=problem.target, labels=problem.labels,
        columns=table.columns, data={"x": Column(values=problem.features)}, kept=np.arange(len(problem.labels)),
    )  # fmt: skip
    bench = HarnessBench(
        load_encoders=lambda: {"x": IdentityBackbone(modality)}, table=prepared, features=lambda: table,
        augmentation=None, fabric=fabric,
        views=ViewMaker(modalities={"x": modality}, sizes={}, seed=0, device=fabric.device), seed=0, precision="float32",
        folder=folder, checkpoint_seconds=1e9, on_step=lambda name, moment: ignore_step(moment),
    )  # fmt: skip

    def load_dependency(slot: str) -> FrozenEncoder:
        return FrozenEncoder(IdentityBackbone(modality), "x", modality) if slot in slots else refuse_dependency(slot)

    return HarnessTrial(
        tasks=problem.tasks, target=problem.target, bench=bench, rng_key=(0, "kit"), open_table=lambda space: table,
        load_dependency=load_dependency,
    )  # fmt: skip
