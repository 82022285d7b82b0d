"""Find components in the catalog, convert their settings and resolve their dependencies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from sslbench.api.specs import Dependency, Kind
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.facts import Catalog, Component
from sslbench.config.path_settings import list_path_settings, list_text_path_settings
from sslbench.convert import convert, to_plain
from sslbench.data.key_form import to_key_form
from sslbench.environment import versions

LOCATION_SETTINGS = ("root", "title")
"""Settings of a dataset that name its folder and its title; they do not affect its content."""
ENCODERS: tuple[Kind, ...] = ("backbone", "method")
USABLE: Mapping[Kind, tuple[Kind, ...]] = {"method": ENCODERS, "protocol": ENCODERS, "dataset": ("dataset",)}
"""Kinds of components that components of a kind can use."""
BACKBONE = "backbone"
"""Slot of the backbone of a method that another component uses."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """One component with its typed settings.

    `requested_name` is the name in the request, which may be an alias; `part` is the part of a dataset that is used.
    `modality` and `size` are those of `Dependency`, for an encoder that another component uses. `needs_weights` states
    whether published weights are loaded.
    """

    component: Component
    config: Any
    requested_name: str
    part: str = ""
    modality: str = ""
    size: int = 0
    uses: Mapping[str, Choice] = field(default_factory=dict)
    needs_weights: bool = field(default=True, metadata={"identity": False})

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
        """Return the component without published weights, which are neither fetched nor loaded; nor are those it uses."""
        uses = {slot: choice.without_weights() for slot, choice in self.uses.items()}
        config = self.spec.without_weights(self.config) if self.component.kind == "backbone" else self.config
        return replace(self, config=config, uses=uses, needs_weights=False)

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
            **{name: own for name in ("part", "modality", "size") if (own := getattr(self, name))},
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
            **self._describe(),
            **({"files": files} if files else {}),
            **({"text_files": text_files} if text_files else {}),
        }

    def _describe(self) -> dict[str, Any]:
        """Return the name, version, origin and settings of the component and of the encoders that it uses."""
        used = {slot: choice._describe() for slot, choice in self.uses.items() if choice.component.kind != "dataset"}
        return {
            "name": self.requested_name,
            "version": self.spec.version,
            "from": str(self.component.origin),
            "settings": to_plain(self.config),
            **{name: own for name in ("modality", "size") if (own := getattr(self, name))},
            **({"dependencies": used} if used else {}),
        }


def choose(
    catalog: Catalog,
    kind: Kind,
    name: str,
    settings: Mapping[str, Any],
    path: str,
    problems: list[str],
    users: tuple[Choice, ...] = (),
) -> Choice | None:
    """Find a component and convert its settings; problems are appended to `problems`.

    `users` are the components that use it, the first one first.
    """
    found = catalog.find(kind, name)
    if isinstance(found, str):
        problems.append(f"{path}: {found}")
        return None
    component, implied = found
    config = convert({**implied, **settings}, component.spec.config, path, problems)
    own = Choice(component=component, config=config, requested_name=name)
    if any(user.component is component and user.config == config for user in users):
        cycle = " -> ".join(repr(one.name) for one in (*users, own))
        problems.append(f"{path}: {name!r} uses itself: {cycle}. Remove one of these uses")
        return None
    return replace(own, uses=dict(_choose_uses(catalog, own, path, problems, (*users, own))))


def _choose_uses(
    catalog: Catalog, user: Choice, path: str, problems: list[str], users: tuple[Choice, ...]
) -> Iterator[tuple[str, Choice]]:
    """Yield the components that another one uses, by slot, without those that cannot be used."""
    usable = USABLE.get(user.component.kind, ())
    for slot, use in user.spec.dependencies(user.config).items():
        own = f"{path}.dependencies.{slot}"
        if not isinstance(use, Dependency):
            problems.append(f"{own}: {user.name!r} states {use!r:.60}, not a Dependency. Correct its dependencies()")
        elif use.kind not in usable:
            possible = ", ".join(usable) or "none"
            problems.append(
                f"{own}: a {user.component.kind} cannot use a component of kind {use.kind!r}. Possible: {possible}"
            )
        elif invalid := _find_invalid_field(use):
            problems.append(f"{own}: {invalid}")
        elif used := (_choose_data if use.kind == "dataset" else _choose_encoder)(catalog, use, own, problems, users):
            yield slot, used


def _find_invalid_field(use: Dependency) -> str:
    """Return a sentence on the first field of a dependency that does not fit its kind, or an empty text."""
    if use.kind == "dataset" and (use.modality or use.size or use.requires):
        return f"modality, size and requires are for encoders, and {use.name!r} is a dataset. Remove them"
    if use.size < 0:
        return f"size={use.size} is not a number of pixels. Set it to 1 or more, or to 0 for the size of the views"
    if use.kind == "method" and use.backbone is None:
        return f"{use.name!r} is a method, which needs a backbone. Set Dependency.backbone"
    if use.backbone is None:
        return ""
    if use.kind != "method":
        return f"backbone is for methods, and {use.name!r} is a {use.kind}. Remove it"
    own = use.backbone
    if own != Dependency(kind="backbone", name=own.name, settings=own.settings):
        return f"backbone states more than the name and the settings of a backbone: {own!r}. State only these"
    return ""


def _choose_data(
    catalog: Catalog, use: Dependency, path: str, problems: list[str], users: tuple[Choice, ...]
) -> Choice | None:
    requested, _, part = use.name.partition("/")
    used = choose(catalog, "dataset", requested, use.settings, path, problems, users)
    if used is not None and part and not parts_of(used, part):
        offered = used.spec.parts(used.config)
        problems.append(f"{path}: {requested!r} has no part {part!r}{did_you_mean(part, offered)}")
    return None if used is None else replace(used, part=part)


def _choose_encoder(
    catalog: Catalog, use: Dependency, path: str, problems: list[str], users: tuple[Choice, ...]
) -> Choice | None:
    """Choose a backbone, or a method without training with the backbone whose weights it provides."""
    used = choose(catalog, use.kind, use.name, use.settings, path, problems, users)
    if used is None:
        return None
    used = backbone = replace(used, modality=use.modality or "", size=use.size)
    needs = use.requires
    if use.backbone is not None:
        if why := _why_no_encoder(used):
            problems.append(f"{path}: {use.name!r} {why}. Use a backbone, or a method that only loads weights into one")
            return None
        own = use.backbone
        found = choose(catalog, "backbone", own.name, own.settings, f"{path}.backbone", problems, users)
        if found is None:
            return None
        backbone, needs = found, needs | used.spec.requires
        used = replace(used, uses={BACKBONE: found.without_weights() if used.spec.random_init else found})
    provides = backbone.spec.provides(backbone.config)
    if lacking := sorted(needs - provides):
        has = ", ".join(sorted(provides)) or "nothing"
        problems.append(
            f"{path}: {backbone.name!r} does not provide {', '.join(lacking)}; it provides: {has}. Choose another backbone"
        )
    return used


def _why_no_encoder(method: Choice) -> str:
    """Return why a method cannot give another component an encoder, or an empty text."""
    spec = method.spec
    reasons = {
        "is trained": spec.trains,
        "takes no backbone": not spec.backbone,
        f"takes {spec.modalities[0]} modalities": spec.modalities[0] > 1,
        "uses other components": bool(method.uses),
    }
    return next((reason for reason, applies in reasons.items() if applies), "")


def parts_of(choice: Choice, prefix: str) -> Sequence[str]:
    """Return the parts of a dataset that match a name: all for '', one, or those below a common prefix."""
    offered = choice.spec.parts(choice.config)
    return [part for part in offered if not prefix or part == prefix or part.startswith(f"{prefix}/")]
