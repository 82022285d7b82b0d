"""CLIP's equation for any two modalities, as published and as the cross-modal plankton study released it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import equation
from sslbench_plankton.methods.clip_pairs import ClipPairsConfig
from sslbench_plankton.methods.joint_space import JointSpace, ProjectionConfig

LARGEST = 100.0


@equation
def clip_loss(first: Tensor, second: Tensor, scale: Tensor, *, exact: bool = True, buckets: int = 1) -> Tensor:
    """Mean of the row-wise and column-wise cross-entropy of scaled cosines [B, B] (Radford et al. 2021, figure 3).

    `first` and `second` are projections [B, D], `scale` the logarithm of the factor, which is held within 1/100 and 100.
    With `exact` false the maximum of each row is subtracted before the column term, as released code of arXiv 2603.16427
    does, so that a column's softmax is over rows shifted by different amounts. Buckets are contrasted by themselves.
    """
    losses = []
    for one, two in zip(first.chunk(buckets), second.chunk(buckets), strict=True):
        unit = [nn.functional.normalize(x, dim=1) for x in (one, two)]
        logits = scale.exp().clamp(1 / LARGEST, LARGEST) * unit[0] @ unit[1].T
        shifted = logits - logits.amax(1, keepdim=True)
        own = torch.arange(len(logits), device=logits.device)
        columns = logits if exact else shifted
        rows = nn.functional.cross_entropy(shifted, own)
        losses.append((rows + nn.functional.cross_entropy(columns.T, own)) / 2)
    return torch.stack(losses).mean()


class ClipPairs(JointSpace):
    """The method."""

    def __init__(self, config: ClipPairsConfig, parts: MethodParts) -> None:
        super().__init__(ProjectionConfig(out=config.out, dropout=config.dropout, unit=config.unit), parts)
        self.scale = nn.Parameter(torch.tensor([config.scale]))  # of one number, because scalars cannot be sharded
        self.exact, self.buckets = config.columns == "exact", config.buckets

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Contrast both sides of every sample."""
        first, second = self.pairs(batch, step)
        return Loss(total=clip_loss(first, second, self.scale, exact=self.exact, buckets=self.buckets))
