"""Train SimCLR (Chen et al. 2020, eq. 1 and section 2.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import equation
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.joint.heads import mlp
from sslbench_vision.methods.simclr import SimclrConfig


@equation
def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Return the normalized-temperature cross-entropy of two views' projections [B, D] (eq. 1), over all 2B anchors.

    The positive of row i is row i of the other view; every other row of both views is a negative.
    """
    z = nn.functional.normalize(torch.cat([first, second]), dim=1)
    logits = z @ z.T / temperature
    logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), float("-inf"))
    positive = torch.arange(len(z), device=z.device).roll(len(first))
    return nn.functional.cross_entropy(logits, positive)


class Simclr(JointEmbedding):
    """Method SimCLR."""

    def __init__(self, config: SimclrConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: mlp((width, config.hidden or width, config.out), norm=config.batch_norm))
        self.temperature = config.temperature

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the loss over the rows of all processes; both views share one pass, and so batch statistics."""
        first, second = batch.views["view"]
        both = {name: torch.cat([first[name], second[name]]) for name in first}
        one, two = (step.processes.gather(part) for part in self.project(both).chunk(2))
        return Loss(total=nt_xent(one, two, self.temperature))
