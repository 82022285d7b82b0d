"""Train DINO (Caron et al. 2021, eq. 1 to 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step
from sslbench.api.modules import Backbone, DropPath, ParameterGroup, equation
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.joint.heads import mlp
from sslbench_vision.joint.momentum import Teacher
from sslbench_vision.methods.dino import DinoConfig


@equation
def distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the cross-entropy of the student's logits [B, K] under the teacher's probabilities (eq. 2)."""
    return -(teacher * student.log_softmax(dim=1)).sum(1).mean()


@equation
def centered_softmax(logits: Tensor, center: Tensor, temperature: float) -> Tensor:
    """Return softmax((logits - center) / T) of the teacher's logits [B, K] (section 3.1)."""
    return ((logits - center) / temperature).softmax(dim=1)


def teacher_temperature(config: DinoConfig, epoch: int) -> float:
    """Return the teacher's temperature in an epoch: linear during the warm-up, then constant."""
    if epoch >= config.teacher_warmup_epochs:
        return config.teacher_temperature
    increase = config.teacher_temperature - config.first_teacher_temperature
    return config.first_teacher_temperature + increase * epoch / max(config.teacher_warmup_epochs - 1, 1)


class DinoHead(nn.Module):
    """Three layers to a bottleneck of unit length, and cosines to prototypes (a weight-normed layer of gain 1)."""

    def __init__(self, width: int, config: DinoConfig) -> None:
        super().__init__()
        widths = (width, config.hidden, config.hidden, config.bottleneck)
        self.bottleneck = mlp(widths, norm=False, activation=nn.GELU)
        self.prototypes = nn.Linear(config.bottleneck, config.prototypes, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, width] to cosines [B, K]."""
        unit = nn.functional.normalize(self.bottleneck(features), dim=-1)
        return nn.functional.linear(unit, nn.functional.normalize(self.prototypes.weight, dim=1))


class Dino(JointEmbedding):
    """Method DINO; its projector is the head, so the space 'projector' contains cosines to prototypes."""

    center: Tensor

    def __init__(self, config: DinoConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: DinoHead(width, config))
        self.config = config
        self.teacher = Teacher(self, config.momentum, config.final_momentum)
        if isinstance(self.encoder, DropPath):  # after the copy: the teacher drops nothing (DINO, main_dino.py)
            self.encoder.set_drop_path(config.drop_path)
        self.register_buffer("center", torch.zeros(config.prototypes))

    @property
    def encoders(self) -> Mapping[str, Backbone]:
        kept = self.teacher.encoder if self.config.keep == "teacher" else self.encoder
        return {self.modality: kept}  # type: ignore[dict-item]

    def select_projector(self) -> nn.Module:
        """Return the projector of the encoder that is evaluated."""
        return self.teacher.projector if self.config.keep == "teacher" else self.projector

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the mean loss over pairs of a student's view and another, global view of the teacher."""
        global_views = batch.views["global"]
        teacher_logits = [self.teacher.project(self, view) for view in global_views]
        temperature = teacher_temperature(self.config, step.epoch)
        targets = [centered_softmax(logits, self.center, temperature) for logits in teacher_logits]
        cosines = [self.project(view) for view in (*global_views, *batch.views.get("local", ()))]
        losses = [
            distillation(student / self.config.temperature, target)
            for i, target in enumerate(targets)
            for j, student in enumerate(cosines)
            if i != j
        ]
        logits = step.processes.gather(torch.cat(teacher_logits))
        carry = {"center": logits.mean(0), "rows": torch.tensor(float(len(logits)), device=logits.device)}
        return Loss(total=torch.stack(losses).mean(), carry=carry)

    def after_step(self, step: Step, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """Update the teacher and the center (eq. 4)."""
        self.teacher.update(self, step)
        rows = torch.stack([carry["rows"] for carry in carries])  # accumulated passes may differ in size
        newest = (torch.stack([carry["center"] for carry in carries]) * (rows / rows.sum()).unsqueeze(1)).sum(0)
        self.center.lerp_(newest.to(self.center.dtype), 1 - self.config.center_momentum)

    def groups(self) -> Sequence[ParameterGroup]:
        """Return the parameters, with prototypes frozen for the first `freeze` epochs."""
        prototypes = tuple(self.projector.get_submodule("prototypes").parameters())
        prototype_ids = {id(parameter) for parameter in prototypes}
        rest = tuple(p for p in self.parameters() if p.requires_grad and id(p) not in prototype_ids)
        return (ParameterGroup(parameters=rest), ParameterGroup(parameters=prototypes, from_epoch=self.config.freeze))
