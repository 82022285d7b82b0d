"""Define how a component states that it uses another one. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sslbench.api.specs import Kind, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Another component that a component needs, such as a teacher or the members of a pool; it enters every key.

    Methods and protocols use encoders, which they receive as `FrozenEncoder`: a backbone, or a method without training that
    gives a backbone its weights. Datasets use datasets. A dataset may be named with a part, as in NAME/PART; its parts are
    passed under the names SLOT/PART.

    modality: modality that an encoder takes (None: the only one whose layout it takes).
    size: side in pixels of the samples that an encoder takes; views of another size are resized (0: the size of the views).
    requires: capabilities that the backbone must provide, such as "maps".
    backbone: name and settings of the backbone of a method.
    """

    kind: Kind
    name: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    modality: str | None = None
    size: int = 0
    requires: frozenset[str] = frozenset()
    backbone: Dependency | None = None
