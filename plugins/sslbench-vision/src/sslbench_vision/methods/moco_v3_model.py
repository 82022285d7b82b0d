"""Train MoCo v3 (Chen, Xie, He 2021, algorithm 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step, Unavailable
from sslbench.api.modules import Backbone, Depth, LearnedPositions, equation
from sslbench_vision.joint.embedding import JointEmbedding, rows_in_global_batch
from sslbench_vision.joint.heads import End, mlp
from sslbench_vision.joint.momentum import Teacher
from sslbench_vision.methods.moco_v3 import MocoV3Config


@equation
def batch_contrast(queries: Tensor, keys: Tensor, own: Tensor, temperature: float) -> Tensor:
    """Return 2 T times the cross-entropy of queries [B, D] over keys [K, D]; row `own` [B] is the positive."""
    q, k = nn.functional.normalize(queries, dim=1), nn.functional.normalize(keys, dim=1)
    return 2 * temperature * nn.functional.cross_entropy(q @ k.T / temperature, own)


def freeze_stem(encoder: Backbone) -> None:
    """Freeze the encoder's first projection at its random weights (section 4.2).

    Raises Unavailable for an encoder without the capability 'depth'.
    """
    if not isinstance(encoder, Depth):
        raise Unavailable(
            "method.freeze_stem=true: the encoder has no capability 'depth'. Use one that has it, such as a ViT"
        )
    stems = {
        f"{path}.{name}"
        for path, module in encoder.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
        for name, _ in module.named_parameters(recurse=False)
    }
    for name, parameter in encoder.named_parameters():
        if name in stems and encoder.depth_of(name) == 0:
            parameter.requires_grad_(False)


class MocoV3(JointEmbedding):
    """Method MoCo v3."""

    def __init__(self, config: MocoV3Config, parts: MethodParts) -> None:
        hidden = (config.hidden,) * (config.projector_layers - 1)
        super().__init__(parts, lambda width: mlp((width, *hidden, config.out), end="plain-norm"))
        end: End = "plain-norm" if config.predictor_norm else "unbiased"
        self.predictor = mlp((config.out, config.hidden, config.out), end=end)
        if config.fixed_positions and isinstance(self.encoder, LearnedPositions):  # before the teacher copies them
            self.encoder.fix_positions()
        self.teacher = Teacher(self, config.momentum, config.final_momentum)
        self.temperature = config.temperature
        if config.freeze_stem:
            freeze_stem(self.encoder)

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the sum of both directions, over the keys of all processes."""
        views = batch.views["view"]
        queries = [self.predictor(self.project(view)) for view in views]
        keys = [step.processes.gather(self.teacher.project(self, view)) for view in views]
        own = rows_in_global_batch(step.processes.rank, queries[0])
        losses = [batch_contrast(queries[i], keys[1 - i], own, self.temperature) for i in range(2)]
        return Loss(total=torch.stack(losses).sum())

    def after_step(self, step: Step, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """Move the momentum network toward the student."""
        self.teacher.update(self, step)
