"""Define capabilities of encoders, and the functions with which encoders implement them. Imports torch.

A backbone announces capabilities by name (`BackboneSpec.provides`); a method or protocol that needs one requires it by name.
B samples, N patches, K kept patches, D width; patches are numbered row by row from the top left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class PublishedWeights(Protocol):
    """An encoder with published weights; both methods raise the errors of the library and the network."""

    def published(self) -> Mapping[str, Tensor]:
        """Return the weights, by the names of the encoder's `network`."""
        ...

    def published_statistics(self) -> tuple[Sequence[float], Sequence[float]]:
        """Return mean and standard deviation per channel, in [0, 1], of the images that the weights were trained on."""
        ...


@runtime_checkable
class Tokens(Protocol):
    """Capability 'tokens': an encoder that can encode a part of the patches.

    patch: height and width of a patch in pixels.
    prefix: number of tokens before those of the patches, such as a class token.
    """

    patch: tuple[int, int]
    prefix: int

    def tokens(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return [B, prefix + N, width]; with the patch numbers `keep` [B, K]: [B, prefix + K, width]."""
        ...


@runtime_checkable
class MaskedTokens(Tokens, Protocol):
    """Capability 'masked-tokens': an encoder that can replace patches by a token, which the method owns and trains.

    patch_width: width of embedded patches, and so of the mask token; it may differ from `width`.
    """

    patch_width: int

    def tokens(
        self,
        x: Tensor,
        keep: Tensor | None = None,
        mask: Tensor | None = None,
        mask_token: Tensor | None = None,
    ) -> Tensor:
        """Return tokens as `Tokens` does, with `mask_token` [patch_width] for patches where `mask` [B, N] is true.

        A patch is replaced after its embedding, and its position is added afterwards. `mask` refers to all patches, also
        with `keep`: a masked patch that is kept is the mask token, one that is not kept is absent. Raises ValueError for
        one of `mask` and `mask_token` without the other, and for other shapes.
        """
        ...


@runtime_checkable
class Layers(Protocol):
    """Capability 'layers': an encoder that returns the tokens after any of its blocks.

    layer_count: number of blocks.
    """

    layer_count: int

    def layers(self, x: Tensor, indices: Sequence[int], *, normalize: bool = True) -> tuple[Tensor, ...]:
        """Return tokens [B, prefix + N, width] after blocks, in the order of `indices`: 0 is the first, -1 the last.

        normalize: whether the encoder's last norm of tokens, if it has one, is applied to each; the last layer then equals
            `tokens(x)`.
        Raises IndexError for a block that the encoder does not have.
        """
        ...


@runtime_checkable
class Maps(Protocol):
    """Capability 'maps': an encoder that returns dense maps, one per stage of a CNN or block of a transformer.

    map_widths: channels of each map.
    """

    map_widths: tuple[int, ...]

    def maps(self, x: Tensor, indices: Sequence[int] = (-1,)) -> tuple[Tensor, ...]:
        """Return maps [B, C, H, W], in the order of `indices`: 0 is the first, -1 the last.

        Cell (i, j) is about the place ((i + 0.5) / H, (j + 0.5) / W) of the view. The encoder's features are pooled from the
        last map, and may be normalized or projected afterwards. Raises IndexError for a map that it does not have.
        """
        ...


@runtime_checkable
class Depth(Protocol):
    """Capability 'depth': an encoder that states the depth of each parameter (for layer decay and freezing)."""

    depth: int

    def depth_of(self, parameter: str) -> int:
        """Return the depth of a parameter: 0 for the stem, up to `depth` for the last norm."""
        ...


@runtime_checkable
class DropPath(Protocol):
    """Capability 'drop-path': an encoder whose residual branches can be dropped at random while it trains."""

    def set_drop_path(self, rate: float) -> None:
        """Drop whole branches with a probability that grows linearly with depth up to `rate`."""
        ...


@runtime_checkable
class LearnedPositions(Protocol):
    """Capability 'learned-positions': an encoder whose learned positions can be replaced by fixed ones."""

    def fix_positions(self) -> None:
        """Replace learned positions by fixed sine-cosine ones without gradient.

        Positions of published weights keep their values, and get no gradient either.
        """
        ...


def mask_patches(patches: Tensor, mask: Tensor | None, mask_token: Tensor | None) -> Tensor:
    """Return embedded patches [B, N, D], with `mask_token` [D] where `mask` [B, N] is true.

    Call it before positions are added. Raises ValueError for one of `mask` and `mask_token` without the other, a mask that is
    not [B, N] booleans, or a token that is not D numbers.
    """
    if mask is None and mask_token is None:
        return patches
    if mask is None or mask_token is None:
        given, missing = ("mask_token", "mask") if mask is None else ("mask", "mask_token")
        raise ValueError(f"tokens({given}=…): needs {missing} as well. Pass both, or neither")
    if mask.dtype != torch.bool or mask.shape != patches.shape[:2]:
        found = f"{tuple(mask.shape)} of {mask.dtype}"
        raise ValueError(f"tokens(mask=…): is {found}. Pass {tuple(patches.shape[:2])} of torch.bool, one per patch")
    if mask_token.numel() != patches.shape[-1]:
        raise ValueError(
            f"tokens(mask_token=…): has {mask_token.numel()} numbers. Pass {patches.shape[-1]}, the encoder's patch_width"
        )
    return torch.where(mask.unsqueeze(-1), mask_token.reshape(-1).to(patches.dtype), patches)


def select_patches(tokens: Tensor, keep: Tensor | None, prefix: int = 0) -> Tensor:
    """Return the first `prefix` tokens of [B, prefix + N, D] and those of the patches `keep` [B, K], in its order.

    All tokens are returned without `keep`.
    """
    if keep is None:
        return tokens
    patches = tokens[:, prefix:]
    kept = patches.gather(1, keep.unsqueeze(-1).expand(-1, -1, patches.shape[-1]))
    return torch.cat([tokens[:, :prefix], kept], dim=1) if prefix else kept


def take_outputs(outputs: Iterable[Tensor], indices: Sequence[int], count: int) -> tuple[Tensor, ...]:
    """Return some of the `count` outputs of blocks or stages, in the order of `indices`; no later block is computed.

    Raises IndexError for an index outside -count to count - 1.
    """
    if wrong := [index for index in indices if not -count <= index < count]:
        raise IndexError(f"indices: no output {wrong[0]}. Choose from {-count} to {count - 1}")
    numbers = [index % count for index in indices]
    needed = islice(outputs, max(numbers, default=-1) + 1)
    found = {number: output for number, output in enumerate(needed) if number in numbers}
    return tuple(found[number] for number in numbers)
