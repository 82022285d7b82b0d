"""Train MoCo v2+ (He et al. 2020, eq. 1; Chen, Fan, Girshick, He 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import equation
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.joint.heads import mlp
from sslbench_vision.joint.momentum import Teacher
from sslbench_vision.joint.queue import Queue
from sslbench_vision.methods.moco_v2_plus import MocoV2PlusConfig


@equation
def info_nce(queries: Tensor, keys: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """Return -log exp(q k / T) / (exp(q k / T) + sum over the queue), the mean over queries [B, D]; all normalized."""
    q, k, others = (nn.functional.normalize(rows, dim=1) for rows in (queries, keys, queue))
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ others.T], dim=1) / temperature
    return nn.functional.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))


class MocoV2Plus(JointEmbedding):
    """Method MoCo v2+; queue i contains keys of view i."""

    def __init__(self, config: MocoV2PlusConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: mlp((width, config.hidden or width, config.out), norm=config.batch_norm))
        self.temperature = config.temperature
        self.teacher = Teacher(self, config.momentum, config.final_momentum)
        self.queues = nn.ModuleList(Queue(config.queue, config.out) for _ in range(2))

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the mean loss of both directions."""
        views = batch.views["view"]
        keys = [self.teacher.project(self, view) for view in views]
        losses = [
            info_nce(self.project(views[i]), keys[1 - i], self.queues[1 - i].get_buffer("rows"), self.temperature)
            for i in range(2)
        ]
        carry = {f"keys {i}": step.processes.gather(nn.functional.normalize(key, dim=1)) for i, key in enumerate(keys)}
        return Loss(total=(losses[0] + losses[1]) / 2, carry=carry | {"owners": step.processes.gather(batch.index)})

    def after_step(self, step: Step, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """Update the momentum network, and replace the oldest keys by the new ones."""
        self.teacher.update(self, step)
        for carry in carries:
            for place, queue in enumerate(self.queues):
                queue.push(carry[f"keys {place}"], carry["owners"])  # type: ignore[operator]
