"""Import Lightning Fabric without torchmetrics.

Fabric checks torchmetrics' version, which imports torchmetrics, torchvision and torch's compilers: two seconds per process
for unused code. torchmetrics is hidden during the import, so that Fabric treats it as not installed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def _hide_module(name: str) -> Iterator[None]:
    """Make a package that is not yet imported appear as not installed in the block."""
    modules: dict[str, Any] = sys.modules
    if name in modules:
        yield
        return
    modules[name] = None
    try:
        yield
    finally:
        del modules[name]


with _hide_module("torchmetrics"):
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy

__all__ = ["Fabric", "ModelParallelStrategy"]
