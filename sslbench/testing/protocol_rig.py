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
from sslbench.api.targets import Labels, TargetName, kind_of_labels
from sslbench.api.values import Modality, Outcome, Target, Task
from sslbench.data.table import Column, Prepared
from sslbench.data.views import ViewMaker
from sslbench.evaluation.bench import HarnessBench, HarnessTrial, refuse_dependency
from sslbench.evaluation.features import DiskFeatureTable
from sslbench.testing.check import Subject
from sslbench.train.distributed.fabric import make_fabric
from sslbench.train.loop import ignore_step

CLASSES, WIDTH, STEPS = 4, 16, 5
BANK, VALIDATION, QUERY = 120, 40, 200
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ToyProblem:
    """Features [n, D] of samples with labels and ids [n], and the rows for learning, selection and testing.

    The kind of target follows from the array of labels.
    """

    features: NDArray[np.float32]
    labels: Labels
    ids: NDArray[np.str_]
    task: Task


def make_problem(noise: float, seed: int = 0, *, related: bool = True) -> ToyProblem:
    """Make four classes at the corners of a simplex with Gaussian noise; unrelated labels have random corners."""
    rng = np.random.default_rng([3, seed])
    total = BANK + VALIDATION + QUERY
    labels = np.arange(total) % CLASSES
    corner = labels if related else rng.permutation(labels)
    features = (4 * np.eye(WIDTH)[corner] + noise * rng.normal(size=(total, WIDTH))).astype(np.float32)
    parts = np.split(rng.permutation(total), [BANK, BANK + VALIDATION])
    bank, validation, query = (np.sort(part) for part in parts)
    task = Task(setting={"fold": 0, "fraction": 1.0}, bank=bank, validation=validation, query=query)
    return ToyProblem(features=features, labels=labels, ids=np.arange(total).astype(np.str_), task=task)


def relabel(problem: ToyProblem, kind: TargetName) -> ToyProblem:
    """Return the problem with three labels or two numbers per sample that follow from its class, a tenth unknown."""
    codes = problem.labels
    unknown = np.random.default_rng(4).random((len(codes), 3)) < 0.1
    if kind == "labels":
        labels = np.stack([codes < 2, codes % 2, codes == 3], axis=1).astype(np.int64)
        return replace(problem, labels=np.where(unknown, -1, labels))
    values = np.stack([1000.0 * (codes < 2) + 5, codes % 2 - 0.5], axis=1)
    return replace(problem, labels=np.where(unknown[:, :2], np.nan, values))


def shuffle_rows(problem: ToyProblem, seed: int = 0) -> tuple[ToyProblem, Rows]:
    """Return the same samples in another order of rows, and the new place of each."""
    order = np.random.default_rng([5, seed]).permutation(len(problem.labels))
    place = np.argsort(order)
    bank, validation, query = (
        np.sort(place[rows]) for rows in (problem.task.bank, problem.task.validation, problem.task.query)
    )
    task = replace(problem.task, bank=bank, validation=validation, query=query)
    features, labels, ids = problem.features[order], problem.labels[order], problem.ids[order]
    return ToyProblem(features=features, labels=labels, ids=ids, task=task), place


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


def run_protocol(subject: Subject, problem: ToyProblem) -> tuple[Sequence[Outcome], DiskFeatureTable]:
    """Return the outcomes of the protocol with its default settings, and its table.

    Encoders that the protocol uses return their input, too.
    """
    values = problem.features
    if Need.SEQUENCES in subject.spec.needs:
        values = np.repeat(values[:, None], STEPS, axis=1)
    views = subject.spec.views(subject.spec.config())
    augmented = {"x": np.repeat(values[:, None], views, axis=1)} if views else {}
    table = DiskFeatureTable(
        features={"x": values}, target=problem.labels, columns={"id": problem.ids}, augmented=augmented
    )
    config = subject.spec.config()
    evaluator: Evaluator = subject.component.implementation()(config)
    slots = subject.spec.dependencies(config).keys()
    with tempfile.TemporaryDirectory(prefix="sslbench-kit-") as folder:
        return list(evaluator.measure(_trial(problem, table, Path(folder), slots))), table


def _trial(problem: ToyProblem, table: DiskFeatureTable, folder: Path, slots: Collection[str]) -> HarnessTrial:
    modality = Modality(layout="vector", shape=(WIDTH,))
    kind = kind_of_labels(problem.labels)
    target = Target(
        kind=kind.name, names=tuple("abcd" if problem.labels.ndim == 1 else "abcd"[: problem.labels.shape[1]])
    )
    fabric = make_fabric("float32")
    prepared = Prepared(
        key="kit", name="kit", modalities={"x": modality}, target=target, labels=problem.labels, columns=table.columns,
        data={"x": Column(values=problem.features)}, kept=np.arange(len(problem.labels)),
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
        tasks=(problem.task,), target=target, bench=bench, rng_key=(0, "kit"), open_table=lambda space: table,
        load_dependency=load_dependency,
    )  # fmt: skip
