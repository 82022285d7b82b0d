"""Train MV-MR (Kinakh, Drozdova, Voloshynovskiy 2024, section 3)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sslbench.api import Batch, MethodParts
from sslbench_mvmr.methods.agreement_model import Agreement
from sslbench_mvmr.methods.mv_mr import AUGMENTED, MvMrConfig, resolve


class MvMr(Agreement):
    """Method MV-MR."""

    def __init__(self, config: MvMrConfig, parts: MethodParts) -> None:
        config = resolve(config)
        super().__init__(config, parts, config.descriptors, is_raised=config.direction == "raise")
        self.descriptors = nn.ModuleDict(dict(parts.dependencies))

    @torch.no_grad()
    def describe(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the descriptors of the original images, and the pixels of another augmented view."""
        return {
            name: batch.views["descriptor"][0][self.modality].flatten(1)
            if name == AUGMENTED
            else self.descriptors[name](batch.views["original"][0])
            for name in self.dependence.partners
        }
