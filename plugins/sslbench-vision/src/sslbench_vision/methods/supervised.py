"""Supervised training of the same encoder, as a baseline; the only method with labels. Spec only; see `supervised_model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import MethodSpec, Range, Recipe, Role, hookimpl, setting
from sslbench_vision.citations import SSLBENCH


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisedConfig:
    """Settings of supervised training."""

    label_smoothing: Annotated[float, Range(at_least=0, below=1)] = setting(
        0.1, "Label smoothing of the cross-entropy; 0: none. Not used for numbers.", old_names=("smoothing",)
    )


def views(config: SupervisedConfig) -> Mapping[str, Role]:
    """Return the roles of views: one view of each sample."""
    return {"view": Role(count=1)}


RECIPE = Recipe(
    name="quick",
    summary="AdamW, one-cycle, the data's own label-preserving augmentation",
    source="sslbench: the same for every dataset, tuned on none",
    settings={
        "augmentation.name": "label-preserving",
        "train.optimizer": "adamw",
        "train.lr": 2e-3,
        "train.weight_decay": 0.05,
        "train.schedule": "one-cycle",
    },
)


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[SupervisedConfig]]:
    yield MethodSpec(
        name="supervised",
        version=1,
        summary="the encoder trained on the training labels",
        citation=SSLBENCH,
        config=SupervisedConfig,
        smoke=SupervisedConfig(),
        build="sslbench_vision.methods.supervised_model:Supervised",
        views=views,
        family="supervised",
        modalities=(1, 8),
        uses_labels=True,
        targets=frozenset({"class", "labels", "value"}),
        baseline=True,
        recipes=(RECIPE,),
    )
