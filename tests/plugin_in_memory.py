"""Offer specs as an installed plugin, for tests that plan and run with them."""

from __future__ import annotations

from types import SimpleNamespace

from sslbench.api import hookimpl
from sslbench.catalog.discovery import PluginEntry, discover, installed_entries
from sslbench.catalog.facts import Catalog, Origin
from sslbench.catalog.rules import HOOKS


def catalog_with(*specs, modules=()) -> Catalog:
    """Return the installed components, those of plugin modules, and those of a plugin with these specs."""
    module = SimpleNamespace(__name__="theirs")
    for name, (_, cls) in HOOKS.items():
        if own := [spec for spec in specs if isinstance(spec, cls)]:
            setattr(module, name, offer(name, own))
    return discover([*installed_entries(), *map(entry_of, (module, *modules))])


def entry_of(module) -> PluginEntry:
    """Return the entry point of a module."""
    origin = Origin(plugin=module.__name__, distribution="theirs", version="1")
    return PluginEntry(origin=origin, load=lambda: module)


def offer(name, specs):
    """Return the hook that returns specs."""

    def hook():
        return specs

    hook.__name__ = name
    return hookimpl(hook)
