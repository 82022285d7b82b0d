"""Train BYOL (Grill et al. 2020, eq. 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import equation
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.joint.heads import mlp
from sslbench_vision.joint.momentum import Teacher
from sslbench_vision.methods.byol import ByolConfig


@equation
def regression(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the squared distance of unit vectors, 2 - 2 cos, averaged over rows [B, D] (eq. 2)."""
    return 2 - 2 * nn.functional.cosine_similarity(predicted, target, dim=1).mean()


class Byol(JointEmbedding):
    """Method BYOL; a subclass may change `make_targets`."""

    def __init__(self, config: ByolConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: mlp((width, config.hidden, config.out)))
        self.predictor = mlp((config.out, config.predictor_hidden, config.out))
        self.teacher = Teacher(self, config.momentum, config.final_momentum)
        self.share = 1.0 if config.reduction == "sum" else 0.5

    def make_targets(self, teacher_embeddings: Sequence[Tensor], batch: Batch) -> Sequence[Tensor]:
        """Return the targets [B, D] of each view: the momentum network's embeddings."""
        return teacher_embeddings

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the loss of both directions."""
        views = batch.views["view"]
        predicted = [self.predictor(self.project(view)) for view in views]
        teacher_embeddings = [self.teacher.project(self, view) for view in views]
        target = self.make_targets(teacher_embeddings, batch)
        both = regression(predicted[0], target[1]) + regression(predicted[1], target[0])
        return Loss(total=self.share * both, carry=self.make_carry(teacher_embeddings, batch, step))

    def make_carry(self, teacher_embeddings: Sequence[Tensor], batch: Batch, step: Step) -> Mapping[str, Tensor]:
        """Return what `after_step` needs: nothing."""
        return {}

    def after_step(self, step: Step, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """Move the momentum network toward the student."""
        self.teacher.update(self, step)
