"""Return tokens, layers and maps of vision transformers, from the tokens after each block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from sslbench.api.capabilities import take_outputs

if TYPE_CHECKING:
    from torch import nn


class TransformerOutputs:
    """Capabilities tokens, masked tokens, layers and maps. A subclass defines `block_outputs` and `last_norm`."""

    patch: tuple[int, int]
    prefix: int
    patch_width: int
    width: int
    layer_count: int

    @property
    def last_norm(self) -> nn.Module:
        """Return the norm of the tokens after the last block."""
        raise NotImplementedError

    def block_outputs(
        self, x: Tensor, keep: Tensor | None = None, mask: Tensor | None = None, mask_token: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Yield the tokens [B, prefix + K, D] after each block; see `tokens`."""
        raise NotImplementedError

    def tokens(
        self, x: Tensor, keep: Tensor | None = None, mask: Tensor | None = None, mask_token: Tensor | None = None
    ) -> Tensor:
        """Return tokens [B, prefix + N, D], or [B, prefix + K, D] of the patches `keep` [B, K] only.

        Patches where `mask` [B, N] is true are replaced by `mask_token` [D] before positions are added.
        """
        (last,) = take_outputs(self.block_outputs(x, keep, mask, mask_token), (-1,), self.layer_count)
        normed: Tensor = self.last_norm(last)
        return normed

    def layers(self, x: Tensor, indices: Sequence[int], *, normalize: bool = True) -> tuple[Tensor, ...]:
        """Return tokens [B, prefix + N, D] after the blocks `indices`, each after the last norm if `normalize`."""
        found = take_outputs(self.block_outputs(x), indices, self.layer_count)
        return tuple(self.last_norm(tokens) for tokens in found) if normalize else found

    @property
    def map_widths(self) -> tuple[int, ...]:
        """Return the channels of the map of each block."""
        return (self.width,) * self.layer_count

    def maps(self, x: Tensor, indices: Sequence[int] = (-1,)) -> tuple[Tensor, ...]:
        """Return the patch tokens of `layers` as maps [B, D, H, W]."""
        grid = (x.shape[2] // self.patch[0], x.shape[3] // self.patch[1])
        patches = [tokens[:, self.prefix :] for tokens in self.layers(x, indices)]
        return tuple(tokens.transpose(1, 2).reshape(len(x), -1, *grid) for tokens in patches)
