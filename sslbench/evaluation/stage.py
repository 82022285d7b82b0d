"""Run the extract and evaluate stages: compute features once, then evaluate every protocol on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sslbench.api.frozen_encoder import FrozenEncoder
from sslbench.api.modules import Evaluator, Method
from sslbench.api.targets import kind_of
from sslbench.api.values import FeatureTable, Task
from sslbench.config.dependencies import add_named_modality
from sslbench.config.stage_inputs import EvaluateInputs, ExtractInputs, ExtractViewsInputs
from sslbench.data.groups import group_key
from sslbench.data.label_subsets import tasks_of
from sslbench.data.splits import divide
from sslbench.data.table import Prepared
from sslbench.data.views import ViewMaker
from sslbench.environment import seed_everything, seed_from
from sslbench.evaluation.bench import HarnessBench, HarnessTrial, refuse_dependency
from sslbench.evaluation.features import extract, extract_views, open_features
from sslbench.evaluation.scores import EvaluationKey, write_outcomes
from sslbench.progress import TrainingStep
from sslbench.train.build import build_augmentation, load_training_facts, make_views
from sslbench.train.dependencies import build_dependency
from sslbench.train.distributed.fabric import make_fabric
from sslbench.train.pretrain import load_pretrained

Tick = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageServices:
    """Everything in addition to its inputs that a stage on one encoder and one part needs; nothing here changes a number.

    pretrained, features, augmented: folders of earlier stages, whose keys are part of the stage's key.
    table: the prepared samples that the inputs identify.
    folder: folder that the stage writes to.
    checkpoint_seconds: how much of an interrupted training is repeated.
    """

    pretrained: Path
    table: Prepared
    folder: Path
    features: Path | None = None
    augmented: Path | None = None
    checkpoint_seconds: float = 60.0


def extract_stage(inputs: ExtractInputs, services: StageServices, tick: Tick) -> None:
    """Write the features of the table."""
    fabric = make_fabric(inputs.precision)
    method, views = _load_method(inputs, services), _make_views(inputs, services, 0, fabric.device)
    with fabric.autocast():
        extract(method.to(fabric.device), services.table, views, services.folder, tick)


def extract_views_stage(inputs: ExtractViewsInputs, services: StageServices, tick: Tick) -> None:
    """Write the features of two views of each sample, by the part's label-preserving augmentation."""
    fabric = make_fabric(inputs.extract.precision)
    method, views = _load_method(inputs.extract, services), _make_views(inputs.extract, services, 0, fabric.device)
    augmentation = build_augmentation(inputs.augmentation, views.modalities, None)
    with fabric.autocast():
        extract_views(method.to(fabric.device), services.table, views, services.folder, augmentation, tick)


def _load_method(inputs: ExtractInputs, services: StageServices) -> Method:
    return load_pretrained(inputs.pretrain, services.pretrained, inputs.epoch)


def _make_views(inputs: ExtractInputs, services: StageServices, seed: int, device: torch.device) -> ViewMaker:
    """Make the views that the encoders of a pretraining receive, and series of these."""
    learned, _, _ = load_training_facts(services.pretrained)
    series = {name: one for name, one in services.table.modalities.items() if one.sequence_of in learned}
    return make_views({**series, **learned}, seed, device, is_squashed=inputs.samples.fit == "squash")


def _load_dependency(inputs: EvaluateInputs, services: StageServices, device: torch.device, slot: str) -> FrozenEncoder:
    """Return an encoder that a protocol uses; torch is seeded afterwards, so that no number depends on how it was built."""
    if slot not in inputs.protocol.uses:
        return refuse_dependency(slot)
    encoded, _, _ = load_training_facts(services.pretrained)
    use = inputs.protocol.uses[slot]
    encoder = build_dependency(use, add_named_modality(use, encoded, services.table.modalities)).to(device)
    seed_everything("bench", inputs.seed, slot)
    return encoder


def make_tasks(inputs: EvaluateInputs, table: Prepared) -> tuple[Task, ...]:
    """Return the tasks of every fold of one table, with a fraction or list of its labels (None: all)."""
    if inputs.division is None or not kind_of(table.target).is_labeled(table.labels).any():
        return ()
    subset = 1.0 if inputs.fraction is None else inputs.fraction
    tasks: list[Task] = []
    ids = _sample_ids(table)
    key = group_key(table.columns, inputs.division.settings, table.groups)
    for fold in inputs.folds:
        division = divide(table.labels, table.columns, inputs.division.settings, fold, table.groups)
        tasks += tasks_of(division, table.labels, (subset,), fold, ids, key)
    return tuple(tasks)


def _sample_ids(table: Prepared) -> NDArray[np.str_]:
    return table.columns.get("id", np.arange(len(table)).astype(str))


def evaluate_stage(
    inputs: EvaluateInputs, services: StageServices, on_step: Callable[[str, TrainingStep], None]
) -> None:
    """Run one protocol, and write its outcomes."""
    table, protocol, seed, division = services.table, inputs.protocol, inputs.seed, inputs.division
    features, augmented, samples = services.features, services.augmented, inputs.extract.samples
    if features is None:
        raise ValueError("an evaluation needs the folder of its features")
    tasks = make_tasks(inputs, table)
    fabric = make_fabric(inputs.extract.precision)
    views = _make_views(inputs.extract, services, seed_from("bench", seed), fabric.device)

    def open_table(space: str) -> FeatureTable:
        groups = None if division is None else group_key(table.columns, division.settings, table.groups)
        return replace(open_features(features, augmented, table, space), groups=groups)

    planned = inputs.augmentation
    bench = HarnessBench(
        load_encoders=cache(lambda: _load_method(inputs.extract, services).encoders),
        table=table,
        features=lambda: open_table(""),
        views=views,
        augmentation=None if planned is None else build_augmentation(planned, views.modalities, None),
        fabric=fabric,
        seed=seed,
        precision=inputs.extract.precision,
        folder=services.folder,
        checkpoint_seconds=services.checkpoint_seconds,
        on_step=on_step,
    )
    # not the table's key, which depends on versions and settings that change no sample
    rng_key = (seed, protocol.component.name, samples.part.fingerprint())
    trial = HarnessTrial(
        tasks=tasks,
        target=table.target,
        bench=bench,
        rng_key=rng_key,
        open_table=open_table,
        cpu_matmul_dtype=inputs.cpu_matmul_dtype,
        load_dependency=cache(partial(_load_dependency, inputs, services, fabric.device)),
    )
    evaluator: Evaluator = protocol.build()
    seed_everything("bench", seed)  # torch's generator, so that heads of all methods start with the same weights
    evaluation_key = EvaluationKey(protocol=protocol.component.name, seed=seed, epoch=inputs.extract.epoch)
    outcomes, target = evaluator.measure(trial), table.target
    write_outcomes(
        outcomes, tasks, target, table.labels, _sample_ids(table), evaluation_key, services.folder, protocol.spec
    )
