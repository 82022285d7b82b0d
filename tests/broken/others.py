"""Define studies, a reference, a recipe and executors, each with one defect. `BROKEN` maps a check to its spec."""

from __future__ import annotations

import dataclasses

from sslbench.api import (
    ExecutorSpec,
    Published,
    RecipeSpec,
    ReferenceSpec,
    StudySpec,
)

from .known import KNOWN, SETTINGS


def study(text):
    def make(folder):
        (folder / "study.yaml").write_text(text)
        return StudySpec(**KNOWN, file=folder / "study.yaml")

    return make


ROW = Published(method="simclr", dataset="digits", protocol="knn", metric="micro_accuracy", value=0.9)

BROKEN = {
    "names_existing_recipes": lambda folder: ReferenceSpec(**KNOWN, recipe="quik", rows=(ROW,)),
    "states_values_in_range": lambda folder: ReferenceSpec(
        **KNOWN, recipe="quick", rows=(dataclasses.replace(ROW, value=90.0),)
    ),
    "matches_its_method": lambda folder: RecipeSpec(**KNOWN, method="simclr", settings={"method.temprature": 0.2}),
    "can_be_read": study("axis: {}"),
    "has_a_smoke_scale": study("{name: s, summary: s, scales: {smoke: {base: {seeds: [0]}}}}"),
    "has_valid_outputs": study(
        "{name: s, summary: s, axes: {train.epochs: [1]}, scales: {smoke: {cost: c}, paper: {cost: c, figures: [{x: epoch}, {x: train.epoch}]}}}"
    ),
    "has_an_implementation": lambda folder: ExecutorSpec(**SETTINGS, build="tests.broken.others:absent"),
    "reports_missing_requirements": lambda folder: ExecutorSpec(
        **SETTINGS, build=lambda config: None, missing=lambda: 3
    ),
}
