"""Split a plan into the inputs of its stages. No other module states what a stage depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sslbench.api.targets import kind_of
from sslbench.config.choices import Choice
from sslbench.config.compatibility import needs_encoders
from sslbench.config.datasets import Part
from sslbench.config.inactive_settings import is_divided, reset_unused_splits, reset_unused_training
from sslbench.config.plan import Plan
from sslbench.config.settings import TrainSettings
from sslbench.config.stage_inputs import (
    DivisionInputs,
    EvaluateInputs,
    ExtractInputs,
    ExtractViewsInputs,
    PoolInputs,
    PretrainInputs,
    TrainingInputs,
)
from sslbench.data.canvas import PrepareSettings
from sslbench.data.groups import UNGROUPED
from sslbench.data.label_lists import LabelList
from sslbench.data.prepare_inputs import PrepareInputs, SampleInputs
from sslbench.data.splits import SplitSettings, rule_versions
from sslbench.environment import DECODERS, device_kind, versions

TRAINING_LIBRARIES = ("torch", "numpy")
DIVISION_LIBRARIES = ("numpy", "scikit-learn")
"""Libraries that the harness itself uses for encoders and features, and for the division of samples."""
NO_TRAINING, NO_PREPARATION = TrainSettings(), PrepareSettings()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedTable:
    """A part of a dataset and its preparation."""

    part: Part
    prepare: PrepareInputs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedEvaluations:
    """The stages of one encoder and one evaluated part: features, those of views if a protocol uses them, and results."""

    table: PlannedTable
    extract: ExtractInputs
    views: ExtractViewsInputs | None
    protocols: tuple[EvaluateInputs, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedTraining:
    """One pretraining: its seed, the fold that limits its pool, the folds that it is evaluated on, and its evaluations."""

    title: str
    seed: int
    fold: int
    folds: tuple[int, ...]
    pretrain: PretrainInputs
    evaluations: tuple[PlannedEvaluations, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Execution:
    """How the stages of a plan are run, in addition to their inputs.

    request: the request, from which other processes of a training plan it again.
    """

    request: Mapping[str, Any]
    threads: int
    devices: int
    precision: str
    checkpoint_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedStages:
    """The inputs of all stages of a plan; `pool` and `tables` are in the order of the plan's parts."""

    pool: tuple[PlannedTable, ...]
    tables: tuple[PlannedTable, ...]
    trainings: tuple[PlannedTraining, ...]
    execution: Execution


def split_plan(plan: Plan) -> PlannedStages:
    """Return the inputs of every stage of a plan; their keys are known before anything runs."""
    return _Splitter(plan).split()


def make_prepare_inputs(part: Part, settings: PrepareSettings, canvas: int) -> PrepareInputs:
    """Return the inputs of the preparation of a part, with a canvas of `canvas` pixels for images that need one."""
    modalities = part.dataset.modalities.values()
    sized = [modality for modality in modalities if modality.spec.has_size]
    is_resized = any(modality.code.stored(modality, canvas).shape != modality.shape for modality in sized)
    samples = SampleInputs(
        part=part,
        layouts=tuple(modality.spec.label for modality in modalities),
        canvas=canvas if is_resized else 0,
        fit=settings.fit if is_resized else NO_PREPARATION.fit,
        background=settings.background if sized else NO_PREPARATION.background,
        groups=part.choice.spec.card.groups,
        decoders=versions(DECODERS),
    )
    return PrepareInputs(samples=samples, unreadable=settings.unreadable)


class _Splitter:
    """Splits one plan; what several stages share is made once."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.spec = plan, plan.spec
        self.device = device_kind()
        self.pool, self.tables = (
            tuple(
                PlannedTable(part=part, prepare=make_prepare_inputs(part, plan.prepare, plan.canvas)) for part in parts
            )
            for parts in (plan.pretrain_parts, plan.evaluate_parts)
        )
        self.by_labels = plan.pool == "train" or plan.spec.uses_labels
        """Whether labels divide the pool; each fold then has a training of its own."""
        self.augmentations = {name: planned.reset_unused(plan.view) for name, planned in plan.label_preserving.items()}
        self.protocols = tuple(choice.reset_unused() for choice in plan.protocols)
        self.divisions = [
            _divide(plan.splits, part) if kind_of(part.dataset.target).has_labels else None
            for part in plan.evaluate_parts
        ]

    def split(self) -> PlannedStages:
        plan = self.plan
        execution = Execution(
            request=plan.request, threads=plan.threads, devices=plan.train.devices, precision=plan.train.precision,
            checkpoint_seconds=plan.train.checkpoint_seconds,
        )  # fmt: skip
        return PlannedStages(
            pool=self.pool, tables=self.tables, trainings=tuple(self._trainings()), execution=execution
        )

    def _trainings(self) -> Iterator[PlannedTraining]:
        """Yield every pretraining: one per fold if folds limit the pool."""
        plan = self.plan
        units = [(fold, (fold,)) for fold in plan.folds] if self.by_labels else [(plan.folds[0], plan.folds)]
        training, divisions = self._training(), self._pool_divisions()
        method, backbones = plan.method.reset_unused(), {m: c.reset_unused() for m, c in plan.backbones.items()}
        for seed in plan.seeds:
            for fold, folds in units:
                pretrain = PretrainInputs(
                    method=method, modalities=plan.modalities, backbones=backbones if self.spec.backbone else {},
                    pool=self._pool(fold, divisions) if self.spec.backbone or self.spec.trains else None,
                    training=training, seed=seed if self.spec.depends_on_seed else 0,
                    libraries=versions(TRAINING_LIBRARIES),
                )  # fmt: skip
                evaluations = tuple(self._evaluations(pretrain, seed, folds))
                yield PlannedTraining(
                    title=self._describe_training(seed), seed=seed, fold=fold, folds=folds, pretrain=pretrain,
                    evaluations=evaluations,
                )  # fmt: skip

    def _describe_training(self, seed: int) -> str:
        """Return method, backbones, augmentations and seed for the titles of stages."""
        plan = self.plan
        names = [choice.name for choice in plan.backbones.values()] + [views.name for views in plan.augmentations]
        return " ".join([plan.method.name, *([f"({', '.join(names)})"] if names else []), f"seed {seed}"])

    def _training(self) -> TrainingInputs | None:
        plan = self.plan
        if not self.spec.trains:
            return None
        # the held-out share is an input of the pool, and the seconds between checkpoints change no number
        settings = replace(
            reset_unused_training(plan.train), holdout_fraction=NO_TRAINING.holdout_fraction,
            checkpoint_seconds=NO_TRAINING.checkpoint_seconds,
        )  # fmt: skip
        return TrainingInputs(
            roles=plan.roles, augmentations=tuple(one.reset_unused(plan.view) for one in plan.augmentations),
            shapes=plan.context.shapes, settings=settings, epochs=plan.context.epochs, threads=plan.threads,
            device=self.device,
        )  # fmt: skip

    def _pool_divisions(self) -> tuple[DivisionInputs, ...]:
        plan = self.plan
        if self.by_labels:
            return tuple(_divide(plan.splits, part) for part in plan.pretrain_parts)
        # labels do not divide this pool: if a share of it is held out, whole groups are
        return tuple(_group(plan.splits, part) for part in plan.pretrain_parts) if plan.train.has_holdout else ()

    def _pool(self, fold: int, divisions: tuple[DivisionInputs, ...]) -> PoolInputs:
        plan = self.plan
        holds_out_share = plan.train.has_holdout and not (
            self.by_labels and all(is_divided(part.dataset) for part in plan.pretrain_parts)
        )
        return PoolInputs(
            parts=tuple(one.prepare.samples for one in self.pool), divisions=divisions, is_divided=self.by_labels,
            fold=fold if self.by_labels else 0, has_holdout=plan.train.has_holdout,
            holdout_fraction=plan.train.holdout_fraction if holds_out_share else NO_TRAINING.holdout_fraction,
        )  # fmt: skip

    def _evaluations(self, pretrain: PretrainInputs, seed: int, folds: tuple[int, ...]) -> Iterator[PlannedEvaluations]:
        """Yield the evaluations of every encoder, the last and those of `train.eval_epochs`, on every part."""
        plan = self.plan
        epochs: tuple[int | None, ...] = (*plan.train.eval_epochs, None) if self.spec.trains else (None,)
        for epoch in epochs:
            for table, division in zip(self.tables, self.divisions, strict=True):
                part = table.part
                extract = ExtractInputs(
                    pretrain=pretrain, samples=table.prepare.samples, epoch=epoch, precision=plan.train.precision,
                    threads=plan.threads, device=self.device,
                )  # fmt: skip
                augmentation = self.augmentations.get(part.name)
                views = None
                if augmentation is not None and any(map(_uses_views, self.protocols)):
                    views = ExtractViewsInputs(extract=extract, augmentation=augmentation)
                protocols = tuple(
                    EvaluateInputs(
                        extract=extract, views=views if _uses_views(protocol) else None, protocol=protocol,
                        augmentation=augmentation if _trains_on_views(protocol) else None, division=division,
                        folds=folds, fraction=fraction, seed=seed, threads=plan.threads,
                        cpu_matmul_dtype=plan.cpu_matmul_dtype,
                    )
                    for protocol in self.protocols if _is_evaluated(protocol, part, epoch)
                    for fraction in self._label_subsets(protocol, part)
                )  # fmt: skip
                yield PlannedEvaluations(table=table, extract=extract, views=views, protocols=protocols)

    def _label_subsets(self, protocol: Choice, part: Part) -> tuple[float | LabelList | None, ...]:
        if not (protocol.spec.label_fractions and is_divided(part.dataset)):
            return (None,)
        return (*self.plan.splits.label_fractions, *self.plan.label_lists.get(part.name, ()))


def _is_evaluated(protocol: Choice, part: Part, epoch: int | None) -> bool:
    """Return whether a protocol fits the labels of a part, and the encoder of an epoch, which no protocol trains."""
    kind = kind_of(part.dataset.target)
    fits = not kind.has_labels or kind.name in protocol.spec.targets
    return fits and (epoch is None or not needs_encoders(protocol))


def _uses_views(protocol: Choice) -> bool:
    return bool(protocol.spec.views(protocol.config))


def _trains_on_views(protocol: Choice) -> bool:
    return needs_encoders(protocol) and bool(protocol.spec.augments(protocol.config))


def _divide(splits: SplitSettings, part: Part) -> DivisionInputs:
    """Return everything that the division of a part by class depends on."""
    groups: Any = part.choice.spec.card.groups
    return DivisionInputs(
        settings=reset_unused_splits(splits, part.dataset, groups),
        rules=rule_versions(splits, groups, part.dataset.target), libraries=versions(DIVISION_LIBRARIES),
    )  # fmt: skip


def _group(splits: SplitSettings, part: Part) -> DivisionInputs:
    """Return everything that the groups of a part depend on, which are held out together."""
    groups: Any = part.choice.spec.card.groups
    column = "" if splits.groups == UNGROUPED and not groups else splits.groups
    settings = SplitSettings(groups=column, group_gap=splits.group_gap if column else 0.0)
    return DivisionInputs(settings=settings, rules=rule_versions(settings, groups, part.dataset.target), libraries={})
