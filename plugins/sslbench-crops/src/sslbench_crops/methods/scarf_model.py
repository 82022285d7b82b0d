"""Train SCARF (Bahri et al. 2022), and the degenerate version of it that the bi-modal crop study's code trains."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from sslbench_vision.joint.embedding import JointEmbedding
from sslbench_vision.methods.simclr_model import nt_xent

from sslbench.api import Batch, Loss, MethodParts, Step, View
from sslbench_crops.methods.contrast import make_projector, scarf_loss
from sslbench_crops.methods.scarf import ScarfConfig
from sslbench_crops.methods.scarf_released import ScarfReleasedConfig


class Scarf(JointEmbedding):
    """SCARF: the clean view is the anchor, and corrupted views are the candidates."""

    def __init__(self, config: ScarfConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: make_projector(width, config.hidden, config.out))
        self.temperature = config.temperature

    @staticmethod
    def select_views(batch: Batch) -> tuple[View, View]:
        """Return the clean and the corrupted view."""
        return batch.views["clean"][0], batch.views["corrupted"][0]

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the loss over the rows of all processes; both views share one pass, and so batch statistics."""
        first, second = self.select_views(batch)
        both = {name: torch.cat([first[name], second[name]]) for name in first}
        clean, corrupted = (step.processes.gather(part) for part in self.project(both).chunk(2))
        return Loss(total=scarf_loss(clean, corrupted, self.temperature))


class ScarfReleased(JointEmbedding):
    """The degenerate baseline: both views are the same corrupted view."""

    def __init__(self, config: ScarfReleasedConfig, parts: MethodParts) -> None:
        super().__init__(parts, lambda width: make_projector(width, config.hidden, config.out))
        self.temperature = config.temperature

    @staticmethod
    def select_views(batch: Batch) -> tuple[View, View]:
        """Return the corrupted view twice."""
        return batch.views["view"][0], batch.views["view"][0]

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return NT-Xent of a view with itself, over the rows of all processes."""
        first, second = (step.processes.gather(self.project(view)) for view in self.select_views(batch))
        return Loss(total=nt_xent(first, second, self.temperature))

    def notes(self) -> Mapping[str, str]:
        """State that the method is degenerate, for the record and the terminal."""
        return {"views": "identical: a degenerate baseline, kept as published"}
