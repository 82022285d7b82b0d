"""Train ReSSL (Zheng et al. 2021, eq. 4 to 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import equation
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.joint.heads import mlp
from sslbench_vision.joint.momentum import Teacher
from sslbench_vision.joint.queue import Queue
from sslbench_vision.methods.ressl import ResslConfig


@equation
def relational(strong: Tensor, weak: Tensor, queue: Tensor, temperature: float, teacher_temperature: float) -> Tensor:
    """Return the cross-entropy of softmax(weak queue / T_t) and softmax(strong queue / T), the mean over rows [B, D]."""
    q, k, others = (nn.functional.normalize(rows, dim=1) for rows in (strong, weak, queue))
    target = (k @ others.T / teacher_temperature).softmax(dim=1)
    return -(target * (q @ others.T / temperature).log_softmax(dim=1)).sum(1).mean()


class Ressl(JointEmbedding):
    """Method ReSSL; the queue contains the momentum network's embeddings of weak views."""

    def __init__(self, config: ResslConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: mlp((width, config.hidden, config.out), norm=config.batch_norm))
        self.temperatures = (config.temperature, config.teacher_temperature)
        self.teacher = Teacher(self, config.momentum, config.final_momentum)
        self.queue = Queue(config.queue, config.out)

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the loss of strong views, with targets from weak views."""
        weak = self.teacher.project(self, batch.views["weak"][0])
        strong = self.project(batch.views["strong"][0])
        total = relational(strong, weak, self.queue.rows, *self.temperatures)
        rows = step.processes.gather(nn.functional.normalize(weak, dim=1))
        return Loss(total=total, carry={"rows": rows, "owners": step.processes.gather(batch.index)})

    def after_step(self, step: Step, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """Move the momentum network toward the student, and add the new embeddings to the queue."""
        self.teacher.update(self, step)
        for carry in carries:
            self.queue.push(carry["rows"], carry["owners"])
