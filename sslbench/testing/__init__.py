"""The conformance kit: generated, named checks that prove a plugin right.

A plugin's whole test file:

    from sslbench.testing import conformance

    test_conformance = conformance("my-distribution")

`sslbench plugin check NAME` shows the same as a table. It is no pytest plugin: nothing of it runs by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType


def conformance(distribution: str, expected: Mapping[str, str] = MappingProxyType({})) -> Callable[..., None]:
    """Make the test function of a distribution: one test for every check of every component.

    `expected` names checks that are broken for a stated reason, such as {"method/mine-learns": "needs 100 epochs"}; one
    that is kept after all fails the test. A broken check that is only advised is shown as expected to fail.
    """
    from sslbench.catalog.discovery import installed_entries
    from sslbench.testing.kit import as_test, subjects_of, with_kit

    return as_test(subjects_of(distribution, with_kit(installed_entries())), expected)
