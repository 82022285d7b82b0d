"""Provide one toy for every check of the conformance kit, with a defect that only this check finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import backbones, datasets, layouts, methods, metrics, others, outputs, protocols, views

KINDS = (methods, backbones, views, datasets, protocols, others, layouts, metrics)
BROKEN: dict[str, Callable[[Path], Any]] = {name: make for kind in KINDS for name, make in kind.BROKEN.items()}
FAULTS = [fault for kind in KINDS if hasattr(kind, "FAULTS") for fault in kind.FAULTS]
FAULTS += [(check, finding, make) for finding, (check, make) in outputs.WRONG.items()]
"""Checks, what they find, and components with another defect than those of `BROKEN`."""
