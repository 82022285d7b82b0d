"""Keep a momentum network: a moving average of encoder and projector, without gradient."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from sslbench.api import Step, View
from sslbench_vision.joint.embedding import JointEmbedding


def momentum_at(start: float, end: float, progress: float) -> float:
    """Return the momentum at `progress` in [0, 1]: a cosine from `start` to `end` (BYOL, section 3.2)."""
    return end - (end - start) * (math.cos(math.pi * progress) + 1) / 2


def copy_frozen(module: nn.Module) -> nn.Module:
    """Return a copy of a module without gradients."""
    duplicate = copy.deepcopy(module)
    for parameter in duplicate.parameters():
        parameter.requires_grad_(False)
    return duplicate


def update_average(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """Set slow <- momentum * slow + (1 - momentum) * fast, for parameters but not batch statistics."""
    for average, newest in zip(slow.parameters(), fast.parameters(), strict=True):
        average.lerp_(newest.detach(), 1 - momentum)


class Teacher(nn.Module):
    """Momentum network of a method."""

    def __init__(self, student: JointEmbedding, start: float, end: float) -> None:
        super().__init__()
        self.start, self.end = start, end
        self.encoder, self.projector = copy_frozen(student.encoder), copy_frozen(student.projector)

    @torch.no_grad()
    def project(self, student: JointEmbedding, view: View) -> Tensor:
        """Project a view -> [B, D], without gradient."""
        projected: Tensor = self.projector(self.encoder(*student.encoder_inputs(view)))
        return projected

    def update(self, student: JointEmbedding, step: Step) -> None:
        """Move the weights toward the student's."""
        momentum = momentum_at(self.start, self.end, step.progress)
        update_average(self.encoder, student.encoder, momentum)
        update_average(self.projector, student.projector, momentum)
