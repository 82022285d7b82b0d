"""Train encoders and a linear layer on their concatenated features by the loss of the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import Backbone, TrainedMethod, widen
from sslbench.api.target_losses import loss_of
from sslbench_vision.methods.supervised import SupervisedConfig


class Supervised(TrainedMethod):
    """Supervised training."""

    def __init__(self, config: SupervisedConfig, parts: MethodParts) -> None:
        super().__init__()
        self.smoothing, self.target_loss = config.label_smoothing, loss_of(parts.context.target)
        self.kept = nn.ModuleDict(dict(parts.encoders))
        width = sum(encoder.width for encoder in parts.encoders.values())
        self.head = nn.Linear(width, len(parts.context.target.names))

    @property
    def encoders(self) -> Mapping[str, Backbone]:
        return {name: cast(Backbone, module) for name, module in self.kept.items()}

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the loss of the target, with label smoothing."""
        view = batch.views["view"][0]
        features = torch.cat([e(view[m], view.get(f"{m}.length")) for m, e in self.encoders.items()], dim=1)
        scores = widen(self.head(features))
        assert batch.target is not None
        return Loss(total=self.target_loss.loss(scores, batch.target, self.smoothing))
