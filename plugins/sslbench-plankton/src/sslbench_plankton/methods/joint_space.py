"""The frame of a method for two modalities: an encoder and a projection for each, into one space. Holds no equation.

In addition to the feature, a projection receives what the encoder does not see: an image's size and a profile's length
before any crop, in shares of `unit` (the cross-modal plankton study, 224).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from sslbench.api import Batch, MethodParts, Step, View
from sslbench.api.modules import Backbone, TrainedMethod

SPACE = "joint"
SIZE_FACTS = {"size": 2, "length": 1}
"""Facts that a projection receives, and how many numbers each has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionConfig:
    """Settings of the joint space: its width, dropout before it, and the unit of sizes (0: none)."""

    out: int = 512
    dropout: float = 0.2
    unit: float = 224.0


class JointSpace(TrainedMethod):
    """Encode and project two modalities; offers the space 'joint' in addition to the encoders' own."""

    def __init__(self, config: ProjectionConfig, parts: MethodParts) -> None:
        super().__init__()
        self.unit = config.unit
        self.kept = nn.ModuleDict(dict(parts.encoders))
        self.dropout = nn.Dropout(config.dropout)
        facts = {name: modality.facts for name, modality in parts.context.modalities.items()}
        self.size_facts = {
            name: tuple(f for f in facts[name] if f in SIZE_FACTS and config.unit) for name in parts.encoders
        }
        widths = {name: sum(SIZE_FACTS[fact] for fact in facts_) for name, facts_ in self.size_facts.items()}
        self.projections = nn.ModuleDict(
            {n: nn.Linear(e.width + widths[n], config.out, bias=False) for n, e in parts.encoders.items()}
        )

    @property
    def encoders(self) -> Mapping[str, Backbone]:
        return {name: cast(Backbone, module) for name, module in self.kept.items()}

    def embed(self, view: View) -> Mapping[str, Tensor]:
        """Return the features of the modalities of a view, and their projections into the joint space."""
        found = dict(super().embed(view))
        return found | {f"{name}.{SPACE}": self.project(name, found[name], view) for name in self.kept if name in found}

    def project(self, name: str, feature: Tensor, view: View) -> Tensor:
        """A modality's feature [B, D] and its facts -> [B, out]."""
        facts = [size_before(view, f"{name}.{fact}").to(feature.dtype) / self.unit for fact in self.size_facts[name]]
        projected: Tensor = self.projections[name](torch.cat([self.dropout(feature), *facts], dim=1))
        return projected

    def pairs(self, batch: Batch, step: Step) -> tuple[Tensor, Tensor]:
        """Both modalities' projections [B, out] of the first view, with the rows of all processes."""
        found = self.embed(batch.views["view"][0])
        first, second = (step.processes.gather(found[f"{name}.{SPACE}"]) for name in sorted(self.kept))
        return first, second


def size_before(view: View, fact: str) -> Tensor:
    """A fact as it was before operations changed it [B, .]: one that crops time keeps it under 'original_'."""
    modality, _, name = fact.rpartition(".")
    found = view.get(f"{modality}.original_{name}", view[fact])
    return found.reshape(len(found), -1)
