"""Every stage of real runs reads nothing of its inputs that its key does not contain."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from sslbench.api.values import Modality
from sslbench.catalog.facts import Component
from sslbench.config.augmentations import PlannedAugmentation, PlannedOperation
from sslbench.config.choices import Choice
from sslbench.config.datasets import Part
from sslbench.config.plan_stages import PlannedStages, split_plan
from sslbench.data.key_form import StageInputs
from sslbench.data.table import Prepared
from sslbench.pipeline.stages import connect_stages
from sslbench.progress import NoDisplay
from sslbench.results.store import Store
from tests.stage_plans import planned

Path = tuple[Any, ...]
OPAQUE = {(Part, "dataset")}
"""A dataset's content is identified by its fingerprint, which the conformance kit checks."""
RESET = {(Choice, "requested_name"), (PlannedAugmentation, "name"), (PlannedOperation, "name")}
"""Names that a user gives, which inputs replace by what the key contains."""
TINY = (
    "train.precision=float32",
    "backbone.name=micro-cnn",
    "backbone.widths=[8,8,16,16]",
    "prepare.samples=200",
    "train.batch_size=64",
)
PROTOCOLS = "protocols=[knn,linear,clustering,diagnostics,finetune]"
SHORT = (
    "protocol_settings.finetune.epochs=2", "protocol_settings.finetune.min_steps=0",
)  # fmt: skip
REQUESTS = {
    "simclr": ("simclr", (*TINY, PROTOCOLS, *SHORT, "recipe=none", "augmentation.name=digits", "train.epochs=2", "train.eval_epochs=[1]")),
    "stopping": ("simclr", (*TINY, "protocols=[knn]", "recipe=none", "augmentation.name=digits", "train.steps=4", "train.patience=1",
                            "train.warmup_epochs=1", "pretrain.pool=all", "train.ema_decay=0")),
    "supervised": ("supervised", (*TINY, "protocols=[knn]", "recipe=none", "augmentation.name=digits", "train.epochs=1")),
    "random-init": ("random-init", (*TINY, "protocols=[linear,finetune]", *SHORT, "protocol_settings.finetune.augment=false")),
    "raw-features": ("raw-features", ("prepare.samples=200", "protocols=[clustering,diagnostics]")),
}  # fmt: skip


class Anything(tuple):
    """A value that may stand for a component and for a list of components."""

    def key_form(self) -> str:
        return "anything"


ANYTHING = Anything()


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every dataclass below a value with its path; a spec is known by name and version, as a whole."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield path, value
        for field in dataclasses.fields(value):
            if not isinstance(value, Component):
                yield from walk(getattr(value, field.name), (*path, field.name))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from walk(item, (*path, name))
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from walk(item, (*path, place))


@contextmanager
def recorded(inputs: StageInputs) -> Iterator[set[tuple[Path, str]]]:
    """Record the fields that are read of a stage's inputs and of everything below them."""
    paths: dict[int, list[Path]] = {}
    found = list(walk(inputs))
    for path, value in found:
        paths.setdefault(id(value), []).append(path)
    reads: set[tuple[Path, str]] = set()
    fields = {type(value): {field.name for field in dataclasses.fields(value)} for _, value in found}

    def read(self: Any, name: str) -> Any:
        if id(self) in paths and name in fields.get(type(self), ()):
            reads.update((path, name) for path in paths[id(self)])
        return object.__getattribute__(self, name)

    for cls in fields:
        cls.__getattribute__ = read
    try:
        yield reads
    finally:
        for cls in fields:
            del cls.__getattribute__


def other(value: Any) -> Any:
    """Return another value of about the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, Mapping):
        return {} if value else {"x": ANYTHING}
    if isinstance(value, tuple):
        return value[:-1] if value else (ANYTHING,)
    return (lambda: "x") if callable(value) else "x"


def changed(value: Any, path: Path, field: str) -> Any:
    """Return a value with another value of one field below it."""
    if not path:
        own = getattr(value, field)
        if isinstance(value, Component) and field == "spec":
            new = dataclasses.replace(own, version=own.version + 1)
        elif isinstance(value, Modality) and field == "layout":
            new = "image" if own == "vector" else "vector"
        else:
            new = other(own)
        return dataclasses.replace(value, **{field: new})
    first, rest = path[0], path[1:]
    if isinstance(value, Mapping):
        return {**value, first: changed(value[first], rest, field)}
    if isinstance(value, tuple):
        return (*value[:first], changed(value[first], rest, field), *value[first + 1 :])
    return dataclasses.replace(value, **{first: changed(getattr(value, first), rest, field)})


def follow(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step] if isinstance(value, Mapping | tuple) else getattr(value, step)
    return value


def is_constant(inputs: StageInputs, path: Path, field: str) -> bool:
    """Whether a field has no effect: inputs then hold its default, or its component states that it changes no number."""
    owner = follow(inputs, path)
    spec = {one.name: one for one in dataclasses.fields(owner)}[field]
    if (type(owner), field) in RESET:
        return getattr(owner, field) in (
            getattr(owner, "random_key", None),
            getattr(getattr(owner, "component", None), "name", None),
        )
    if "config" in path:
        place = len(path) - path[::-1].index("config") - 1
        choice = follow(inputs, path[:place])
        again = changed(choice, path[place:], field).reset_unused()
        return not spec.metadata.get("identity", True) or again.config == choice.config
    return not spec.metadata.get("identity", True) and getattr(owner, field) == spec.default


def list_stale(inputs: StageInputs, reads: set[tuple[Path, str]]) -> list[str]:
    """List the fields that were read and that can change without the key."""
    stale = []
    for path, field in sorted(reads, key=str):
        owner = follow(inputs, path)
        value = getattr(owner, field)
        is_branch = isinstance(value, StageInputs) or (
            dataclasses.is_dataclass(value) and not isinstance(owner, Component)
        )
        if is_branch or (type(owner), field) in OPAQUE or is_constant(inputs, path, field):
            continue
        if changed(inputs, path, field).key == inputs.key:
            stale.append(".".join(map(str, (inputs.kind, *path, field))))
    return stale


def list_inputs(stages: PlannedStages) -> dict[str, StageInputs]:
    """List the inputs of all stages by their keys."""
    found: list[StageInputs] = [table.prepare for table in (*stages.pool, *stages.tables)]
    for training in stages.trainings:
        found.append(training.pretrain)
        for one in training.evaluations:
            found += [one.extract, *([one.views] if one.views else []), *one.protocols]
    return {inputs.key: inputs for inputs in found}


@pytest.mark.parametrize("name", list(REQUESTS))
def test_a_stage_reads_nothing_that_its_key_does_not_contain(name, tmp_path, monkeypatch):
    method, overrides = REQUESTS[name]
    plan = planned(*overrides, method=method)
    stages = split_plan(plan)
    inputs = list_inputs(stages)
    titles: set[str] = set()
    own = Prepared.__getattribute__

    def read(self: Prepared, attribute: str) -> Any:
        titles.update({attribute} & {"name", "key", "unreadable"})
        return own(self, attribute)

    kinds, stale = set(), []
    for stage in connect_stages(stages, Store(root=tmp_path, prepared=tmp_path / "prepared")):
        if stage.folder.exists():
            continue
        stage.folder.mkdir(parents=True)
        with (
            NoDisplay().stage(stage.title) as live, recorded(inputs[stage.key]) as reads,
            monkeypatch.context() as patch,
        ):  # fmt: skip
            patch.setattr(Prepared, "__getattribute__", read)
            stage.make(stage.folder, live)
        assert reads, stage.title
        stale += list_stale(inputs[stage.key], reads)
        kinds.add(inputs[stage.key].kind)
    assert not stale
    assert not titles, "titles and versions of prepared tables change no number, so no stage may read them"
    assert kinds >= {"prepare", "pretrain", "extract", "evaluate"}


def test_reads_outside_the_key_are_found():
    """The check itself: a setting that enters no key, and one that does."""
    inputs = split_plan(planned("protocols=[knn]")).trainings[0].pretrain
    with recorded(inputs) as reads:
        assert inputs.training.settings.checkpoint_seconds == 60
        assert inputs.training.settings.lr
        assert inputs.method.requested_name == "mae"
    assert list_stale(inputs, reads) == []
    late = dataclasses.replace(inputs.training.settings, checkpoint_seconds=5.0)
    inputs = dataclasses.replace(inputs, training=dataclasses.replace(inputs.training, settings=late))
    with recorded(inputs) as reads:
        assert inputs.training.settings.checkpoint_seconds == 5
    assert list_stale(inputs, reads) == ["pretrain.training.settings.checkpoint_seconds"]
