"""Silence warnings of libraries that a user of the command line cannot act on; each by its module and its text."""

from __future__ import annotations

import warnings

UNACTIONABLE = (
    # the harness chooses processes, loggers and data loaders itself: advice about Lightning's own is not for its users
    ("", r"lightning(_fabric|_utilities|\.|$)"),
    # k-NN uses a sparse product on purpose, and compares its results with dense ones in tests
    (r"Sparse CSR tensor support is in beta state", ""),
)
"""Text and module of each, as regular expressions for the beginning; '' matches any."""


def silence_library_warnings() -> None:
    """Add a filter for each; every other warning is shown as before."""
    for message, module in UNACTIONABLE:
        warnings.filterwarnings("ignore", message=message, module=module)
