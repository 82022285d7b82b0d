"""One toy for every check of the conformance kit, broken in that one way; everything else about it is sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import backbones, datasets, methods, others, protocols, views

BROKEN: dict[str, Callable[[Path], Any]] = {
    **methods.BROKEN, **backbones.BROKEN, **views.BROKEN, **datasets.BROKEN, **protocols.BROKEN, **others.BROKEN,
}  # fmt: skip
