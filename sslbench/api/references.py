"""Define tables of published results, which reports compare with runs. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sslbench.api.citation import Described
from sslbench.api.specs import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published number, with the names of this project; `spread` is its standard deviation, if given."""

    method: str
    dataset: str
    protocol: str
    metric: str
    value: float
    spread: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSpec(Described):
    """A published table; only runs with the recipe `recipe` are compared with it.

    settings: settings in which the published runs differ from the recipe.
    differences: sentences on how the published evaluation differs from our protocol of the same name.
    """

    recipe: str
    rows: tuple[Published, ...]
    settings: Mapping[str, Setting] = field(default_factory=dict)
    differences: tuple[str, ...] = ()
