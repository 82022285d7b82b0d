"""Base class of joint-embedding methods: one encoder, and a projector that is used for training only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from sslbench.api import MethodParts, View
from sslbench.api.modules import Backbone, TrainedMethod


class Head(Protocol):
    """Factory of a head for features of a width."""

    def __call__(self, width: int) -> nn.Module: ...


class JointEmbedding(TrainedMethod):
    """Encoder and projector of one modality; the output of the projector is the space 'projector'."""

    def __init__(self, parts: MethodParts, head: Head) -> None:
        super().__init__()
        self.modality, self.encoder = next(iter(parts.encoders.items()))
        self.projector = head(self.encoder.width)

    @property
    def encoders(self) -> Mapping[str, Backbone]:
        return {self.modality: self.encoder}

    def embed(self, view: View) -> Mapping[str, Tensor]:
        """Return the features [B, D] of encoder and projector, by space; nothing for a view without the modality."""
        if self.modality not in view:
            return {}
        feature = self.encoders[self.modality](*self.encoder_inputs(view))
        return {self.modality: feature, f"{self.modality}.projector": self.select_projector()(feature)}

    def select_projector(self) -> nn.Module:
        """Return the projector of the encoder that is evaluated."""
        return self.projector

    def encoder_inputs(self, view: View) -> tuple[Tensor, Tensor | None]:
        """Return the inputs of the encoder from a view: the data, and lengths of sequences if present."""
        return view[self.modality], view.get(f"{self.modality}.length")

    def project(self, view: View) -> Tensor:
        """Project a view -> [B, D], not normalized."""
        projected: Tensor = self.projector(self.encoder(*self.encoder_inputs(view)))
        return projected


def rows_in_global_batch(world_rank: int, rows: Tensor) -> Tensor:
    """Return the positions [B] of a process's rows in the batch of all processes."""
    return torch.arange(len(rows), device=rows.device) + world_rank * len(rows)
