"""Train SimSiam (Chen and He 2021, eq. 1 and 2)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import ParameterGroup, equation
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.joint.heads import mlp
from sslbench_vision.methods.simsiam import SimsiamConfig


@equation
def negative_cosine(predicted: Tensor, target: Tensor) -> Tensor:
    """Return -cos(p, z), the mean over rows [B, D], without a gradient for z (eq. 1)."""
    return -nn.functional.cosine_similarity(predicted, target.detach(), dim=1).mean()


class Simsiam(JointEmbedding):
    """Method SimSiam."""

    def __init__(self, config: SimsiamConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: mlp((width, config.hidden, config.hidden, config.out), end="plain-norm"))
        self.predictor = mlp((config.out, config.predictor_hidden, config.out))
        self.constant_predictor_lr = config.constant_predictor_lr

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the mean loss of both directions."""
        one, two = (self.project(view) for view in batch.views["view"])
        losses = negative_cosine(self.predictor(one), two), negative_cosine(self.predictor(two), one)
        return Loss(total=(losses[0] + losses[1]) / 2)

    def groups(self) -> Sequence[ParameterGroup]:
        """Return two groups: encoder with projector, and the predictor, whose learning rate may be constant."""
        trained = (*self.encoder.parameters(), *self.projector.parameters())
        predictor = ParameterGroup(
            parameters=tuple(self.predictor.parameters()), scheduled=not self.constant_predictor_lr
        )
        return (ParameterGroup(parameters=tuple(p for p in trained if p.requires_grad)), predictor)
