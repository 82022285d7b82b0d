"""Define studies, a reference, a recipe and executors, each with one defect. `BROKEN` maps a check to its spec."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time

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


def start(pool, number):
    """Start a worker."""
    return subprocess.Popen([*pool.command, str(number)], env={**os.environ, **pool.variables})


class Once:
    """Start one worker, wait for it, and end."""

    def __init__(self, config):
        pass

    def run(self, pool, poll, log):
        start(pool, 0).wait()


class Leaves:
    """Restart a worker, and leave it running."""

    def __init__(self, config):
        pass

    def run(self, pool, poll, log):
        worker = start(pool, 0)
        while poll():
            time.sleep(0.05)
            if worker.poll() is not None:
                worker = start(pool, 0)


def executor(cls):
    """Make an executor."""
    return lambda folder: ExecutorSpec(**SETTINGS, build=cls)


PLANNED = "name: s, summary: s, base: {method: kit-as-is, backbone: kit-encoder, data: kit-samples, protocols: [knn], seeds: [0], baselines: none}"

ROW = Published(method="simclr", dataset="digits", protocol="knn", metric="micro_accuracy", value=0.9)

BROKEN = {
    "names_existing_recipes": lambda folder: ReferenceSpec(**KNOWN, recipe="quik", rows=(ROW,)),
    "states_values_in_range": lambda folder: ReferenceSpec(
        **KNOWN, recipe="quick", rows=(dataclasses.replace(ROW, value=90.0),)
    ),
    "matches_its_method": lambda folder: RecipeSpec(**KNOWN, method="simclr", settings={"method.temprature": 0.2}),
    "can_be_read": study("axis: {}"),
    "has_a_smoke_scale": study("{" + PLANNED + ", scales: {smoke: {base: {seeds: [1]}}}}"),
    "has_valid_outputs": study(
        "{"
        + PLANNED
        + ", axes: {train.epochs: [1]}, scales: {smoke: {cost: c}, paper: {cost: c, figures: [{x: epoch}, {x: train.epoch}]}}}"
    ),
    "plans_every_run": study("{" + PLANNED + ", axes: {method: [kit-as-is, simclrr]}, scales: {smoke: {cost: c}}}"),
    "restarts_workers": executor(Once),
    "has_an_implementation": lambda folder: ExecutorSpec(**SETTINGS, build="tests.broken.others:absent"),
    "reports_missing_requirements": lambda folder: ExecutorSpec(
        **SETTINGS, build=lambda config: None, missing=lambda: 3
    ),
}
FAULTS = [
    ("restarts_workers", "worker 0 still runs when run() has returned", executor(Leaves)),
    (
        "plans_every_run",
        "scale smoke: train.epoch: ",
        study("{" + PLANNED + ", axes: {train.epoch: [1, 2]}, scales: {smoke: {cost: c}}}"),
    ),
]
"""Checks and what they find in studies and executors with another defect than those of `BROKEN`."""
