"""The extract and evaluate stages: features once, then every protocol on them. Labels come in here, and only here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sslbench.api.modules import Evaluator, Method
from sslbench.api.values import FeatureTable, Task
from sslbench.config.datasets import Part
from sslbench.config.keys import Evaluation
from sslbench.config.plan import Plan
from sslbench.data.groups import group_key
from sslbench.data.splits import divide, tasks_of
from sslbench.data.table import Prepared
from sslbench.data.views import BuiltAugmentation
from sslbench.environment import seed_from
from sslbench.evaluation.bench import HarnessBench, HarnessTrial
from sslbench.evaluation.features import extract, extract_views, open_features
from sslbench.evaluation.scores import Where, score
from sslbench.progress import TrainingStep
from sslbench.train.build import build_augmentation, load_material, make_views
from sslbench.train.distributed.fabric import make_fabric


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """What is measured: a trained method's folder and live encoders, on one part and its prepared table."""

    plan: Plan
    method: Method
    pretrained: Path
    part: Part
    table: Prepared
    seed: int


def extract_stage(subject: Subject, folder: Path, tick: Callable[[int, int], None]) -> None:
    """Write the features of the table."""
    fabric = make_fabric(subject.plan.train.precision)
    modalities, _, _ = load_material(subject.pretrained)
    views = make_views(subject.plan, modalities, 0, fabric.device)
    with fabric.autocast():
        extract(subject.method.to(fabric.device), subject.table, views, folder, tick)


def extract_views_stage(subject: Subject, folder: Path, tick: Callable[[int, int], None]) -> None:
    """Write the features of two views of each sample, by the part's label-preserving augmentation."""
    fabric = make_fabric(subject.plan.train.precision)
    modalities, _, _ = load_material(subject.pretrained)
    views = make_views(subject.plan, modalities, 0, fabric.device)
    augmentation = _label_preserving(subject)
    if augmentation is None:
        raise ValueError(f"{subject.part.name} names no label-preserving augmentation")
    with fabric.autocast():
        extract_views(subject.method.to(fabric.device), subject.table, views, folder, augmentation, tick)


def _label_preserving(subject: Subject) -> BuiltAugmentation | None:
    planned = subject.plan.label_preserving.get(subject.part.name)
    modalities, _, _ = load_material(subject.pretrained)
    return None if planned is None else build_augmentation(planned, subject.plan.view, modalities, None)


def tasks_for(plan: Plan, table: Prepared, folds: Sequence[int], fraction: float | None) -> tuple[Task, ...]:
    """Every fold of one table, with a share of its labels (None: all)."""
    if table.target.kind != "class" or not (table.labels >= 0).any():
        return ()
    tasks: list[Task] = []
    for fold in folds:
        division = divide(table.labels, table.columns, plan.splits, fold, table.groups)
        tasks += tasks_of(division, table.labels, (1.0 if fraction is None else fraction,), fold)
    return tuple(tasks)


def evaluate_stage(
    subject: Subject,
    asked: Evaluation,
    features: Path,
    augmented: Path | None,
    folder: Path,
    watch: Callable[[str, TrainingStep], None],
) -> None:
    """Let one protocol measure, and write what follows from its answers.

    `features` and `augmented` are the folders that the two extract stages left; None where no views are asked for.
    """
    plan, table, protocol = subject.plan, subject.table, asked.protocol
    tasks = tasks_for(plan, table, asked.folds, asked.fraction)
    fabric = make_fabric(plan.train.precision)
    modalities, _, _ = load_material(subject.pretrained)

    def open_table(space: str) -> FeatureTable:
        groups = group_key(table.columns, plan.splits, table.groups) if table.target.kind == "class" else None
        return replace(open_features(features, augmented, table, space), groups=groups)

    bench = HarnessBench(
        trained=subject.method.encoders,
        table=table,
        features=lambda: open_table(""),
        views=make_views(plan, modalities, seed_from("bench", subject.seed), fabric.device),
        augmentation=_label_preserving(subject),
        fabric=fabric,
        seed=subject.seed,
        precision=plan.train.precision,
        folder=folder,
        checkpoint_seconds=plan.train.checkpoint_seconds,
        watch=watch,
    )
    # not the table's own key, in which versions and settings are that change no sample
    key = (subject.seed, protocol.component.name, subject.part.fingerprint())
    trial = HarnessTrial(
        tasks=tasks,
        target=table.target,
        bench=bench,
        key=key,
        open_table=open_table,
        cpu_matmul_dtype=plan.cpu_matmul_dtype,
    )
    instrument: Evaluator = protocol.build()
    where = Where(protocol=protocol.component.name, seed=subject.seed, epoch=asked.epoch)
    ids = table.columns.get("id", np.arange(len(table)).astype(str))
    score(instrument.measure(trial), tasks, table.target, table.labels, ids, where, folder)
