"""Compute the keys of stages: a hash of exactly what each stage's output depends on.

Labels enter a key only if the method uses them, data and schedule only if it trains, the backbone only if it uses one.
Folders, titles of datasets and settings without effect enter no key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sslbench.api.targets import kind_of
from sslbench.config.choices import Choice
from sslbench.config.compatibility import needs_encoders
from sslbench.config.datasets import Part
from sslbench.config.inactive_settings import is_divided, reset_unused_splits, reset_unused_training
from sslbench.config.path_settings import to_key_form
from sslbench.config.plan import Plan
from sslbench.config.settings import TrainSettings
from sslbench.convert import to_plain
from sslbench.data.canvas import PrepareSettings
from sslbench.data.groups import UNGROUPED
from sslbench.data.splits import SplitSettings, rule_versions
from sslbench.environment import DECODERS, device_kind, versions

EVALUATION_FORMAT = 3
"""Version of the files in an evaluation's folder: increased when they change."""
LIBRARIES = ("torch", "numpy", "scikit-learn", "timm", "torchvision", "scipy")
HARNESS = ("sslbench",)


def digest(*values: Any) -> str:
    """Return a short hash of plain values."""
    text = json.dumps([to_plain(value) for value in values], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def stage_digest(kind: str, *values: Any) -> str:
    """Return the hash of a stage's inputs and of the harness's version."""
    return digest(kind, versions(HARNESS), *values)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingInputs:
    """One pretraining of a plan: its seed, the fold that limits its pool, and the folds that it is evaluated on."""

    seed: int
    fold: int
    folds: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """One evaluation by a protocol: of a part, with the encoder after `epoch` (None: the last), on some folds.

    `fraction` is the share of labels that the protocol trains on; None if it uses no labels.
    """

    part: Part
    protocol: Choice
    seed: int
    epoch: int | None
    folds: tuple[int, ...]
    fraction: float | None

    @property
    def needs_views(self) -> bool:
        """Return whether the protocol needs features of augmented views."""
        return bool(self.protocol.spec.views(self.protocol.config))

    @property
    def facts(self) -> dict[str, Any]:
        """Return the facts that a record stores."""
        return {
            "dataset": self.part.name, "protocol": self.protocol.component.name, "epoch": self.epoch,
            "folds": list(self.folds), "fraction": self.fraction,
        }  # fmt: skip


def trainings(plan: Plan) -> Iterator[TrainingInputs]:
    """Yield every pretraining of a plan: one per fold if folds limit the pool."""
    by_fold = plan.pool == "train" or plan.spec.uses_labels
    units = [(fold, (fold,)) for fold in plan.folds] if by_fold else [(plan.folds[0], plan.folds)]
    for seed in plan.seeds:
        yield from (TrainingInputs(seed=seed, fold=fold, folds=folds) for fold, folds in units)


def epochs_of(plan: Plan) -> tuple[int | None, ...]:
    """List the epochs whose encoders are evaluated; None is the last."""
    return (*plan.train.eval_epochs, None) if plan.spec.trains else (None,)


def evaluations(plan: Plan, training: TrainingInputs, part: Part, epoch: int | None) -> Iterator[Evaluation]:
    """Yield the evaluations of one encoder on one part: each fitting protocol, for each label fraction if it uses labels."""
    kind = kind_of(part.dataset.target)
    for protocol in plan.protocols:
        does_not_fit = kind.has_labels and kind.name not in protocol.spec.targets
        if does_not_fit or (epoch is not None and needs_encoders(protocol)):
            continue
        by_labels = protocol.spec.label_fractions and is_divided(part.dataset)
        for fraction in plan.splits.label_fractions if by_labels else (None,):
            yield Evaluation(
                part=part, protocol=protocol, seed=training.seed, epoch=epoch, folds=training.folds, fraction=fraction
            )


def prepare_key(plan: Plan, part: Part) -> str:
    """Return the key of a part's prepared samples, including the share that may be unreadable."""
    return part_key(part, plan.prepare, plan.canvas)


def part_key(part: Part, settings: PrepareSettings, canvas: int) -> str:
    """Return the key of a part's prepared samples without a plan."""
    return stage_digest("prepare", samples_key(part, settings, canvas), settings.unreadable)


def samples_key(part: Part, settings: PrepareSettings, canvas: int) -> str:
    """Return the key of prepared samples: files, reader settings, canvas (if samples have one) and decoding libraries."""
    modalities = part.dataset.modalities
    sized = {name: m for name, m in modalities.items() if m.spec.has_size}
    prepared = {name: modality.code.stored(modality, canvas) for name, modality in sized.items()}
    is_resized = any(prepared[name].shape != modality.shape for name, modality in sized.items())
    values: list[Any] = [settings.background] if sized else []
    values += [m.spec.label for m in modalities.values() if m.spec.version > 1]
    values += [settings.fit, {name: modality.shape for name, modality in prepared.items()}] if is_resized else []
    values += [part.choice.spec.card.groups, versions(DECODERS)]
    return stage_digest("samples", part.choice.key(), part.part, part.fingerprint(), *values)


def split_rule(splits: SplitSettings, part: Part) -> Any:
    """Return everything that the division of a part depends on."""
    groups = part.choice.spec.card.groups
    return reset_unused_splits(splits, part.dataset, groups), groups, rule_versions(splits, groups, part.dataset.target)


def rows_key(plan: Plan, fold: int) -> str:
    """Return the key of a method's training samples, and of the samples on which its loss is monitored."""
    parts = [samples_key(part, plan.prepare, plan.canvas) for part in plan.pretrain_parts]
    rule: Any = ()
    if plan.pool == "train" or plan.spec.uses_labels:
        rule = [fold, *(split_rule(plan.splits, part) for part in plan.pretrain_parts)]
    elif plan.train.has_holdout:  # labels do not divide this pool: whole groups of it are held out
        rule = [_holdout_groups(plan.splits, part) for part in plan.pretrain_parts]
    return digest(parts, plan.pool == "train", rule, plan.train.has_holdout, _holdout_fraction(plan))


def _holdout_groups(splits: SplitSettings, part: Part) -> Any:
    """Return everything that the held-out groups of a part depend on."""
    groups = part.choice.spec.card.groups
    column = "" if splits.groups == UNGROUPED and not groups else splits.groups
    rule = SplitSettings(groups=column, group_gap=splits.group_gap if column else 0.0)
    return rule, groups, rule_versions(rule, groups, part.dataset.target)


def _holdout_fraction(plan: Plan) -> float | None:
    """Return the share of the pool that is held out, or None if it is the validation part of a split."""
    by_labels = plan.pool == "train" or plan.spec.uses_labels
    shared = not by_labels or not all(is_divided(part.dataset) for part in plan.pretrain_parts)
    return plan.train.holdout_fraction if plan.train.has_holdout and shared else None


def training_settings(plan: Plan) -> Any:
    """Return the settings that a training depends on; the held-out share is part of `rows_key` instead."""
    train = reset_unused_training(plan.train)
    return to_key_form(replace(train, holdout_fraction=TrainSettings().holdout_fraction))


def view_sizes(plan: Plan) -> Any:
    """Return the size of encoded images, or None without images."""
    return plan.view if any(m.spec.has_size for m in plan.modalities.values()) else None


def pretrain_key(plan: Plan, seed: int, fold: int) -> str:
    """Return the key of a method's encoders."""
    spec = plan.spec
    shapes = {name: m.identity for name, m in plan.modalities.items()}
    values: list[Any] = [plan.method.key(), shapes, versions(LIBRARIES)]
    if spec.backbone:
        values += [{m: c.key() for m, c in plan.backbones.items()}, seed if spec.depends_on_seed else None]
    if spec.backbone or spec.trains:
        values += [rows_key(plan, fold)]
    if spec.trains:
        values += [[a.stage_key() for a in plan.augmentations], plan.context.shapes, view_sizes(plan)]
        values += [training_settings(plan), seed, plan.threads, device_kind()]
    return stage_digest("pretrain", *values)


def pretrain_shape(plan: Plan) -> str:
    """Return the key of a training's cost per sample: everything but the samples, their number, epochs and seed."""
    shapes = {name: m.identity for name, m in plan.modalities.items()}
    values: list[Any] = [plan.method.key(), shapes, {m: c.key() for m, c in plan.backbones.items()}, plan.threads]
    if plan.spec.trains:
        own = plan.train
        train = (own.batch_size, own.grad_accumulation, own.optimizer, own.precision, own.compile)
        values += [[a.stage_key() for a in plan.augmentations], plan.view, plan.canvas, train]
    return digest("shape", *values)


def encoder_shape(plan: Plan, *more: Any) -> str:
    """Return the key of the encoders' cost per sample, and of `more` computations on their features."""
    shapes = {name: m.identity for name, m in plan.modalities.items()}
    encoders = {m: c.key() for m, c in plan.backbones.items()} if plan.spec.backbone else plan.method.key()
    return digest("encoder", shapes, encoders, plan.view, plan.canvas, plan.threads, plan.train.precision, *more)


def pretrain_family(plan: Plan) -> str:
    """Return a key of trainings with similar cost per sample: one method and encoder at one size, with any settings."""
    return encoder_shape(plan, "family", plan.method.component.name)


def evaluate_family(plan: Plan, protocol: Choice) -> str:
    """Return a key of evaluations with similar cost per sample: one protocol, and one encoder if it runs that."""
    if needs_encoders(protocol):
        return encoder_shape(plan, "family", protocol.component.name)
    return digest("family", protocol.component.name, plan.threads)


def extract_key(plan: Plan, pretrain: str, part: Part, epoch: int | None) -> str:
    """Return the key of the features of one evaluation part under one encoder."""
    values = (view_sizes(plan), epoch, plan.train.precision, plan.threads, device_kind())
    return stage_digest("extract", pretrain, samples_key(part, plan.prepare, plan.canvas), *values)


def views_key(plan: Plan, extract: str, part: Part) -> str | None:
    """Return the key of the features of label-preserving views of the samples; None if no protocol needs them."""
    is_needed = any(protocol.spec.views(protocol.config) for protocol in plan.protocols)
    augmentation = plan.label_preserving.get(part.name)
    return stage_digest("views", extract, augmentation.stage_key()) if is_needed and augmentation else None


def evaluate_key(plan: Plan, extract: str, views: str | None, evaluation: Evaluation) -> str:
    """Return the key of one protocol's results on features."""
    part, protocol = evaluation.part, evaluation.protocol
    rule = split_rule(plan.splits, part) if kind_of(part.dataset.target).has_labels else None
    augmentation = plan.label_preserving.get(part.name)
    values: list[Any] = [EVALUATION_FORMAT, extract, protocol.key(), rule]
    values += [evaluation.folds, evaluation.fraction, evaluation.seed]
    values += [plan.threads, plan.cpu_matmul_dtype]
    if evaluation.needs_views:
        values += [views]
    if needs_encoders(protocol):
        is_used = augmentation is not None and protocol.spec.augments(protocol.config)
        values += [plan.train.precision, augmentation.stage_key() if augmentation and is_used else None]
    return stage_digest("evaluate", *values)


def run_id(plan: Plan) -> str:
    """Return the name of a run's folder: method, backbone and data, and a hash of everything that its record depends on.

    The hash covers the stages of the first training only: those of the others differ by seed and fold, which it includes.
    """
    backbone = "+".join(c.name for c in plan.backbones.values()) or "own"
    names = [part.name for part in plan.evaluate_parts]
    first = next(trainings(plan))
    keys = [pretrain_key(plan, first.seed, first.fold)]
    for epoch in epochs_of(plan):
        for part in plan.evaluate_parts:
            extract = extract_key(plan, keys[0], part, epoch)
            views = views_key(plan, extract, part)
            keys += [evaluate_key(plan, extract, views, one) for one in evaluations(plan, first, part, epoch)]
    content: list[Any] = [
        names,
        [part.name for part in plan.pretrain_parts],
        plan.pool,
        plan.recipe,
        plan.seeds,
        plan.folds,
    ]
    content += [plan.splits, plan.prepare.unreadable]
    data = "+".join(dict.fromkeys(part.choice.title for part in plan.evaluate_parts))
    readable = "-".join((plan.method.name, backbone, data)).replace("/", "_").replace(" ", "_")
    return f"{readable[:80]}-{digest(keys, content)[:10]}"
