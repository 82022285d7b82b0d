"""What must fit together before anything runs: sizes of views, layouts, capabilities, and each component's own rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sslbench.api.protocols import Need
from sslbench.api.values import Modality, PlanContext, Role, Shapes
from sslbench.config.choices import Choice, PlannedAugmentation
from sslbench.config.datasets import Part
from sslbench.config.settings import TrainSettings
from sslbench.data.splits import SplitSettings, find_invalid_gaps


def view_shapes(
    encoded: Mapping[str, Modality],
    stored: Shapes,
    roles: Mapping[str, Role],
    augmentations: Sequence[PlannedAugmentation],
    view: int,
) -> dict[str, Shapes]:
    """The shapes of one sample in each role, after its augmentation."""
    result: dict[str, Shapes] = {}
    for role, wanted in roles.items():
        shapes: Shapes = {name: modality.shape for name, modality in encoded.items()}
        for augmentation in augmentations[:1]:
            if wanted.augment and role in augmentation.roles:
                shapes = dict(stored)
                for operation in augmentation.roles[role]:
                    shapes = operation.choice.spec.shapes(fill_in_size(operation.choice.config, view), shapes)
        result[role] = shapes
    return result


def fill_in_size(config: Any, view: int) -> Any:
    """An operation's settings with `size: 0`, which stands for the size at which images are encoded, filled in."""
    return replace(config, size=view) if getattr(config, "size", None) == 0 else config


def incompatibilities(
    method: Choice,
    backbones: Mapping[str, Choice],
    augmentations: Sequence[PlannedAugmentation],
    facts: PlanContext,
) -> list[str]:
    """Say what does not fit, one sentence each."""
    problems = [f"method: {sentence}" for sentence in method.spec.check(method.config, facts)]
    for name, choice in backbones.items():
        modality = facts.modalities[name]
        if modality.layout not in choice.spec.layouts:
            takes = ", ".join(sorted(choice.spec.layouts))
            problems.append(f"backbone: {choice.name!r} takes {takes}, but {name!r} is of layout {modality.layout}")
            continue
        alone = replace(facts, modalities={name: modality})
        problems += [f"backbone: {sentence}" for sentence in choice.spec.check(choice.config, alone)]
        provides = choice.spec.provides(choice.config)
        needs = set(method.spec.requires)
        if any(shapes.get(name, modality.shape) != modality.shape for shapes in facts.shapes.values()):
            needs.add("any-size")
        if lacking := sorted(needs - provides):
            has = ", ".join(sorted(provides)) or "nothing of the kind"
            problems.append(
                f"backbone: {method.name!r} needs {', '.join(lacking)}, which {choice.name!r} does not provide (it has {has})"
            )
    for operation in {o.name: o for a in augmentations for r in a.roles.values() for o in r}.values():
        found = operation.choice.spec.check(operation.choice.config, facts)
        problems += [f"augmentation.{operation.name}: {sentence}" for sentence in found]
    return problems


def leakage_errors(method: Choice, train: TrainSettings, protocols: Sequence[Choice], *, elsewhere: bool) -> list[str]:
    """Say what would be asked, or watched, of rows that a method has learned from, or that it knows nothing of."""
    asking = (
        [p.name for p in protocols if p.spec.tests_on_training_rows(p.config)]
        if method.spec.trains and not elsewhere
        else []
    )
    problems = [
        f"protocol_settings.{name}: with these settings it asks rows that {method.name!r} has learned from; "
        "possible: pretrain.pool=ANOTHER DATASET, or settings that ask the test part"
        for name in asking
    ]
    if train.has_holdout and method.spec.has_per_sample_state:
        problems.append(
            f"train.monitor: {method.name!r} remembers its training rows and has no loss on others; possible: training"
        )
    return problems


def check_training_data(
    method: Choice, pretrain: Sequence[Part], evaluate: Sequence[Part], pool: str, splits: SplitSettings
) -> list[str]:
    """Say why a method could not learn from the parts of its pool, or would learn from samples that test it."""
    problems = []
    tested = {part.name for part in evaluate}
    for part in pretrain:
        problems += find_invalid_gaps(part.dataset.columns, splits)
        if part.dataset.target.kind != "labels":
            continue
        if method.spec.uses_labels:
            told = (
                f"method: {method.name!r} learns one class per sample, and {part.name!r} has several labels per sample"
            )
            problems.append(f"{told}. Name a method that takes no labels, or a dataset with classes")
        elif method.spec.trains and pool == "train" and part.name in tested and not _has_test_samples(part):
            told = f"data: {part.name!r} has several labels per sample and no 'split' column that says which are for testing"
            problems.append(
                f"{told}, so training would include its test samples. Add a 'split' column, or use pretrain.pool=OTHER"
            )
    if method.spec.uses_labels and not any((part.dataset.labels >= 0).any() for part in pretrain):
        problems.append(f"method: {method.name!r} is given labels, and nothing it would learn from has any")
    return problems


def _has_test_samples(part: Part) -> bool:
    return "test" in part.dataset.columns.get("split", np.zeros(0, np.str_)).tolist()


def modality_mismatches(learned: Mapping[str, Modality], measured: Mapping[str, Modality], name: str) -> list[str]:
    """Say which modalities of the data that is measured an encoder of what is learned from could not take."""
    problems = []
    for modality in learned.keys() & measured.keys():
        ours, theirs = learned[modality], measured[modality]
        if ours.layout != theirs.layout:
            problems.append(
                f"data: {modality!r} of {name} is of layout {theirs.layout}, and what is learned from of {ours.layout}"
            )
        elif ours.layout == "image" and ours.shape[0] != theirs.shape[0]:
            told = f"{modality!r} of {name} has {theirs.shape[0]} channel(s), and what is learned from {ours.shape[0]}"
            problems.append(f"data: {told}; where a dataset has the setting, channels=gray makes them alike")
    return problems


def needs_encoders(choice: Choice) -> bool:
    """Whether a protocol trains encoders, so that a method without any cannot be measured by it."""
    return Need.ENCODERS in choice.spec.needs
