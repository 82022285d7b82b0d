"""Provide one toy for every check of the conformance kit, with a defect that only this check finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import backbones, datasets, layouts, methods, metrics, others, protocols, views

BROKEN: dict[str, Callable[[Path], Any]] = {
    **methods.BROKEN, **backbones.BROKEN, **views.BROKEN, **datasets.BROKEN, **protocols.BROKEN, **others.BROKEN,
    **layouts.BROKEN, **metrics.BROKEN,
}  # fmt: skip
