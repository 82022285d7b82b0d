"""Train NNCLR (Dwibedi et al. 2021, eq. 2 to 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import equation
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.joint.heads import mlp
from sslbench_vision.joint.queue import Queue, find_neighbors
from sslbench_vision.methods.nnclr import NnclrConfig


@equation
def neighbor_contrast(neighbors: Tensor, predicted: Tensor, temperature: float) -> Tensor:
    """Return -log exp(n_i p_i / T) / sum_k exp(n_i p_k / T), the mean over rows [B, D]; all normalized (eq. 4)."""
    n, p = nn.functional.normalize(neighbors, dim=1), nn.functional.normalize(predicted, dim=1)
    return nn.functional.cross_entropy(n @ p.T / temperature, torch.arange(len(n), device=n.device))


class Nnclr(JointEmbedding):
    """Method NNCLR; the queue contains projections of the first view."""

    def __init__(self, config: NnclrConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: mlp((width, config.hidden, config.hidden, config.out), end="norm"))
        self.predictor = mlp((config.out, config.predictor_hidden, config.out))
        self.temperature, self.include_self = config.temperature, config.include_self
        self.queue = Queue(config.queue, config.out)

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the mean loss of both directions, over the rows of all processes."""
        projected = [self.project(view) for view in batch.views["view"]]
        predicted = [step.processes.gather(self.predictor(z)) for z in projected]
        owners = step.processes.gather(batch.index)
        gathered = [step.processes.gather(z.detach()) for z in projected]
        neighbors = [find_neighbors(self.queue, z, owners, include_self=self.include_self) for z in gathered]
        losses = [neighbor_contrast(neighbors[i], predicted[1 - i], self.temperature) for i in range(2)]
        carry = {"rows": nn.functional.normalize(gathered[0], dim=1), "owners": owners}
        return Loss(total=(losses[0] + losses[1]) / 2, carry=carry)

    def after_step(self, step: Step, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """Add the new embeddings to the queue."""
        for carry in carries:
            self.queue.push(carry["rows"], carry["owners"])
