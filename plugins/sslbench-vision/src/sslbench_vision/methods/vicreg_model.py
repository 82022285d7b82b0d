"""Train VICReg (Bardes, Ponce, LeCun 2022, eq. 1 to 6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import equation
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.joint.heads import mlp
from sslbench_vision.methods.vicreg import VicregConfig

EPSILON = 1e-4


@equation
def invariance(one: Tensor, two: Tensor) -> Tensor:
    """Return the mean squared error of two views [B, D] over rows and dimensions (eq. 5 adds up dimensions)."""
    return nn.functional.mse_loss(one, two)


@equation
def variance(rows: Tensor) -> Tensor:
    """Return the mean over columns [B, D] of max(0, 1 - sqrt(var + 1e-4)) (eq. 1 and 2)."""
    return torch.relu(1 - torch.sqrt(rows.var(0) + EPSILON)).mean()


@equation
def covariance(rows: Tensor) -> Tensor:
    """Return the squared covariances of different columns [B, D], summed and divided by D (eq. 3 and 4)."""
    centered = rows - rows.mean(0)
    matrix = centered.T @ centered / (len(rows) - 1)
    return (matrix.square().sum() - matrix.diagonal().square().sum()) / rows.shape[1]


class Vicreg(JointEmbedding):
    """Method VICReg."""

    def __init__(self, config: VicregConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: mlp((width, config.hidden, config.hidden, config.out), end="unbiased"))
        self.config = config

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the weighted loss over the rows of all processes."""
        one, two = (step.processes.gather(self.project(view)) for view in batch.views["view"])
        terms = {
            "invariance": invariance(one, two),
            "variance": (variance(one) + variance(two)) * (0.5 if self.config.halved_variance else 1.0),
            "covariance": covariance(one) + covariance(two),
        }
        weights = (self.config.invariance, self.config.variance, self.config.covariance)
        total = sum((w * term for w, term in zip(weights, terms.values(), strict=True)), torch.zeros_like(one[0, 0]))
        return Loss(total=total, terms=terms)
