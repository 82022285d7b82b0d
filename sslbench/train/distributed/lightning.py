"""Lightning's Fabric, imported without torchmetrics.

Fabric compares torchmetrics' version, which imports it, and with it torchvision and compilers of torch: two seconds of
each process for what nothing here uses. Hidden while Fabric is imported, it counts as not installed there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Let a package that nobody has imported yet count as not installed while the block runs."""
    modules: dict[str, Any] = sys.modules
    if name in modules:
        yield
        return
    modules[name] = None
    try:
        yield
    finally:
        del modules[name]


with _hidden("torchmetrics"):
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy

__all__ = ["Fabric", "ModelParallelStrategy"]
