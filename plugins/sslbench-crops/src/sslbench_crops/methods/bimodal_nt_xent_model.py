"""Train one encoder per sensor so that both describe a place and date alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from sslbench_vision.methods.simclr_model import nt_xent
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step, View
from sslbench.api.modules import Backbone, TrainedMethod
from sslbench_crops.methods.bimodal_nt_xent import BimodalNtXentConfig
from sslbench_crops.methods.contrast import make_projector, printed_nt_xent

LOSSES = {"printed": printed_nt_xent, "released": nt_xent}


class BimodalNtXent(TrainedMethod):
    """Two encoders, each with a projector; the output of the projectors is the space 'projector'."""

    def __init__(self, config: BimodalNtXentConfig, parts: MethodParts) -> None:
        super().__init__()
        self.temperature, self.equation = config.temperature, LOSSES[config.form]
        self.kept = nn.ModuleDict(dict(parts.encoders))
        self.projectors = nn.ModuleDict(
            {name: make_projector(one.width, config.hidden, config.out) for name, one in parts.encoders.items()}
        )

    @property
    def encoders(self) -> Mapping[str, Backbone]:
        return {name: cast(Backbone, module) for name, module in self.kept.items()}

    def embed(self, view: View) -> Mapping[str, Tensor]:
        """Return the features of both encoders and projectors, of those modalities that the view has."""
        found = dict(super().embed(view))
        return found | {f"{name}.projector": self.projectors[name](feature) for name, feature in found.items()}

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Contrast both sides of every sample, over the rows of all processes."""
        found = self.embed(batch.views["view"][0])
        first, second = (step.processes.gather(found[f"{name}.projector"]) for name in sorted(self.kept))
        return Loss(total=self.equation(first, second, self.temperature))
