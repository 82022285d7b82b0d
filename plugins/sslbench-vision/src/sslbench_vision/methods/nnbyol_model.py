"""Train NNBYOL: BYOL's loss on nearest neighbors; see `byol_model` and `joint.queue`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from sslbench.api import Batch, MethodParts, Step
from sslbench_vision.joint.queue import Queue, find_neighbors
from sslbench_vision.methods.byol import ByolConfig
from sslbench_vision.methods.byol_model import Byol
from sslbench_vision.methods.nnbyol import NnbyolConfig


class Nnbyol(Byol):
    """Method NNBYOL; the queue contains the momentum network's embeddings of the first view."""

    def __init__(self, config: NnbyolConfig, parts: MethodParts) -> None:
        shared = {name: getattr(config, name) for name in ByolConfig.__dataclass_fields__}
        super().__init__(ByolConfig(**shared), parts)
        self.queue, self.include_self = Queue(config.queue, config.out), config.include_self

    def make_targets(self, teacher_embeddings: Sequence[Tensor], batch: Batch) -> Sequence[Tensor]:
        """Return the neighbors of the momentum network's embeddings."""
        return [
            find_neighbors(self.queue, rows, batch.index, include_self=self.include_self) for rows in teacher_embeddings
        ]

    def make_carry(self, teacher_embeddings: Sequence[Tensor], batch: Batch, step: Step) -> Mapping[str, Tensor]:
        """Return the first view's embeddings for the queue."""
        rows = nn.functional.normalize(teacher_embeddings[0], dim=1)
        return {"rows": step.processes.gather(rows), "owners": step.processes.gather(batch.index)}

    def after_step(self, step: Step, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """Move the momentum network toward the student, and add the new embeddings to the queue."""
        super().after_step(step, carries)
        for carry in carries:
            self.queue.push(carry["rows"], carry["owners"])
