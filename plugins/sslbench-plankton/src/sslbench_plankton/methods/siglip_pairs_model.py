"""SigLIP's equation for any two modalities (Zhai et al. 2023, eq. 1), and the method that wires it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import equation
from sslbench_plankton.methods.joint_space import JointSpace, ProjectionConfig
from sslbench_plankton.methods.siglip_pairs import SiglipPairsConfig


@equation
def siglip_loss(first: Tensor, second: Tensor, scale: Tensor, bias: Tensor, *, buckets: int = 1) -> Tensor:
    """-log sigmoid(y (exp(scale) cos + bias)) of all pairs of projections [B, D], summed, per row; y is 1 on the diagonal
    and -1 elsewhere. Buckets are contrasted by themselves.
    """
    losses = []
    for one, two in zip(first.chunk(buckets), second.chunk(buckets), strict=True):
        cosines = nn.functional.normalize(one, dim=1) @ nn.functional.normalize(two, dim=1).T
        sign = 2 * torch.eye(len(cosines), dtype=cosines.dtype, device=cosines.device) - 1
        losses.append(-nn.functional.logsigmoid(sign * (scale.exp() * cosines + bias)).sum() / len(cosines))
    return torch.stack(losses).mean()


class SiglipPairs(JointSpace):
    """The method."""

    def __init__(self, config: SiglipPairsConfig, parts: MethodParts) -> None:
        super().__init__(ProjectionConfig(out=config.out, dropout=config.dropout, unit=config.unit), parts)
        self.scale = nn.Parameter(torch.tensor([config.scale]))  # of one number, because scalars cannot be sharded
        self.bias = nn.Parameter(torch.tensor([config.bias]))
        self.buckets = config.buckets

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Judge every pair of sides in the batch."""
        first, second = self.pairs(batch, step)
        return Loss(total=siglip_loss(first, second, self.scale, self.bias, buckets=self.buckets))
