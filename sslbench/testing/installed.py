"""List the installed components of a distribution, for tests that hold for all of them."""

from __future__ import annotations

from typing import Any

from sslbench.api.errors import RequestError
from sslbench.api.specs import Kind
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.discovery import discover, installed_entries


def specs_of(distribution: str, kind: Kind) -> list[Any]:
    """Return the specs of a distribution's components of a kind, such as "method", by name.

    Raises RequestError if there are none: a test over all of them would test nothing.
    """
    components = discover(installed_entries()).all(kind)
    found = [component.spec for component in components if component.origin.distribution == distribution]
    if not found:
        known = {component.origin.distribution for component in components}
        raise RequestError(
            [f"{distribution!r} has no installed component of kind {kind}{did_you_mean(distribution, known)}"]
        )
    return found
