"""Check components that use others: what they state is installed and fits, and encoders stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from sslbench.api.frozen_encoder import FrozenEncoder
from sslbench.api.values import PlanContext, Target
from sslbench.config.choices import Choice, choose
from sslbench.config.dependencies import dependency_errors
from sslbench.convert import to_plain
from sslbench.testing.check import NotApplicable, Subject, check
from sslbench.testing.example_modalities import example_modalities
from sslbench.testing.method_rig import make_rig
from sslbench.train.dependencies import build_dependency


@check(
    "method",
    "protocol",
    "dataset",
    change="state installed components with valid settings in dependencies(), of a kind that the component can use",
    needs=("settings_survive_a_round_trip",),
)
def has_usable_dependencies(subject: Subject) -> Iterator[str]:
    """A component that uses another one which is missing or does not fit works in no run."""
    spec, component = subject.spec, subject.component
    if not any(spec.dependencies(config) for config in (spec.config(), spec.smoke)):
        raise NotApplicable("uses no other component")
    problems: list[str] = []
    _, smoke = (
        choose(subject.catalog, component.kind, component.name, to_plain(config), component.kind, problems)
        for config in (spec.config(), spec.smoke)
    )
    yield from dict.fromkeys(problems)
    if smoke is None or problems:
        return
    for slot, use in smoke.uses.items():
        if use.component.kind != "dataset":
            yield from _encoder_errors(subject, slot, replace(smoke, uses={slot: use}))


def _encoder_errors(subject: Subject, slot: str, user: Choice) -> Iterator[str]:
    """Yield why a used encoder cannot be built twice with equal weights on the first example that fits it."""
    use, problems = user.uses[slot].without_weights(), list[str]()
    for modality in example_modalities(subject.catalog).values():
        modalities = {use.modality or "kit": modality}
        context = PlanContext(
            modalities=modalities, shapes={}, samples=32, batch_size=32, epochs=1, target=Target(kind="none")
        )
        if found := dependency_errors(user, subject.component.kind, context):
            problems += found
            continue
        first, second = (build_dependency(use, modalities).state_dict() for _ in range(2))
        names = [name for name, value in first.items() if not torch.equal(value, second[name])]
        yield from (f"{slot}: {name!r} differs between two builds" for name in names)
        return
    yield from dict.fromkeys(problems)


@check(
    "method",
    change="assign every dependency to an attribute of the method, and do not change it",
    needs=("returns_a_finite_loss",),
)
def keeps_dependencies_frozen(subject: Subject) -> Iterator[str]:
    """An encoder that a method uses must stay as it is, and is saved and moved with the method only as one of its modules."""
    if not subject.spec.trains or not subject.spec.dependencies(subject.spec.smoke):
        raise NotApplicable("trains nothing, or uses no other component")
    rig = make_rig(subject)
    method = rig.build()
    modules = {path: module for path, module in method.named_modules() if isinstance(module, FrozenEncoder)}
    if not modules:
        yield "no module of the method is one of its dependencies"
    before = {path: {n: v.clone() for n, v in module.state_dict().items()} for path, module in modules.items()}
    rig.train(method)
    for path, module in modules.items():
        changed = [name for name, value in module.state_dict().items() if not torch.equal(value, before[path][name])]
        yield from (f"training changes '{path}.{name}'" for name in changed)
