"""Reset settings that have no effect to their defaults, so that they do not change stage keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sslbench.api.specs import Dataset
from sslbench.api.targets import kind_of
from sslbench.config.settings import TrainSettings
from sslbench.data.groups import UNGROUPED
from sslbench.data.splits import SplitSettings, has_official_split

TRAIN, SPLITS = TrainSettings(), SplitSettings()


def reset_unused_training(train: TrainSettings) -> TrainSettings:
    """Reset settings that the optimizer, schedule, stopping rule and number of processes do not use."""
    unused: set[str] = set()
    if train.optimizer in ("adam", "adamw"):
        unused |= {"momentum", "nesterov"}
    else:
        unused |= {"betas"}
    if train.optimizer != "lars":
        unused |= {"lars_trust_coefficient", "larc"}
    if train.schedule == "one-cycle":
        unused |= {"warmup_epochs", "warmup_lr"}
    if train.schedule == "constant":
        unused |= {"min_lr"}
    if not train.warmup_epochs:
        unused |= {"warmup_lr"}
    if not train.grad_clip:
        unused |= {"grad_clip_by"}
    if not train.weight_decay and not train.final_weight_decay:
        unused |= {"decay_norms_and_biases"}
    if not train.patience:
        unused |= {"min_epochs", "monitor"}
    if not train.has_holdout:
        unused |= {"holdout_fraction"}
    if train.processes == 1:
        unused |= {"strategy"}
    values: dict[str, Any] = {name: getattr(TRAIN, name) for name in unused}
    if train.steps:  # the epochs follow from the steps; of the warm-up only its share of them counts
        share = 0.0 if "warmup_epochs" in unused else train.warmup_epochs / train.epochs
        values |= {"epochs": 1, "warmup_epochs": share}
    return replace(train, **values)


def is_divided(dataset: Dataset) -> bool:
    """Return whether a dataset has labels, by which it is divided."""
    return bool(kind_of(dataset.target).is_labeled(dataset.labels).any())


def reset_unused_splits(splits: SplitSettings, dataset: Dataset, groups: Sequence[str]) -> SplitSettings:
    """Reset settings of the splits that do not affect a dataset, and the subsets of labels, which do not affect its division.

    `groups` are the group columns of the dataset's card.
    """
    unused = {"label_fractions", "label_lists"}
    if splits.groups == UNGROUPED and not groups:
        unused |= {"groups"}
    if not splits.transfer:
        unused |= {"bank", "query"}
    if splits.groups in ("", UNGROUPED):
        unused |= {"group_gap"}
    if not is_divided(dataset):
        unused |= {"transfer", "bank", "query", "folds", "validation", "official"}
    elif has_official_split(dataset.labels, dataset.columns, splits):
        unused |= {"folds"}
    possible = replace(splits, transfer="", official=True)
    if splits.transfer or not has_official_split(dataset.labels, dataset.columns, possible):
        unused |= {"official"}
    values: dict[str, Any] = {name: getattr(SPLITS, name) for name in unused}
    return replace(splits, **values)
