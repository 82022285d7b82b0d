"""Names of version 0.1: state the new name where a request, a study, a plugin or a record uses an old one.

Everything here can be deleted one version later, except what `results.old_records` reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

ENTRY = re.compile(r"\[\d+\]|^scales\.[^.]+\.")
"""Parts of a path in a study that name an entry of a list or a scale."""
SETTINGS: Mapping[str, str] = {
    "measure": "protocols",
    "train.batch": "train.batch_size",
    "train.accumulate": "train.grad_accumulation",
    "train.optimiser": "train.optimizer",
    "train.rate": "train.lr",
    "train.scale_rate": "train.scale_lr",
    "train.decay": "train.weight_decay",
    "train.final_decay": "train.final_weight_decay",
    "train.trust": "train.lars_trust_coefficient",
    "train.trust_clip": "train.larc",
    "train.warmup": "train.warmup_epochs",
    "train.warmup_from": "train.warmup_lr",
    "train.final_rate": "train.min_lr",
    "train.clip": "train.grad_clip",
    "train.clip_by": "train.grad_clip_by",
    "train.average": "train.ema_decay",
    "train.least_epochs": "train.min_epochs",
    "train.watched": "train.monitor",
    "train.held_out": "train.holdout_fraction",
    "train.snapshots": "train.eval_epochs",
    "splits.fractions": "splits.label_fractions",
    "splits.block": "splits.group_gap",
    "protocol_settings.knn.neighbours": "protocol_settings.knn.neighbors",
    "protocol_settings.matching.neighbours": "protocol_settings.matching.neighbors",
    "protocol_settings.matching.most": "protocol_settings.matching.max_samples",
    "protocol_settings.diagnostics.most": "protocol_settings.diagnostics.max_samples",
    "protocol_settings.gallery.neighbours": "protocol_settings.gallery.neighbors",
    "protocol_settings.gallery.exhausted": "protocol_settings.gallery.small_classes",
    "protocol_settings.clustering.against": "protocol_settings.clustering.also_score_against",
    "protocol_settings.linear.rates": "protocol_settings.linear.lrs",
    "protocol_settings.linear.decays": "protocol_settings.linear.weight_decays",
    "protocol_settings.linear.batch": "protocol_settings.linear.batch_size",
    "protocol_settings.finetune.batch": "protocol_settings.finetune.batch_size",
    "protocol_settings.finetune.rate": "protocol_settings.finetune.lr",
    "protocol_settings.finetune.decay": "protocol_settings.finetune.weight_decay",
    "protocol_settings.finetune.warmup": "protocol_settings.finetune.warmup_epochs",
    "protocol_settings.finetune.smoothing": "protocol_settings.finetune.label_smoothing",
    "method.normalise_patches": "method.normalize_patches",
    "method.warmup": "method.teacher_warmup_epochs",
    "method.centre_momentum": "method.center_momentum",
    "method.own_neighbour": "method.include_self",
    "method.smoothing": "method.label_smoothing",
    "method.constant_predictor_rate": "method.constant_predictor_lr",
    "method.bias_rate": "method.bias_lr",
    "data.minimum": "data.min_class_samples",
    "data.as_many_as_without": "data.match_size_without",
    "bias": "class_effects",
    "directions": "hypotheses",
    "class_effects.beside": "class_effects.compare_protocol",
    "class_effects.of": "class_effects.source",
    "figures.of": "figures.source",
    "hypotheses.each": "hypotheses.by",
    "hypotheses.less": "hypotheses.lesser",
    "hypotheses.more": "hypotheses.greater",
    "hypotheses.of": "hypotheses.statistic",
    "hypotheses.than": "hypotheses.versus",
    "tables.most": "tables.limit",
    "tables.of": "tables.source",
    "tables.over": "tables.aggregate_over",
}
"""Dotted paths of settings of requests and studies, old to new."""
VALUES: Mapping[str, Mapping[str, str]] = {
    "protocol_settings.gallery.small_classes": {
        "spare": "keep_one_query",
        "absent": "drop_queries",
        "excluded": "drop_class",
    },
    "data.channels": {"grey": "gray", "colour": "color"},
}
"""Values of settings, old to new, by the setting's new path."""
COMPONENTS: Mapping[str, str] = {
    "centre-crop": "center-crop",
    "colour-jitter": "color-jitter",
    "grey": "grayscale",
    "solarise": "solarize",
    "strangers": "mismatched-pairs",
}
"""Names of operations and augmentations, old to new."""
METRICS: Mapping[str, str] = {"top_5_by_chance": "top_5_chance", "same_class_within": "intra_modal_precision"}
"""Metrics, old to new."""


def find_new_path(path: str) -> str:
    """Return the new path of a setting, or '' if the path is not an old one."""
    path = ENTRY.sub("", path)
    head, _, rest = path.partition(".")
    path = f"protocol_settings.{rest}" if head == "protocols" and rest else path
    found = SETTINGS.get(path, path)
    return found if found != path or (head == "protocols" and rest) else ""


def find_new_value(path: str, value: Any) -> str:
    """Return the new name of a setting's value, or '' if the value is not an old one."""
    return VALUES.get(path, {}).get(str(value), "")
