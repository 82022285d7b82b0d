"""Run the extract and evaluate stages: compute features once, then evaluate every protocol on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sslbench.api.modules import Evaluator, Method
from sslbench.api.targets import kind_of
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
from sslbench.evaluation.scores import EvaluationKey, write_scores
from sslbench.progress import TrainingStep
from sslbench.train.build import build_augmentation, load_training_facts, make_views
from sslbench.train.distributed.fabric import make_fabric


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluationInput:
    """The method to evaluate, the folder of its pretraining, and the data part with its prepared table."""

    plan: Plan
    method: Method
    pretrained: Path
    part: Part
    table: Prepared
    seed: int


def extract_stage(inputs: EvaluationInput, folder: Path, tick: Callable[[int, int], None]) -> None:
    """Write the features of the table."""
    fabric = make_fabric(inputs.plan.train.precision)
    modalities, _, _ = load_training_facts(inputs.pretrained)
    views = make_views(inputs.plan, modalities, 0, fabric.device)
    with fabric.autocast():
        extract(inputs.method.to(fabric.device), inputs.table, views, folder, tick)


def extract_views_stage(inputs: EvaluationInput, folder: Path, tick: Callable[[int, int], None]) -> None:
    """Write the features of two views of each sample, by the part's label-preserving augmentation."""
    fabric = make_fabric(inputs.plan.train.precision)
    modalities, _, _ = load_training_facts(inputs.pretrained)
    views = make_views(inputs.plan, modalities, 0, fabric.device)
    augmentation = _build_label_preserving(inputs)
    if augmentation is None:
        raise ValueError(
            f"dataset {inputs.part.name!r} declares no label-preserving augmentation, so views cannot be made"
        )
    with fabric.autocast():
        extract_views(inputs.method.to(fabric.device), inputs.table, views, folder, augmentation, tick)


def _build_label_preserving(inputs: EvaluationInput) -> BuiltAugmentation | None:
    planned = inputs.plan.label_preserving.get(inputs.part.name)
    modalities, _, _ = load_training_facts(inputs.pretrained)
    return None if planned is None else build_augmentation(planned, inputs.plan.view, modalities, None)


def make_tasks(plan: Plan, table: Prepared, folds: Sequence[int], fraction: float | None) -> tuple[Task, ...]:
    """Return the tasks of every fold of one table, with a fraction of its labels (None: all)."""
    if not kind_of(table.target).is_labeled(table.labels).any():
        return ()
    tasks: list[Task] = []
    for fold in folds:
        division = divide(table.labels, table.columns, plan.splits, fold, table.groups)
        tasks += tasks_of(division, table.labels, (1.0 if fraction is None else fraction,), fold)
    return tuple(tasks)


def evaluate_stage(
    inputs: EvaluationInput,
    evaluation: Evaluation,
    features: Path,
    augmented: Path | None,
    folder: Path,
    on_step: Callable[[str, TrainingStep], None],
) -> None:
    """Run one protocol, and write the scores of its outcomes.

    `features` and `augmented` are the folders of the two extract stages; `augmented` is None if no views are needed.
    """
    plan, table, protocol = inputs.plan, inputs.table, evaluation.protocol
    tasks = make_tasks(plan, table, evaluation.folds, evaluation.fraction)
    fabric = make_fabric(plan.train.precision)
    modalities, _, _ = load_training_facts(inputs.pretrained)

    def open_table(space: str) -> FeatureTable:
        groups = group_key(table.columns, plan.splits, table.groups) if kind_of(table.target).has_labels else None
        return replace(open_features(features, augmented, table, space), groups=groups)

    bench = HarnessBench(
        trained=inputs.method.encoders,
        table=table,
        features=lambda: open_table(""),
        views=make_views(plan, modalities, seed_from("bench", inputs.seed), fabric.device),
        augmentation=_build_label_preserving(inputs),
        fabric=fabric,
        seed=inputs.seed,
        precision=plan.train.precision,
        folder=folder,
        checkpoint_seconds=plan.train.checkpoint_seconds,
        on_step=on_step,
    )
    # not the table's key, which depends on versions and settings that change no sample
    key = (inputs.seed, protocol.component.name, inputs.part.fingerprint())
    trial = HarnessTrial(
        tasks=tasks,
        target=table.target,
        bench=bench,
        key=key,
        open_table=open_table,
        cpu_matmul_dtype=plan.cpu_matmul_dtype,
    )
    evaluator: Evaluator = protocol.build()
    evaluation_key = EvaluationKey(protocol=protocol.component.name, seed=inputs.seed, epoch=evaluation.epoch)
    ids = table.columns.get("id", np.arange(len(table)).astype(str))
    write_scores(evaluator.measure(trial), tasks, table.target, table.labels, ids, evaluation_key, folder)
