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
"""Dotted paths of settings of requests and studies, except those of components, old to new."""
COMPONENT_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "dataset/cell-folder": {"minimum": "min_class_samples"},
    "dataset/image-folder": {"minimum": "min_class_samples"},
    "dataset/plankton-folder": {"minimum": "min_class_samples"},
    "dataset/pool": {"as_many_as_without": "match_size_without"},
    "method/barlow-twins": {"bias_rate": "bias_lr"},
    "method/dino": {"centre_momentum": "center_momentum", "warmup": "teacher_warmup_epochs"},
    "method/mae": {"normalise_patches": "normalize_patches"},
    "method/nnbyol": {"own_neighbour": "include_self"},
    "method/nnclr": {"own_neighbour": "include_self"},
    "method/simsiam": {"constant_predictor_rate": "constant_predictor_lr"},
    "method/supervised": {"smoothing": "label_smoothing"},
    "operation/band-drop": {"most": "max_bands"},
    "protocol/clustering": {"against": "also_score_against"},
    "protocol/diagnostics": {"most": "max_samples"},
    "protocol/finetune": {
        "batch": "batch_size",
        "decay": "weight_decay",
        "rate": "lr",
        "smoothing": "label_smoothing",
        "warmup": "warmup_epochs",
    },
    "protocol/gallery": {"neighbours": "neighbors", "exhausted": "small_classes"},
    "protocol/knn": {"neighbours": "neighbors"},
    "protocol/linear": {"rates": "lrs", "decays": "weight_decays", "batch": "batch_size"},
    "protocol/matching": {"neighbours": "neighbors", "most": "max_samples"},
}
"""Settings of components by KIND/NAME, old to new. Another component may have a setting of an old name."""
GRAY_OR_COLOR: Mapping[str, str] = {"grey": "gray", "colour": "color"}
DATASETS_WITH_CHANNELS = (
    "cell-folder", "cifar10", "cifar100", "daplankton", "image-folder", "kaggle-plankton", "plankton-folder", "pmid2019",
    "syke-ifcb-2022", "syke-zooscan-2024", "ude-diatoms-2024", "zoolake",
)  # fmt: skip
VALUES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "protocol/gallery": {
        "small_classes": {"spare": "keep_one_query", "absent": "drop_queries", "excluded": "drop_class"}
    },
    **{f"dataset/{name}": {"channels": GRAY_OR_COLOR} for name in DATASETS_WITH_CHANNELS},
}
"""Values of settings by KIND/NAME and the setting's new name, old to new."""
COMPONENTS: Mapping[str, Mapping[str, str]] = {
    "operation": {
        "centre-crop": "center-crop",
        "colour-jitter": "color-jitter",
        "grey": "grayscale",
        "solarise": "solarize",
        "strangers": "mismatched-pairs",
    },
    "augmentation": {"strangers": "mismatched-pairs"},
}
"""Names of components by kind, old to new."""
METRICS: Mapping[str, str] = {"top_5_by_chance": "top_5_chance", "same_class_within": "intra_modal_precision"}
"""Metrics, old to new."""


def find_new_path(path: str, component: str = "") -> str:
    """Return the new path of a setting, or '' if the path is not an old one.

    `component` is the KIND/NAME of the component that the setting belongs to; a path names a protocol itself.
    """
    path = ENTRY.sub("", path)
    head, _, rest = path.partition(".")
    has_moved = head == "protocols" and bool(rest)
    if has_moved:
        path = f"protocol_settings.{rest}"
    section, _, name = path.rpartition(".")
    if section.startswith("protocol_settings."):
        component = f"protocol/{section.partition('.')[2]}"
    if name in (own := COMPONENT_SETTINGS.get(component, {})):
        return f"{section}.{own[name]}"
    return SETTINGS.get(path, path if has_moved else "")


def find_new_value(name: str, value: Any, component: str) -> str:
    """Return the new name of a value of a component's setting, or '' if the value is not an old one."""
    return VALUES.get(component, {}).get(name, {}).get(str(value), "")
