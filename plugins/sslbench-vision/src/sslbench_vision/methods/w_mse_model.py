"""Train W-MSE (Ermolov et al. 2021, eq. 3 to 6)."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import equation
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.joint.heads import mlp
from sslbench_vision.methods.w_mse import WMseConfig


@equation
def whiten(rows: Tensor, shrinkage: float) -> Tensor:
    """Whiten centered rows [B, D] by the inverse Cholesky factor of their covariance; NaN where it has none.

    The covariance, divided by B - 1, is mixed with the identity, whose weight is `shrinkage`.
    """
    centered = rows - rows.mean(0)
    identity = torch.eye(rows.shape[1], dtype=rows.dtype, device=rows.device)
    sigma = centered.T @ centered / (len(rows) - 1)
    factor, failed = torch.linalg.cholesky_ex((1 - shrinkage) * sigma + shrinkage * identity)
    solved = torch.linalg.solve_triangular(factor, centered.T, upper=False).T
    return torch.where(failed > 0, torch.full_like(solved, float("nan")), solved)


@equation
def distance(one: Tensor, two: Tensor) -> Tensor:
    """Return the squared distance of unit vectors, 2 - 2 cos, averaged over rows [B, D]."""
    return 2 - 2 * nn.functional.cosine_similarity(one, two, dim=1).mean()


def split_sub_batches(order: Tensor, size: int) -> list[Tensor]:
    """Split a permutation [B] into pieces of `size`; a shorter rest, which cannot be whitened, joins the last piece."""
    pieces = list(torch.split(order, size))
    if len(pieces) > 1 and len(pieces[-1]) < size:
        pieces[-2:] = [torch.cat(pieces[-2:])]
    return pieces


class WMse(JointEmbedding):
    """Method W-MSE."""

    def __init__(self, config: WMseConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: mlp((width, config.hidden, config.out)))
        self.config = config

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the loss of views whitened in the same random sub-batches, over the rows of all processes."""
        views = [step.processes.gather(self.project(view)) for view in batch.views["view"]]
        pairs = list(combinations(range(len(views)), 2))
        losses = []
        for repetition in range(self.config.repetitions):
            order = step.random.uniform(f"whitening {repetition}", len(views[0]))[0].argsort()
            for rows in split_sub_batches(order, self.config.whitening):
                white = [whiten(view[rows], self.config.shrinkage) for view in views]
                losses += [distance(white[i], white[j]) * len(rows) for i, j in pairs]
        return Loss(total=torch.stack(losses).sum() / (len(views[0]) * len(pairs) * self.config.repetitions))
