"""Pass events to listeners of plugins, and isolate failures of listeners."""

from __future__ import annotations

from collections.abc import Callable

from sslbench.api.values import Event
from sslbench.catalog.facts import Catalog, Origin, Problem


class EventBus:
    """Bus that passes events to listeners; `report_failure` is called once for each listener that fails."""

    def __init__(self, catalog: Catalog, report_failure: Callable[[str], None]) -> None:
        self._listeners = catalog.listeners
        self._report_failure = report_failure
        self._failed: set[Origin] = set()

    def emit(self, event: Event) -> None:
        """Pass an event to every listener that has not failed before."""
        for listener in self._listeners:
            if listener.origin in self._failed:
                continue
            try:
                listener.callback(event)
            except Exception as error:  # code of a plugin: its failure must not stop the run
                self._failed.add(listener.origin)
                text = f"{type(error).__name__}: {error}; it receives no more events of this run"
                self._report_failure(str(Problem(origin=listener.origin, stage="sslbench_event", error=text)))
