"""Train SwAV (Caron et al. 2020, eq. 2 to 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import ParameterGroup, equation
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.joint.heads import mlp
from sslbench_vision.joint.queue import Queue
from sslbench_vision.methods.swav import SwavConfig


@equation
def balanced_assignment(scores: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Turn scores [B, K] into assignments [B, K] by Sinkhorn-Knopp on exp(scores / epsilon) (eq. 3 to 5).

    Rows sum to 1, columns to about B / K. Computed in logarithms, so that a small epsilon does not overflow.
    """
    q = scores / epsilon
    for _ in range(iterations):
        q = q - q.logsumexp(dim=0, keepdim=True)
        q = q - q.logsumexp(dim=1, keepdim=True)
    return q.exp()


@equation
def swapped_prediction(scores: Tensor, assignment: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of one view's scores [B, K] under another view's assignment, the mean over rows (eq. 2)."""
    return -(assignment * (scores / temperature).log_softmax(dim=1)).sum(1).mean()


class Swav(JointEmbedding):
    """Method SwAV."""

    def __init__(self, config: SwavConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: mlp((width, config.hidden, config.out)))
        self.config = config
        self.prototypes = nn.Linear(config.out, config.prototypes, bias=False)
        self._normalize_prototypes()
        self.queues = nn.ModuleList(Queue(config.queue, config.out) for _ in range(2 if config.queue else 0))

    @torch.no_grad()
    def _normalize_prototypes(self) -> None:
        self.prototypes.weight.copy_(nn.functional.normalize(self.prototypes.weight, dim=1))

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the mean loss over pairs of a view and another, global view that gives the assignment."""
        global_views = batch.views["global"]
        unit = [nn.functional.normalize(self.project(v), dim=1) for v in (*global_views, *batch.views.get("local", ()))]
        scores = [self.prototypes(rows) for rows in unit]
        assigned = [self._assign(place, scores[place], step) for place in range(len(global_views))]
        losses = [
            swapped_prediction(other, assignment, self.config.temperature)
            for i, assignment in enumerate(assigned)
            for j, other in enumerate(scores)
            if i != j
        ]
        carry = {f"rows {i}": step.processes.gather(rows.detach()) for i, rows in enumerate(unit[: len(global_views)])}
        return Loss(total=torch.stack(losses).mean(), carry=carry | {"owners": step.processes.gather(batch.index)})

    @torch.no_grad()
    def _assign(self, place: int, scores: Tensor, step: Step) -> Tensor:
        """Return this process's rows of the assignment, balanced over all processes and the queue if it is used."""
        all_scores = step.processes.gather(scores)
        rows = [all_scores]
        if self.queues and step.epoch >= self.config.queue_from and self.queues[place].is_filled():  # type: ignore[operator]
            rows.append(self.prototypes(self.queues[place].get_buffer("rows").to(scores.dtype)))
        balanced = balanced_assignment(torch.cat(rows), self.config.epsilon, self.config.iterations)
        own_rows: Tensor = balanced[: len(all_scores)].chunk(step.processes.size)[step.processes.rank]
        return own_rows

    def after_step(self, step: Step, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """Normalize the prototypes, and add the new embeddings to the queues."""
        self._normalize_prototypes()
        for carry in carries:
            for place, queue in enumerate(self.queues):
                queue.push(carry[f"rows {place}"], carry["owners"])  # type: ignore[operator]

    def groups(self) -> Sequence[ParameterGroup]:
        """Return the parameters, with prototypes frozen for the first `freeze` epochs."""
        trained = (*self.encoder.parameters(), *self.projector.parameters())
        frozen = ParameterGroup(parameters=tuple(self.prototypes.parameters()), from_epoch=self.config.freeze)
        return (ParameterGroup(parameters=tuple(p for p in trained if p.requires_grad)), frozen)
