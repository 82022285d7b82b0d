"""Train the distillation of MV-MR (Kinakh, Drozdova, Voloshynovskiy 2024, section 3.4)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sslbench.api import Batch, MethodParts
from sslbench_mvmr.methods.agreement import resolve
from sslbench_mvmr.methods.agreement_model import Agreement
from sslbench_mvmr.methods.mv_mr_distill import MvMrDistillConfig
from sslbench_mvmr.methods.teacher import TEACHER


class MvMrDistill(Agreement):
    """Method MV-MR with a teacher."""

    def __init__(self, config: MvMrDistillConfig, parts: MethodParts) -> None:
        super().__init__(resolve(config), parts, (TEACHER,))
        self.is_normalized = config.teacher_normalization
        self.teacher = parts.dependencies[TEACHER]

    @torch.no_grad()
    def describe(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the teacher's embedding of the original images."""
        view = batch.views["original"][0]
        if not self.is_normalized:
            # the teacher's own normalization undoes the last step, so that it sees the student's normalized images
            own = self.teacher.encoder
            normalized = self.encoder.normalize(view[self.modality])
            view = {**view, self.modality: normalized * own.get_buffer("std") + own.get_buffer("mean")}
        return {TEACHER: self.teacher(view)}
