"""NNCLR's equation and the method that wires it (Dwibedi et al. 2021, eq. 2 to 4)."""

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
def neighbor_contrast(neighbors_: Tensor, predicted: Tensor, temperature: float) -> Tensor:
    """-log exp(n_i p_i / T) / sum_k exp(n_i p_k / T), averaged over rows [B, D]; all made unit length (eq. 4)."""
    n, p = nn.functional.normalize(neighbors_, dim=1), nn.functional.normalize(predicted, dim=1)
    return nn.functional.cross_entropy(n @ p.T / temperature, torch.arange(len(n), device=n.device))


class Nnclr(JointEmbedding):
    """The method; the queue holds projections of the first view."""

    def __init__(self, config: NnclrConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: mlp((width, config.hidden, config.hidden, config.out), end="norm"))
        self.predictor = mlp((config.out, config.predictor_hidden, config.out))
        self.temperature, self.include_self = config.temperature, config.include_self
        self.queue = Queue(config.queue, config.out)

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Both directions averaged, over the rows of all processes."""
        projected = [self.project(view) for view in batch.views["view"]]
        predicted = [step.processes.gather(self.predictor(z)) for z in projected]
        owners = step.processes.gather(batch.index)
        together = [step.processes.gather(z.detach()) for z in projected]
        near = [find_neighbors(self.queue, z, owners, include_self=self.include_self) for z in together]
        halves = [neighbor_contrast(near[i], predicted[1 - i], self.temperature) for i in range(2)]
        carry = {"rows": nn.functional.normalize(together[0], dim=1), "owners": owners}
        return Loss(total=(halves[0] + halves[1]) / 2, carry=carry)

    def after_step(self, step: Step, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """The queue moves on."""
        for carry in carries:
            self.queue.push(carry["rows"], carry["owners"])
