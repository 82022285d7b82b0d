"""Train VIbCReg (Lee and Aptoula 2021; whitening: Huang et al. 2019, algorithm 1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import equation
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.joint.heads import mlp
from sslbench_vision.methods.vibcreg import VibcregConfig
from sslbench_vision.methods.vicreg_model import covariance, invariance, variance

EPSILON = 1e-5


@equation
def iterative_whitening(rows: Tensor, groups: int, iterations: int) -> Tensor:
    """Center and whiten each group of D / groups dimensions of rows [B, D], by Newton's iteration for S^(-1/2).

    It inverts S / trace(S): P <- (3 P - P^3 S) / 2, starting from the identity.
    """
    parts = (rows - rows.mean(0)).view(len(rows), groups, -1).transpose(0, 1)
    width = parts.shape[2]
    identity = torch.eye(width, dtype=rows.dtype, device=rows.device).expand(groups, -1, -1)
    sigma = EPSILON * identity + parts.transpose(1, 2) @ parts / len(rows)
    trace = sigma.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
    scaled, inverse = sigma / trace, identity
    for _ in range(iterations):
        inverse = 1.5 * inverse - 0.5 * inverse @ inverse @ inverse @ scaled
    return (parts @ (inverse / trace.sqrt())).transpose(0, 1).reshape(len(rows), -1)


@equation
def correlation(rows: Tensor) -> Tensor:
    """Return the squared correlations of different columns [B, D], summed and divided by D^2, as in solo-learn."""
    unit = nn.functional.normalize(rows - rows.mean(0), dim=0)
    matrix = unit.T @ unit
    return (matrix.square().sum() - matrix.diagonal().square().sum()) / rows.shape[1] ** 2


class Vibcreg(JointEmbedding):
    """Method VIbCReg."""

    def __init__(self, config: VibcregConfig, parts: MethodParts) -> None:
        super().__init__(
            parts,
            lambda width: mlp((width, config.hidden, config.hidden, config.out), activation=nn.GELU, end="unbiased"),
        )
        self.config = config
        self.covariance_term = correlation if config.covariance_of == "correlations" else covariance

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the weighted loss over the rows of all processes."""
        one, two = (self._whiten(step.processes.gather(self.project(view))) for view in batch.views["view"])
        terms = {
            "invariance": invariance(one, two),
            "variance": (variance(one) + variance(two)) * (0.5 if self.config.halved_variance else 1.0),
            "covariance": self.covariance_term(one) + self.covariance_term(two),
        }
        weights = (self.config.invariance, self.config.variance, self.config.covariance)
        total = sum((w * term for w, term in zip(weights, terms.values(), strict=True)), torch.zeros_like(one[0, 0]))
        return Loss(total=total, terms=terms)

    def _whiten(self, rows: Tensor) -> Tensor:
        return iterative_whitening(rows, self.config.groups, self.config.iterations) if self.config.iterations else rows
