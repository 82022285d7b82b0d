"""Provide the conformance kit: generated, named checks of a plugin's contract.

A plugin's whole test file:

    from sslbench.testing import conformance

    test_conformance = conformance("my-distribution")

`sslbench plugin check NAME` prints the same checks as a table. The kit is not a pytest plugin: nothing runs by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType


def conformance(distribution: str, expected: Mapping[str, str] = MappingProxyType({})) -> Callable[..., None]:
    """Make the test function of a distribution: one test for every check of every component.

    `expected` names checks that fail for a stated reason, such as {"method/mine-learns": "needs 100 epochs"}; if one of
    them passes, the test fails. A failed check that is only advised is reported as an expected failure.
    """
    from sslbench.catalog.discovery import installed_entries
    from sslbench.testing.kit import as_test, subjects_of, with_kit

    return as_test(subjects_of(distribution, with_kit(installed_entries())), expected)
