"""Declare the hooks that plugins implement. Each returns specs, except the hook for events.

A plugin is a module named by an entry point of the group `sslbench`:

    from sslbench.api import MethodSpec, hookimpl

    @hookimpl
    def sslbench_methods():
        yield MethodSpec(name="my-method", ...)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pluggy

from sslbench.api.executors import ExecutorSpec
from sslbench.api.layouts import LayoutSpec
from sslbench.api.metrics import Metric
from sslbench.api.protocols import ProtocolSpec
from sslbench.api.recipes import RecipeSpec
from sslbench.api.references import ReferenceSpec
from sslbench.api.specs import AugmentationSpec, BackboneSpec, DatasetSpec, MethodSpec, OperationSpec, StudySpec
from sslbench.api.values import Event

GROUP = "sslbench"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def sslbench_methods() -> Iterable[MethodSpec[Any]]:
    """Return methods."""
    return ()


@hookspec
def sslbench_backbones() -> Iterable[BackboneSpec[Any]]:
    """Return backbones."""
    return ()


@hookspec
def sslbench_operations() -> Iterable[OperationSpec[Any]]:
    """Return operations, such as crops, jitter and corruptions."""
    return ()


@hookspec
def sslbench_augmentations() -> Iterable[AugmentationSpec]:
    """Return augmentations: ordered, named sets of operations."""
    return ()


@hookspec
def sslbench_datasets() -> Iterable[DatasetSpec[Any]]:
    """Return datasets."""
    return ()


@hookspec
def sslbench_protocols() -> Iterable[ProtocolSpec[Any]]:
    """Return protocols."""
    return ()


@hookspec
def sslbench_metrics() -> Iterable[Metric]:
    """Return metrics in addition to those that protocols declare."""
    return ()


@hookspec
def sslbench_recipes() -> Iterable[RecipeSpec]:
    """Return recipes for methods of other plugins."""
    return ()


@hookspec
def sslbench_studies() -> Iterable[StudySpec]:
    """Return studies: YAML files inside the package."""
    return ()


@hookspec
def sslbench_executors() -> Iterable[ExecutorSpec[Any]]:
    """Return executors, which run the workers of a study."""
    return ()


@hookspec
def sslbench_references() -> Iterable[ReferenceSpec]:
    """Return published tables that runs are compared with."""
    return ()


@hookspec
def sslbench_layouts() -> Iterable[LayoutSpec]:
    """Return layouts of samples, such as a volume or a point set."""
    return ()


@hookspec
def sslbench_event(event: Event) -> None:
    """Handle an event: a run was planned, started, made a step, finished a stage, failed or ended."""
