"""Tell every listener what happens. A listener that fails is named once and harms nobody."""

from __future__ import annotations

from collections.abc import Callable

from sslbench.api.values import Event
from sslbench.catalog.facts import Catalog, Origin, Problem


class EventBus:
    """Passes events on; `complain` hears of each failing listener once."""

    def __init__(self, catalog: Catalog, complain: Callable[[str], None]) -> None:
        self._listeners = catalog.listeners
        self._complain = complain
        self._failed: set[Origin] = set()

    def tell(self, event: Event) -> None:
        """Pass one event to every listener that has not failed before."""
        for listener in self._listeners:
            if listener.origin in self._failed:
                continue
            try:
                listener.hear(event)
            except Exception as error:  # somebody else's code: its failure must not become ours
                self._failed.add(listener.origin)
                text = f"{type(error).__name__}: {error}; it hears no more events of this run"
                self._complain(str(Problem(origin=listener.origin, stage="sslbench_event", error=text)))
