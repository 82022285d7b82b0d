"""The extract and evaluate stages: features once, then every protocol on them. Labels come in here, and only here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sslbench.api.modules import Instrument, Method
from sslbench.api.values import FeatureTable, Task
from sslbench.config.choices import Choice
from sslbench.config.plan import Plan
from sslbench.data.splits import divide, tasks_of
from sslbench.data.table import Prepared
from sslbench.data.views import BuiltAugmentation
from sslbench.environment import seed_from
from sslbench.protocols.bench import HarnessBench, HarnessTrial
from sslbench.protocols.features import extract, open_features
from sslbench.protocols.score import Where, score
from sslbench.train.build import build_augmentation, load_material, make_views
from sslbench.train.fabric import make_fabric
from sslbench.train.loop import Moment


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """What is measured: a trained method's folder and live encoders, on one prepared table."""

    plan: Plan
    method: Method
    pretrained: Path
    table: Prepared
    seed: int
    epoch: int | None


def extract_stage(subject: Subject, folder: Path, tick: Callable[[int, int], None]) -> None:
    """Write the features of the table, and of two label-preserving views of each sample."""
    fabric = make_fabric(subject.plan.train.precision)
    modalities, _, _ = load_material(subject.pretrained)
    views = make_views(subject.plan, modalities, 0, fabric.device)
    wanted = any(protocol.spec.views(protocol.config) for protocol in subject.plan.protocols)
    augmentation = _label_preserving(subject) if wanted else None
    with fabric.autocast():
        extract(subject.method.to(fabric.device), subject.table, views, folder, augmentation, tick)


def _label_preserving(subject: Subject) -> BuiltAugmentation | None:
    planned = subject.plan.label_preserving
    modalities, _, _ = load_material(subject.pretrained)
    return None if planned is None else build_augmentation(planned, subject.plan.view, modalities, None)


def tasks_for(plan: Plan, table: Prepared, folds: Sequence[int]) -> tuple[Task, ...]:
    """Every fold and label fraction of one table."""
    if table.target.kind != "class" or not (table.labels >= 0).any():
        return ()
    tasks: list[Task] = []
    for fold in folds:
        division = divide(table.labels, table.columns, plan.splits, fold, table.groups)
        tasks += tasks_of(division, table.labels, plan.splits.fractions, fold)
    return tuple(tasks)


def evaluate_stage(
    subject: Subject,
    protocol: Choice,
    features: Path,
    folds: Sequence[int],
    folder: Path,
    watch: Callable[[str, Moment], None],
) -> None:
    """Let one protocol measure, and write what follows from its answers."""
    plan, table = subject.plan, subject.table
    tasks = tasks_for(plan, table, folds)
    fabric = make_fabric(plan.train.precision)
    modalities, _, _ = load_material(subject.pretrained)

    def open_table(space: str) -> FeatureTable:
        return open_features(features, table, space)

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
    key = (subject.seed, protocol.component.name, table.key)
    trial = HarnessTrial(
        tasks=tasks, target=table.target, bench=bench, key=key, open_table=open_table, products=plan.products
    )
    instrument: Instrument = protocol.spec.build(protocol.config)
    where = Where(dataset=table.name, protocol=protocol.component.name, seed=subject.seed, epoch=subject.epoch)
    ids = table.columns.get("id", np.arange(len(table)).astype(str))
    score(instrument.measure(trial), tasks, table.target, table.labels, ids, where, folder)
