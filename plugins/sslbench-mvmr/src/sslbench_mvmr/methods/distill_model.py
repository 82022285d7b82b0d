"""Train an encoder to predict a teacher's features."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step, View
from sslbench.api.modules import Backbone, TrainedMethod, equation
from sslbench_mvmr.methods.distill import DistillConfig
from sslbench_mvmr.methods.teacher import TEACHER


@equation
def cosine_difference(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean over rows [B, D] of 1 - cosine, from 0 to 2."""
    return (1 - nn.functional.cosine_similarity(predicted, wanted)).mean()


@equation
def squared_difference(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean squared error over rows and columns [B, D]."""
    return nn.functional.mse_loss(predicted, wanted)


LOSSES = {"cosine": cosine_difference, "squared": squared_difference}


class Distill(TrainedMethod):
    """Encoder with a prediction head; the prediction is the space 'projector'."""

    def __init__(self, config: DistillConfig, parts: MethodParts) -> None:
        super().__init__()
        self.modality, self.encoder = next(iter(parts.encoders.items()))
        self.teacher = parts.dependencies[TEACHER]
        self.difference = LOSSES[config.loss]
        widths = (self.encoder.width, *((config.hidden,) if config.hidden else ()))
        hidden = [nn.Linear(*widths), nn.GELU()] if config.hidden else []
        self.head = nn.Sequential(*hidden, nn.Linear(widths[-1], self.teacher.width))

    @property
    def encoders(self) -> Mapping[str, Backbone]:
        return {self.modality: self.encoder}

    def embed(self, view: View) -> Mapping[str, Tensor]:
        """Return the features [B, D] of the encoder, and the predicted features of the teacher."""
        feature = self.encoder(view[self.modality], view.get(f"{self.modality}.length"))
        return {self.modality: feature, f"{self.modality}.projector": self.head(feature)}

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the difference of prediction and teacher, the mean over the rows of this process."""
        view = batch.views["view"][0]
        with torch.no_grad():
            wanted = self.teacher(view)
        predicted = self.embed(view)[f"{self.modality}.projector"]
        return Loss(total=self.difference(predicted, wanted))
