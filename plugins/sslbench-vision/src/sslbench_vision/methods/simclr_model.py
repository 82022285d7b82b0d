"""SimCLR's equation and the method that wires it (Chen et al. 2020, eq. 1 and section 2.1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step, View
from sslbench.api.modules import Backbone, TrainedMethod, equation
from sslbench_vision.methods.simclr import SimclrConfig


@equation
def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Normalised-temperature cross-entropy of two views' projections [B, D] (eq. 1), over all 2B anchors.

    The positive of row i is row i of the other view; every other row of both views is a negative.
    """
    z = nn.functional.normalize(torch.cat([first, second]), dim=1)
    logits = z @ z.T / temperature
    logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), float("-inf"))
    positive = torch.arange(len(z), device=z.device).roll(len(first))
    return nn.functional.cross_entropy(logits, positive)


def projector(width: int, config: SimclrConfig) -> nn.Sequential:
    """Linear, (norm), ReLU, linear without bias after a norm."""
    hidden = config.hidden or width
    norm: list[nn.Module] = [nn.BatchNorm1d(hidden)] if config.batch_norm else []
    first = nn.Linear(width, hidden, bias=not config.batch_norm)
    return nn.Sequential(first, *norm, nn.ReLU(), nn.Linear(hidden, config.out))


class Simclr(TrainedMethod):
    """The method."""

    def __init__(self, config: SimclrConfig, parts: MethodParts) -> None:
        super().__init__()
        self.temperature = config.temperature
        self.modality, self.encoder = next(iter(parts.encoders.items()))
        self.projector = projector(self.encoder.width, config)

    @property
    def encoders(self) -> Mapping[str, Backbone]:
        return {self.modality: self.encoder}

    def embed(self, view: View) -> Mapping[str, Tensor]:
        """The encoder's feature, and the projector's."""
        features = dict(super().embed(view))
        return features | {f"{self.modality}.projector": self.projector(features[self.modality])}

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Contrast both views in one pass, so that batch norm sees them together, with the rows of all processes."""
        first, second = (view for view in batch.views["view"])
        both = {name: torch.cat([first[name], second[name]]) for name in first}
        encoded = self.encoder(both[self.modality], both.get(f"{self.modality}.length"))
        projected = self.projector(encoded)
        one, two = (step.world.gather(part) for part in projected.chunk(2))
        return Loss(total=nt_xent(one, two, self.temperature))
