"""Find components in the catalog, convert their settings and resolve their dependencies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Annotated, Any, cast

from sslbench.api.ranges import Length, Range, Share
from sslbench.api.settings import setting
from sslbench.api.specs import AugmentationSpec, Kind, OperationStep
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.facts import Catalog, Component
from sslbench.config.path_settings import list_path_settings, list_text_path_settings
from sslbench.convert import convert, to_plain
from sslbench.data.key_form import to_key_form
from sslbench.environment import versions

LOCATION_SETTINGS = ("root", "title")
"""Settings of a dataset that name its folder and its title; they do not affect its content."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """One component with its typed settings.

    `requested_name` is the name in the request, which may be an alias; `part` is the part of a dataset that is used.
    """

    component: Component
    config: Any
    requested_name: str
    part: str = ""
    uses: Mapping[str, Choice] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the name in the request."""
        return self.requested_name

    @property
    def spec(self) -> Any:
        """Return the component's spec."""
        return self.component.spec

    def build(self, *parts: Any) -> Any:
        """Make the component from its settings and the parts of its kind; raises ImplementationError."""
        return self.component.implementation()(self.config, *parts)

    def without_weights(self) -> Choice:
        """Return a backbone that starts from random weights and ignores settings that name released weights."""
        return replace(self, config=self.component.spec.without_weights(self.config))

    @property
    def title(self) -> str:
        """Return the name of a dataset in tables, records and files."""
        title: str = self.spec.title(self.config)
        return title or self.requested_name

    def reset_unused(self) -> Choice:
        """Return the component by its own name, with its settings without effect at their defaults."""
        uses = {slot: choice.reset_unused() for slot, choice in self.uses.items()}
        config = self.spec.reset_unused(self.config)
        return replace(self, config=config, requested_name=self.component.name, uses=uses)

    def key_form(self) -> dict[str, Any]:
        """Return the content of a stage key: settings that have an effect, and versions that the numbers depend on."""
        config = to_key_form(self.spec.reset_unused(self.config))
        if (
            self.component.kind == "dataset"
        ):  # the fingerprint identifies the content, so neither folder nor title may change the key
            config = {name: value for name, value in config.items() if name not in LOCATION_SETTINGS}
        libraries = self.library_versions()
        return {
            "kind": self.component.kind,
            "name": self.component.name,
            "version": self.spec.version,
            "config": config,
            **({"part": self.part} if self.part else {}),
            **({"libraries": libraries} if libraries else {}),
            "uses": {slot: choice.key_form() for slot, choice in self.uses.items()},
        }

    def library_versions(self) -> dict[str, str]:
        """Return the installed versions of the libraries that the component names."""
        return dict(versions(tuple(self.spec.libraries(self.config))))

    def requested_settings(self) -> dict[str, Any]:
        """Return all settings as requested, including those of dependencies."""
        used = {slot: choice.requested_settings() for slot, choice in self.uses.items()}
        return {"name": self.requested_name, "part": self.part, "settings": to_plain(self.config), "uses": used}

    def _with_uses(self) -> Iterator[Choice]:
        yield self
        for choice in self.uses.values():
            yield from choice._with_uses()

    def record_facts(self) -> dict[str, Any]:
        """Return the facts of the component that a record stores."""
        configs = [type(choice.config) for choice in self._with_uses()]
        files, text_files = (
            [*dict.fromkeys(chain(*map(f, configs)))] for f in (list_path_settings, list_text_path_settings)
        )
        return {
            "name": self.requested_name,
            "version": self.spec.version,
            "from": str(self.component.origin),
            "settings": to_plain(self.config),
            **({"files": files} if files else {}),
            **({"text_files": text_files} if text_files else {}),
        }


def fill_in_size(config: Any, view: int) -> Any:
    """Return an operation's settings with `size: 0` replaced by `view`, the size in pixels of encoded images."""
    return replace(config, size=view) if getattr(config, "size", None) == 0 else config


@dataclass(frozen=True, slots=True, kw_only=True)
class Probabilities:
    """Probability of applying an operation: one number, or one per view."""

    p: Annotated[tuple[Share, ...], Length(different=False)] = setting(
        (1.0,), "Probability of applying the operation: one number, or one per view."
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedOperation:
    """One operation of an augmentation for one role."""

    name: str
    random_key: str
    p: tuple[float, ...]
    choice: Choice

    def record_facts(self) -> dict[str, Any]:
        """Return the content of a record."""
        random_key = {"random_key": self.random_key} if self.random_key != self.name else {}
        return {"name": self.name, **random_key, "p": list(self.p), **self.choice.key_form()}

    def key_form(self) -> dict[str, Any]:
        """Return the content of a stage key; the name matters only as the key of random numbers."""
        return {"random_key": self.random_key, "p": list(self.p), "operation": self.choice.key_form()}

    def reset_unused(self, view: int) -> PlannedOperation:
        """Return the operation on views of `view` pixels, with its settings without effect at their defaults."""
        sized = replace(self.choice, config=fill_in_size(self.choice.config, view))
        return replace(self, name=self.random_key, choice=sized.reset_unused())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedAugmentation:
    """An augmentation for the roles of a method, with the weight of its loss."""

    name: str
    random_key: str
    version: int
    weight: float
    roles: Mapping[str, tuple[PlannedOperation, ...]]

    def record_facts(self) -> dict[str, Any]:
        """Return the content of a record."""
        roles = {role: [one.record_facts() for one in operations] for role, operations in self.roles.items()}
        random_key = {"random_key": self.random_key} if self.random_key != self.name else {}
        return {"name": self.name, **random_key, "version": self.version, "weight": self.weight, "roles": roles}

    def key_form(self) -> dict[str, Any]:
        """Return the content of a stage key."""
        roles = {role: [one.key_form() for one in operations] for role, operations in self.roles.items()}
        return {"random_key": self.random_key, "version": self.version, "weight": self.weight, "roles": roles}

    def reset_unused(self, view: int) -> PlannedAugmentation:
        """Return the operations that are ever applied, on views of `view` pixels, without their names.

        Random numbers are keyed by operation, so an operation with probability 0 does not change the others.
        """
        roles = {
            role: tuple(one.reset_unused(view) for one in operations if any(one.p))
            for role, operations in self.roles.items()
        }
        return replace(self, name=self.random_key, roles=roles)


def choose(
    catalog: Catalog, kind: Kind, name: str, settings: Mapping[str, Any], path: str, problems: list[str]
) -> Choice | None:
    """Find a component and convert its settings; problems are appended to `problems`."""
    found = catalog.find(kind, name)
    if isinstance(found, str):
        problems.append(f"{path}: {found}")
        return None
    component, implied = found
    config = convert({**implied, **settings}, component.spec.config, path, problems)
    uses = {}
    for slot, use in component.spec.dependencies(config).items():
        requested, part = use.name, ""
        if use.kind == "dataset":
            requested, _, part = use.name.partition("/")
        used = choose(catalog, use.kind, requested, use.settings, f"{path}({slot})", problems)
        if used is not None:
            uses[slot] = replace(used, part=part)
            if part and not parts_of(used, part):
                offered = used.spec.parts(used.config)
                problems.append(f"{path}({slot}): {requested!r} has no part {part!r}{did_you_mean(part, offered)}")
    return Choice(component=component, config=config, requested_name=name, uses=uses)


def parts_of(choice: Choice, prefix: str) -> Sequence[str]:
    """Return the parts of a dataset that match a name: all for '', one, or those below a common prefix."""
    offered = choice.spec.parts(choice.config)
    return [part for part in offered if not prefix or part == prefix or part.startswith(f"{prefix}/")]


def choose_augmentations(
    catalog: Catalog, section: Mapping[str, Any], roles: Sequence[str], problems: list[str]
) -> tuple[PlannedAugmentation, ...]:
    """Resolve a name such as `left:0.4+right:1.0` and the section's overrides, for the roles that a method augments."""
    planned = []
    overrides = {name: value for name, value in section.items() if name not in ("name", "roles", "operations")}
    for word in str(section["name"]).split("+"):
        name, _, weight = word.strip().partition(":")
        spec = _augmentation(catalog, name, section, problems)
        if spec is None:
            continue
        for unknown in [o for o in overrides if o not in spec.operations]:
            known = (*spec.operations, "roles")
            problems.append(f"augmentation.{unknown}: {name!r} has no such operation{did_you_mean(unknown, known)}")
        chosen = _roles(catalog, spec, section.get("roles", {}), overrides, roles, problems)
        share = _weight(weight, problems)
        planned.append(
            PlannedAugmentation(
                name=name, random_key=spec.random_key or name, version=spec.version, weight=share, roles=chosen
            )
        )
    return tuple(planned)


def _augmentation(
    catalog: Catalog, name: str, section: Mapping[str, Any], problems: list[str]
) -> AugmentationSpec | None:
    found = catalog.find("augmentation", name)
    if isinstance(found, str):
        problems.append(f"augmentation: {found}")
        return None
    return cast(AugmentationSpec, found[0].spec)


def _weight(text: str, problems: list[str]) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        problems.append(f"augmentation: weight {text!r} is not a number. Write name:0.4+other:1.0")
        return 1.0


def _roles(
    catalog: Catalog,
    spec: AugmentationSpec,
    by_role: Mapping[str, Any],
    overrides: Mapping[str, Any],
    roles: Sequence[str],
    problems: list[str],
) -> dict[str, tuple[PlannedOperation, ...]]:
    unknown = [role for role in by_role if role not in roles]
    problems += [f"augmentation.roles.{r}: the method has no such role{did_you_mean(r, roles)}" for r in unknown]
    chosen = {}
    for role in roles:
        operations = []
        for name, apply in spec.operations.items():
            layers = (
                spec.roles.get(role, {}).get(name, {}),
                overrides.get(name, {}),
                by_role.get(role, {}).get(name, {}),
            )
            operation = _operation(catalog, name, apply, layers, f"augmentation.{name}", problems)
            if operation is not None:
                operations.append(operation)
        chosen[role] = tuple(operations)
    return chosen


def _operation(
    catalog: Catalog, name: str, apply: OperationStep, layers: Sequence[Any], path: str, problems: list[str]
) -> PlannedOperation | None:
    settings: dict[str, Any] = {"p": apply.p, **apply.settings}
    for layer in layers:
        if not isinstance(layer, Mapping):
            problems.append(f"{path}: expected settings such as {path}.p=0.5, got {layer!r}")
            continue
        settings.update(layer)
    p = settings.pop("p")
    invalid: list[str] = []
    values = convert({"p": p if isinstance(p, (list, tuple)) else [p]}, Probabilities, "", invalid).p
    if invalid:
        problems.append(
            f"{path}.p={p!r}: is not a probability, nor one per view. Possible: {Range(at_least=0, at_most=1)}"
        )
    before = len(problems)
    choice = choose(catalog, "operation", apply.operation, settings, path, problems)
    problems[before:] = sorted(set(problems[before:]) - set(problems[:before]))
    if choice is None:
        return None
    return PlannedOperation(name=name, random_key=apply.random_key or name, p=values, choice=choice)
