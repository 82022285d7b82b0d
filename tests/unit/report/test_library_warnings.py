"""Warnings of libraries that no user can act on are not shown; all others are."""

from __future__ import annotations

import warnings

import pytest

from sslbench.library_warnings import silence_library_warnings


@pytest.mark.parametrize(
    ("text", "module", "shown"),
    [
        ("The dataloader does not have many workers", "lightning_fabric.loggers.csv_logs", False),
        ("srun is available", "lightning.fabric.plugins", False),
        ("Sparse CSR tensor support is in beta state. If you", "torch.anything", False),
        ("divide by zero", "numpy.core", True),
        ("the user's own", "lightning_rod", True),
        ("Sparse COO", "torch.anything", True),
    ],
)
def test_only_known_warnings_are_silenced(text, module, shown):
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        silence_library_warnings()
        warnings.warn_explicit(text, UserWarning, f"{module}.py", 1, module=module)
    assert bool(caught) == shown
