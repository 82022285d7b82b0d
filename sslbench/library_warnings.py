"""Silence warnings of libraries that users of the command line cannot act on."""

from __future__ import annotations

import warnings

UNACTIONABLE = (
    # the harness chooses processes, loggers and data loaders, so advice on those of Lightning does not apply
    ("", r"lightning(_fabric|_utilities|\.|$)"),
    # k-NN uses a sparse product on purpose, and compares its results with dense ones in tests
    (r"Sparse CSR tensor support is in beta state", ""),
)
"""Message and module of each warning, as regular expressions for the beginning; '' matches any."""


def silence_library_warnings() -> None:
    """Ignore the warnings in UNACTIONABLE; other warnings are shown as before."""
    for message, module in UNACTIONABLE:
        warnings.filterwarnings("ignore", message=message, module=module)
