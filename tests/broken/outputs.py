"""Define encoders whose dense outputs are wrong in one way. `WRONG` maps what the check finds to the check and the spec."""

from __future__ import annotations

import torch

from sslbench.api import BackboneSpec
from sslbench.api.capabilities import mask_patches, select_patches
from sslbench.testing.props import EncoderConfig
from sslbench.testing.props_model import Encoder

from .known import SETTINGS


def positions(count):
    return torch.sin(torch.arange(count).unsqueeze(-1) * torch.arange(1, 9) / 8)


class Unplaced(Encoder):
    """Replaces patches after their positions are added."""

    def block_outputs(self, x, keep=None, mask=None, mask_token=None):
        embedded = self.first(self.pieces(self.normalize(x)))
        tokens = select_patches(mask_patches(embedded + positions(embedded.shape[1]), mask, mask_token), keep)
        yield tokens
        yield self.second(torch.relu(self.norm(tokens)))


class ByColumns(Encoder):
    """Numbers the patches of masks column by column."""

    def tokens(self, x, keep=None, mask=None, mask_token=None):
        if mask is not None:
            mask = mask.view(len(x), x.shape[2] // 4, x.shape[3] // 4).transpose(1, 2).flatten(1)
        return super().tokens(x, keep, mask, mask_token)


class Renumbered(Encoder):
    """Adds positions by the order of `keep`."""

    def tokens(self, x, keep=None):
        embedded = select_patches(self.first(self.pieces(self.normalize(x))), keep)
        return self.second(torch.relu(self.norm(embedded + positions(embedded.shape[1]))))


class Sorted(Encoder):
    """Returns layers from the first to the last."""

    def layers(self, x, indices, *, normalize=True):
        return super().layers(x, sorted(index % 2 for index in indices))


class Turned(Encoder):
    """Swaps height and width."""

    def maps(self, x, indices=(-1,)):
        return tuple(one.transpose(2, 3) for one in super().maps(x, indices))


def backbone(cls, *provided):
    return lambda folder: BackboneSpec(
        **SETTINGS, build=lambda config, modality: cls(EncoderConfig(width=8), modality), layouts=frozenset({"image"}),
        provides=lambda config: frozenset(provided),
    )  # fmt: skip


WRONG = {
    "masked patches have equal tokens: their positions": (
        "masks_patches",
        backbone(Unplaced, "tokens", "masked-tokens"),
    ),
    "depends on the pixels of masked patches": ("masks_patches", backbone(ByColumns, "tokens", "masked-tokens")),
    "`keep` in another order returns other tokens": ("returns_tokens", backbone(Renumbered, "tokens")),
    "-1 first, does not return the outputs in that order": ("returns_layers", backbone(Sorted, "tokens", "layers")),
    "rows and columns may be swapped": ("returns_maps", backbone(Turned, "maps")),
}
