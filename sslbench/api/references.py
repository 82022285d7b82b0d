"""Published numbers, to stand beside ours: data, with what their authors did otherwise. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sslbench.api.specs import Citation, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published number in [0, 1], in this project's words; `spread` is its standard deviation, where one was given."""

    method: str
    dataset: str
    protocol: str
    metric: str
    value: float
    spread: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSpec:
    """A published table. A run stands beside it only under `recipe`, with every difference named.

    `settings` are those in which the published runs differ from the recipe; `differences` says in words what their
    measuring does otherwise than our protocol of that name.
    """

    name: str
    version: int
    summary: str
    citation: Citation
    recipe: str
    rows: tuple[Published, ...]
    settings: Mapping[str, Setting] = field(default_factory=dict)
    differences: tuple[str, ...] = ()
