"""Define toy backbones, each with one defect. `BROKEN` maps a check to the function that makes the spec."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from sslbench.api import (
    BackboneSpec,
)
from sslbench.api.modules import Backbone

from .known import SETTINGS


class Mean(Backbone):
    """A layer on the mean over places or true steps."""

    def __init__(self, config, modality):
        super().__init__(modality)
        self.width, self.layout = 8, modality.layout
        self.layer = nn.Linear(modality.shape[0] if self.layout == "image" else modality.shape[-1], 8)

    def pooled(self, x, length=None):
        x = self.normalize(x)
        if self.layout == "image":
            return x.mean((2, 3))
        if length is None:
            return x.mean(1)
        inside = torch.arange(x.shape[1]) < length.unsqueeze(1)
        return (x * inside.unsqueeze(-1)).sum(1) / length.unsqueeze(1)

    def forward(self, x, length=None):
        return self.layer(self.pooled(x, length))


def backbone(cls, *provided, layouts=("image", "sequence")):
    return lambda folder: BackboneSpec(**SETTINGS, build=cls, layouts=frozenset(layouts),
                                       provides=lambda config: frozenset(provided))  # fmt: skip


class Wrong(Mean):
    def forward(self, x, length=None):
        return super().forward(x, length)[:, :5]


class Dropout(Mean):
    def forward(self, x, length=None):
        return nn.functional.dropout(super().forward(x, length), 0.5)


class Centered(Mean):
    def forward(self, x, length=None):
        z = super().forward(x, length)
        return z - z.mean(0)


class Raw(Mean):
    def normalize(self, x):
        return x


class Spare(Mean):
    def __init__(self, config, modality):
        super().__init__(config, modality)
        self.spare = nn.Linear(2, 2)


class Remembers(Mean):
    def forward(self, x, length=None):
        self.last = super().forward(x, length)
        return self.last


class Padded(Mean):
    def pooled(self, x, length=None):
        return super().pooled(x)


class Deep(Mean):
    depth = 1

    def depth_of(self, parameter):
        return 2


class OneSize(Mean):
    def __init__(self, config, modality):
        super().__init__(config, modality)
        self.layer = nn.Linear(modality.shape[0] * modality.shape[1] * modality.shape[2], 8)

    def pooled(self, x, length=None):
        return self.normalize(x).flatten(1)


class Drops(Mean):
    kept = 1.0

    def set_drop_path(self, rate):
        self.kept = 1 - rate

    def forward(self, x, length=None):
        return self.kept * super().forward(x, length)


class Positioned(Mean):
    def fix_positions(self):
        """Freeze nothing."""


class OwnStatistics(Mean):
    """Keep the statistics of the data in an attribute that is not saved."""

    def __init__(self, config, modality):
        super().__init__(config, modality)
        self.own = modality.mean, modality.std

    def normalize(self, x):
        mean, std = (torch.tensor(one) for one in self.own)
        places = (-1, 1, 1) if self.layout == "image" else (-1,)
        return (x - mean.view(places)) / std.view(places)


class ByLongest(Mean):
    """Divide the sum of the true steps by the length of the longest sequence of a batch."""

    def pooled(self, x, length=None):
        found = super().pooled(x, length)
        return found if length is None else found * length.unsqueeze(1) / length.max()


class Wide(Mean):
    """Have as many channels as the settings state."""

    def __init__(self, config, modality):
        super().__init__(config, modality)
        self.after = nn.Linear(8, config.width)
        self.width = config.width

    def forward(self, x, length=None):
        return self.after(super().forward(x, length))


@dataclass(frozen=True, kw_only=True)
class Width:
    width: int = 8


def wide(folder):
    return replace(backbone(Wide)(folder), config=Width, smoke=Width(), without_weights=lambda config: Width(width=4))


class Published(Mean):
    def published(self):
        return dict(self.state_dict())


BROKEN = {
    "uses_known_names": backbone(Mean, layouts=("image", "photo")),
    "encodes": backbone(Wrong),
    "names_installed_libraries": lambda folder: replace(
        backbone(Mean)(folder), libraries=lambda config: ("no-such-library",)
    ),
    "is_deterministic_in_eval": backbone(Dropout),
    "is_independent_of_the_batch": backbone(Centered),
    "normalizes_its_input": backbone(Raw),
    "uses_every_parameter": backbone(Spare),
    "registers_encoder_tensors": backbone(Remembers),
    "ignores_padding": backbone(Padded),
    "returns_tokens": backbone(Mean, "tokens"),
    "masks_patches": backbone(Mean, "masked-tokens"),
    "returns_layers": backbone(Mean, "layers"),
    "returns_maps": backbone(Mean, "maps"),
    "reports_layer_depths": backbone(Deep, "depth"),
    "accepts_any_size": backbone(OneSize, "any-size", layouts=("image",)),
    "drops_paths_in_training_only": backbone(Drops, "drop-path"),
    "freezes_learned_positions": backbone(Positioned, "learned-positions"),
    "has_statistics_of_published_weights": backbone(Published),
    "keeps_its_statistics": backbone(OwnStatistics),
    "has_the_same_tensors_without_weights": wide,
}
FAULTS = [("ignores_padding", "different features alone and padded to 8 steps", backbone(ByLongest))]
"""Checks and what they find in backbones with another defect than those of `BROKEN`."""
SOUND = backbone(Mean)
