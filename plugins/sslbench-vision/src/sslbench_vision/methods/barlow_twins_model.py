"""Train Barlow Twins (Zbontar et al. 2021, eq. 1 and 2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import ParameterGroup, equation
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.joint.heads import mlp
from sslbench_vision.methods.barlow_twins import BarlowTwinsConfig

EPSILON = 1e-5


@equation
def cross_correlation(one: Tensor, two: Tensor) -> Tensor:
    """Return the correlations [D, D] of the columns of two views [B, D] (eq. 2); deviations over B, as in batch norm."""
    a, b = ((rows - rows.mean(0)) / torch.sqrt(rows.var(0, correction=0) + EPSILON) for rows in (one, two))
    return a.T @ b / len(a)


@equation
def identity_distance(correlation: Tensor, off_diagonal: float) -> Tensor:
    """Return sum_i (1 - c_ii)^2 + lambda sum_{i != j} c_ij^2 (eq. 1)."""
    diagonal = correlation.diagonal()
    rest = correlation.square().sum() - diagonal.square().sum()
    return (1 - diagonal).square().sum() + off_diagonal * rest


class BarlowTwins(JointEmbedding):
    """Method BarlowTwins."""

    def __init__(self, config: BarlowTwinsConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: mlp((width, config.hidden, config.hidden, config.out), end="unbiased"))
        self.config = config

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the loss over the rows of all processes."""
        one, two = (step.processes.gather(self.project(view)) for view in batch.views["view"])
        return Loss(total=self.config.scale * identity_distance(cross_correlation(one, two), self.config.off_diagonal))

    def groups(self) -> Sequence[ParameterGroup]:
        """Return two groups: weights, and biases and norms with their own learning rate."""
        weights = tuple(p for p in self.parameters() if p.requires_grad and p.ndim > 1)
        rest = tuple(p for p in self.parameters() if p.requires_grad and p.ndim <= 1)
        return (ParameterGroup(parameters=weights), ParameterGroup(parameters=rest, lr_multiplier=self.config.bias_lr))
