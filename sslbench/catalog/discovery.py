"""Load plugins, one entry point at a time; a failure excludes the whole entry point and names its distribution.

pluggy checks signatures; this module adds isolation of failures and the rules of specs.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, Literal, cast

import pluggy

from sslbench import environment
from sslbench.api import hooks
from sslbench.api.errors import RequestError
from sslbench.api.layouts import LAYOUTS
from sslbench.api.renamed import SPEC_FIELDS
from sslbench.api.specs import Kind
from sslbench.api.values import Event
from sslbench.catalog.facts import KINDS, Catalog, Component, EventListener, Origin, Problem
from sslbench.catalog.rules import HOOKS, broken_rules

SLOW_SECONDS = 0.25
"""Limit on the CPU time of an import; a busy machine or a slow disk does not count."""
HEAVY = ("torch", "torchvision", "timm")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginEntry:
    """One entry point: its origin, a function that loads it, and its package ('': not known)."""

    origin: Origin
    load: Callable[[], Any]
    package: str = ""


class _PluginError(Exception):
    """A failure of a plugin at a stage of loading."""

    def __init__(self, stage: str, error: str) -> None:
        super().__init__(error)
        self.stage = stage


def installed_entries() -> Iterator[PluginEntry]:
    """Yield the entry points of the group `sslbench`, sorted, so that the order of installation has no effect."""
    entries: dict[str, list[PluginEntry]] = {}
    for distribution in importlib.metadata.distributions():
        name = _metadata_of(distribution, "name", "unknown")
        if (
            name not in entries or name == "unknown"
        ):  # with two installed versions, Python imports the first on the path
            entries.setdefault(name, []).extend(_entries_of(distribution, name))
    found = [entry for own in entries.values() for entry in own]
    yield from sorted(found, key=lambda entry: (entry.origin.plugin, entry.origin.distribution))


def _entries_of(distribution: importlib.metadata.Distribution, name: str) -> list[PluginEntry]:
    """Return the entry points of a distribution; an unreadable list becomes one entry point that fails."""
    try:
        points = list(distribution.entry_points.select(group=hooks.GROUP))
    except Exception as error:
        if f"[{hooks.GROUP}]" not in (distribution.read_text("entry_points.txt") or ""):
            return []
        origin = Origin(
            plugin="entry_points.txt", distribution=name, version=_metadata_of(distribution, "version", "0")
        )
        return [
            PluginEntry(origin=origin, load=partial(_raise_value_error, f"entry_points.txt cannot be read: {error}"))
        ]
    version = _metadata_of(distribution, "version", "0") if points else "0"
    return [
        PluginEntry(
            origin=Origin(plugin=point.name, distribution=name, version=version),
            load=point.load,
            package=point.value.partition(":")[0].strip().partition(".")[0],
        )
        for point in points
    ]


def _metadata_of(distribution: importlib.metadata.Distribution, field: str, default: str) -> str:
    """Return a field of a distribution's metadata, or the default where it is missing or damaged."""
    try:
        return str(getattr(distribution, field) or default)
    except Exception:
        return default


def _raise_value_error(reason: str) -> None:
    raise ValueError(reason)


def discover(entries: Iterable[PluginEntry], *, disabled: Collection[str] = (), strict: bool = False) -> Catalog:
    """Return the catalog of all plugins that are not disabled by their own or their distribution's name.

    Raises RequestError in strict mode if any plugin is broken or any name is contested.
    """
    found: list[Component] = []
    listeners: list[EventListener] = []
    problems: list[Problem] = []
    for entry in entries:
        if {entry.origin.plugin, entry.origin.distribution} & set(disabled):
            continue
        try:
            components, callbacks, advice = _run_guarded("inspection", partial(_load, entry))
        except _PluginError as broken:
            problems.append(Problem(origin=entry.origin, stage=broken.stage, error=str(broken)))
            continue
        found += components
        listeners += callbacks
        problems += advice
    catalog = _build_catalog(found, listeners, problems)
    LAYOUTS.register(component.spec for component in catalog.all("layout"))
    serious = [str(problem) for problem in catalog.problems if problem.kind != "advice"]
    if strict and serious:
        raise RequestError(serious)
    return catalog


def discover_installed(*, strict: bool = False) -> Catalog:
    """Return the catalog of all installed plugins but those that SSLBENCH_DISABLE names.

    Raises RequestError in strict mode if any plugin is broken or any name is contested.
    """
    return discover(installed_entries(), disabled=environment.disabled_plugins(), strict=strict)


def register_installed_layouts() -> list[str]:
    """Register the layouts of installed plugins; return a sentence per plugin that is broken, contested or disabled."""
    problems = [str(problem) for problem in discover_installed().problems if problem.kind != "advice"]
    if disabled := environment.disabled_plugins():
        problems.append(
            f"SSLBENCH_DISABLE={','.join(disabled)}: these plugins are not used. Remove those that you need"
        )
    return problems


def _load(entry: PluginEntry) -> tuple[list[Component], list[EventListener], list[Problem]]:
    heavy_before = [name for name in HEAVY if name in sys.modules]
    started = time.thread_time()
    module = _run_guarded("import", entry.load)
    seconds = time.thread_time() - started
    manager = pluggy.PluginManager(hooks.GROUP)
    manager.add_hookspecs(hooks)
    _run_guarded("registration", lambda: manager.register(module, name=entry.origin.plugin))
    components: list[Component] = []
    listeners: list[EventListener] = []
    _check_names(module, manager)
    for caller in manager.get_hookcallers(module) or []:
        implementation = next(i for i in caller.get_hookimpls() if i.plugin is module)
        _check_signature(caller.name, implementation.function)
        if caller.name == "sslbench_event":
            listeners.append(
                EventListener(origin=entry.origin, callback=cast(Callable[[Event], None], implementation.function))
            )
        else:
            components += _load_components(entry.origin, caller.name, implementation.function)
    heavy = [name for name in HEAVY if name in sys.modules and name not in heavy_before]
    return components, listeners, _advise(entry.origin, seconds, heavy)


def _run_guarded(stage: str, action: Callable[[], Any]) -> Any:
    """Return the result of a plugin's code; any error, including SystemExit, becomes a _PluginError."""
    try:
        return action()
    except (KeyboardInterrupt, _PluginError):
        raise
    except BaseException as error:  # a plugin may raise any error, and must not affect others
        line = " ".join(str(error).split()) or "no message"
        old = next((name for name in SPEC_FIELDS if line.endswith(f"unexpected keyword argument {name!r}")), "")
        line += f". {old} is now {SPEC_FIELDS[old]}" if old else ""
        raise _PluginError(stage, f"{type(error).__name__}: {line}") from error


def _check_names(module: ModuleType, manager: pluggy.PluginManager) -> None:
    known = {name for name in vars(hooks) if name.startswith("sslbench_")}
    for name in (n for n in dir(module) if n.startswith("sslbench_") and callable(getattr(module, n))):
        marked = hasattr(getattr(module, name), f"{hooks.GROUP}_impl")
        if name not in known:
            raise _PluginError("hooks", f"{name!r} is not a hook. Available: {', '.join(sorted(known))}")
        if not marked:
            raise _PluginError("hooks", f"{name!r} has no decorator @hookimpl. Add it")


def _check_signature(name: str, function: Callable[..., Any]) -> None:
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not inspect.Parameter.empty:
            raise _PluginError(
                name, f"argument {parameter.name!r} has a default, so it would never be passed. Remove the default"
            )


def _load_components(origin: Origin, hook: str, function: Callable[[], Any]) -> list[Component]:
    kind, expected = HOOKS[hook]
    returned = _run_guarded(hook, function)
    if isinstance(returned, (str, bytes, dict)) or not isinstance(returned, Iterable):
        raise _PluginError(hook, f"returned {type(returned).__name__}, not an iterable of {expected.__name__}")
    specs = _run_guarded(hook, lambda: list(returned))
    for spec in specs:
        for sentence in _run_guarded(hook, partial(lambda one: list(broken_rules(kind, one)), spec)):
            raise _PluginError(hook, sentence)
    # metrics that a protocol declares are installed with it
    own = [metric for spec in specs for metric in (spec.own_metrics if kind == "protocol" else ())]
    return [
        *(Component(kind=kind, spec=spec, origin=origin) for spec in specs),
        *(Component(kind="metric", spec=metric, origin=origin) for metric in own),
    ]


def _advise(origin: Origin, seconds: float, heavy: list[str]) -> list[Problem]:
    advice = "Put the implementation into a module next to the spec and name it as text, build='package.module:Name'"
    if heavy:
        error = f"imports {', '.join(heavy)} at discovery. {advice}"
    elif seconds > SLOW_SECONDS:
        error = f"took {seconds:.1f} s of CPU time to import. {advice}"
    else:
        return []
    return [Problem(origin=origin, stage="import", error=error, kind="advice")]


def _build_catalog(found: list[Component], listeners: list[EventListener], problems: list[Problem]) -> Catalog:
    claims: dict[tuple[Kind, str], list[Component]] = defaultdict(list)
    for component in found:
        rivals = claims[component.kind, component.name]
        if component.kind != "metric" or component.spec not in [one.spec for one in rivals]:
            rivals.append(component)  # several protocols may declare the same metric
    contested = {key: tuple(c.origin for c in rivals) for key, rivals in claims.items() if len(rivals) > 1}
    label: Literal["contested"] = "contested"
    hook_of = {kind: hook for hook, (kind, _) in HOOKS.items()}
    for (kind, name), origins in contested.items():
        for origin in origins:
            others = " and ".join(dict.fromkeys(str(o) for o in origins if o is not origin)) or "itself"
            error = (
                f"{kind} {name!r} is also defined by {others}, so it cannot be used. Uninstall or disable one of them"
            )
            problems.append(Problem(origin=origin, stage=hook_of[kind], error=error, kind=label))
    usable: dict[Kind, dict[str, Component]] = {kind: {} for kind in KINDS}
    for (kind, name), rivals in claims.items():
        if len(rivals) == 1:
            usable[kind][name] = rivals[0]
    return Catalog(components=usable, contested=contested, problems=tuple(problems), listeners=tuple(listeners))
