"""A momentum network: a copy of encoder and projector that follows them slowly and takes no gradient."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from sslbench.api import Step, View
from sslbench_vision.joint.embedding import JointEmbedding


def momentum_at(start: float, end: float, progress: float) -> float:
    """Cosine from `start` to `end` over the training (BYOL, section 3.2)."""
    return end - (end - start) * (math.cos(math.pi * progress) + 1) / 2


def copy_frozen(module: nn.Module) -> nn.Module:
    """A copy that takes no gradient."""
    twin = copy.deepcopy(module)
    for parameter in twin.parameters():
        parameter.requires_grad_(False)
    return twin


def update_average(slow: nn.Module, fast: nn.Module, momentum: float) -> None:
    """slow <- momentum * slow + (1 - momentum) * fast, parameters only; batch statistics are each network's own."""
    for behind, ahead in zip(slow.parameters(), fast.parameters(), strict=True):
        behind.lerp_(ahead.detach(), 1 - momentum)


class Teacher(nn.Module):
    """The momentum network of a method."""

    def __init__(self, student: JointEmbedding, start: float, end: float) -> None:
        super().__init__()
        self.start, self.end = start, end
        self.encoder, self.projector = copy_frozen(student.encoder), copy_frozen(student.projector)

    @torch.no_grad()
    def project(self, student: JointEmbedding, view: View) -> Tensor:
        """A view -> [B, D], without gradient."""
        projected: Tensor = self.projector(self.encoder(*student.encoder_inputs(view)))
        return projected

    def update(self, student: JointEmbedding, step: Step) -> None:
        """Move toward the student."""
        momentum = momentum_at(self.start, self.end, step.progress)
        update_average(self.encoder, student.encoder, momentum)
        update_average(self.projector, student.projector, momentum)
