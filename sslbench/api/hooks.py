"""The doors. Each hook returns data and takes no argument, but for the event.

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
    """Offer methods."""
    return ()


@hookspec
def sslbench_backbones() -> Iterable[BackboneSpec[Any]]:
    """Offer backbones."""
    return ()


@hookspec
def sslbench_operations() -> Iterable[OperationSpec[Any]]:
    """Offer operations: crop, jitter, corruption."""
    return ()


@hookspec
def sslbench_augmentations() -> Iterable[AugmentationSpec]:
    """Offer augmentations: ordered, named sets of operations."""
    return ()


@hookspec
def sslbench_datasets() -> Iterable[DatasetSpec[Any]]:
    """Offer datasets."""
    return ()


@hookspec
def sslbench_protocols() -> Iterable[ProtocolSpec[Any]]:
    """Offer protocols."""
    return ()


@hookspec
def sslbench_recipes() -> Iterable[RecipeSpec]:
    """Offer recipes for methods that others offer."""
    return ()


@hookspec
def sslbench_studies() -> Iterable[StudySpec]:
    """Offer studies: YAML files inside the package."""
    return ()


@hookspec
def sslbench_executors() -> Iterable[ExecutorSpec[Any]]:
    """Offer places where the workers of a study run."""
    return ()


@hookspec
def sslbench_references() -> Iterable[ReferenceSpec]:
    """Offer published tables that runs may stand beside."""
    return ()


@hookspec
def sslbench_event(event: Event) -> None:
    """Hear that a run was planned, started, made a step, finished a stage, failed or ended."""
