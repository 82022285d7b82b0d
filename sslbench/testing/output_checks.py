"""Check the dense outputs of a backbone: tokens, masked tokens, layers and maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from sslbench.api.modules import Layers, Maps, MaskedTokens, Tokens
from sslbench.api.values import Modality
from sslbench.testing.backbone_checks import ROWS, build_encoder, modality_for, random_rows
from sslbench.testing.check import Subject, check


@check(
    "backbone",
    change="drop 'tokens' from provides(), or implement Tokens: patch, prefix and tokens(x, keep)",
    needs=("is_deterministic_in_eval",),
)
def returns_tokens(subject: Subject) -> Iterator[str]:
    """Masked methods encode some of the patches, and need their tokens in the order of `keep`."""
    modality = modality_for(subject, "tokens")
    encoder, x = build_encoder(subject, modality), random_rows(modality)
    if not isinstance(encoder, Tokens):
        yield "provides 'tokens' but lacks patch, prefix or tokens()"
        return
    count = _count_patches(encoder, modality)
    every_patch = torch.arange(count).expand(ROWS, count)
    keep = every_patch[:, ::2]
    with torch.no_grad():
        every, some, ordered = encoder.tokens(x), encoder.tokens(x, keep), encoder.tokens(x, every_patch)
        turned = encoder.tokens(x, every_patch.flip(1))
    if every.shape[1] != encoder.prefix + count:
        yield f"tokens() returns {every.shape[1]} tokens, not {encoder.prefix} + {count}"
    if some.shape[1] != encoder.prefix + keep.shape[1]:
        yield f"tokens() with {keep.shape[1]} patches to keep returns {some.shape[1]} tokens"
    if every.shape == ordered.shape and _differ(every, ordered):
        yield "tokens() with all patches in `keep` differs from tokens() without `keep`"
    if every.shape == turned.shape and _differ(every[:, encoder.prefix :].flip(1), turned[:, encoder.prefix :]):
        yield "tokens() with `keep` in another order returns other tokens: the position of a patch must not change"


@check(
    "backbone",
    change="drop 'masked-tokens' from provides(), or call sslbench.api.capabilities.mask_patches before adding positions",
    needs=("returns_tokens",),
)
def masks_patches(subject: Subject) -> Iterator[str]:
    """Methods with a mask token predict hidden patches, so nothing of their pixels may reach the tokens."""
    modality = modality_for(subject, "masked-tokens")
    encoder, x = build_encoder(subject, modality), random_rows(modality)
    if not isinstance(encoder, MaskedTokens):
        yield "provides 'masked-tokens' but lacks patch, prefix, patch_width or tokens()"
        return
    count, prefix = _count_patches(encoder, modality), encoder.prefix
    mask = (torch.arange(count) % 2 == 0).expand(ROWS, count)
    token = torch.randn(encoder.patch_width, generator=torch.Generator().manual_seed(2)).requires_grad_()
    tokens = encoder.tokens(x, mask=mask, mask_token=token)
    total = (tokens * torch.randn(tokens.shape, generator=torch.Generator().manual_seed(3))).sum()
    (gradient,) = torch.autograd.grad(total, token, allow_unused=True)
    if gradient is None or not gradient.any():
        yield "the mask token gets no gradient"
    with torch.no_grad():
        other_pixels = torch.where(_pixels_of(mask, encoder, modality), 1 - x, x)
        if _differ(tokens, encoder.tokens(other_pixels, mask=mask, mask_token=token)):
            yield "tokens() with `mask` depends on the pixels of masked patches (patches are numbered row by row)"
        if not _differ(tokens, encoder.tokens(x)):
            yield "tokens() with `mask` equals tokens() without"
        if _differ(encoder.tokens(x), encoder.tokens(x, mask=torch.zeros_like(mask), mask_token=token)):
            yield "tokens() with a mask of no patch differs from tokens() without `mask`"
        keep = torch.arange(count).expand(ROWS, count)
        if _differ(tokens, encoder.tokens(x, keep, mask, token)):
            yield "tokens() with `mask` and all patches in `keep` differs from tokens() with `mask` alone"
        if count > 2 and torch.equal(tokens[:, prefix], tokens[:, prefix + 2]):
            yield "masked patches have equal tokens: their positions are missing"
        yield from _expect(ValueError, "tokens() with `mask` alone", lambda: encoder.tokens(x, mask=mask))
        yield from _expect(ValueError, "tokens() with `mask_token` alone", lambda: encoder.tokens(x, mask_token=token))


@check(
    "backbone",
    change="drop 'layers' from provides(), or implement Layers: layer_count and layers(x, indices, normalize)",
    needs=("is_deterministic_in_eval",),
)
def returns_layers(subject: Subject) -> Iterator[str]:
    """Probes and methods read blocks by number, also from the end, and the last one must be the encoder's tokens."""
    modality = modality_for(subject, "layers")
    encoder, x = build_encoder(subject, modality), random_rows(modality)
    if not isinstance(encoder, Layers):
        yield "provides 'layers' but lacks layer_count or layers()"
        return
    count = encoder.layer_count
    with torch.no_grad():
        yield from _find_order_errors("layers", lambda indices: encoder.layers(x, indices), count)
        (last,), (raw,) = encoder.layers(x, (-1,)), encoder.layers(x, (-1,), normalize=False)
        if isinstance(encoder, Tokens) and _differ(last, encoder.tokens(x)):
            yield "the last of layers() differs from tokens()"
        if raw.shape != last.shape:
            yield f"layers() with normalize=False returns {tuple(raw.shape)}, otherwise {tuple(last.shape)}"


@check(
    "backbone",
    change="drop 'maps' from provides(), or implement Maps: map_widths and maps(x, indices)",
    needs=("is_deterministic_in_eval",),
)
def returns_maps(subject: Subject) -> Iterator[str]:
    """Dense methods match cells of maps by their places in the image."""
    modality = modality_for(subject, "maps")
    encoder, x = build_encoder(subject, modality), random_rows(modality)
    if not isinstance(encoder, Maps):
        yield "provides 'maps' but lacks map_widths or maps()"
        return
    widths, half = encoder.map_widths, x.shape[-1] // 2
    changed = x.clone()
    changed[..., :half, half:] = 1 - x[..., :half, half:]
    with torch.no_grad():
        yield from _find_order_errors("maps", lambda indices: encoder.maps(x, indices), len(widths))
        if _differ(encoder.maps(x)[0], encoder.maps(x, (-1,))[0]):
            yield "maps() without indices is not the last map"
        pairs = zip(encoder.maps(x, range(len(widths))), encoder.maps(changed, range(len(widths))), strict=True)
    for number, (one, other) in enumerate(pairs):
        if one.ndim != 4 or one.shape[:2] != (ROWS, widths[number]):
            yield f"map {number} is {tuple(one.shape)}, not ({ROWS}, {widths[number]}, height, width)"
            continue
        rows, columns = one.shape[2] // 2, one.shape[3] // 2
        change = (one - other).abs().mean((0, 1))
        if rows and columns and change[:rows, -columns:].mean() <= change[-rows:, :columns].mean():
            yield f"map {number}: pixels at the top right change the bottom left most; rows and columns may be swapped"


def _count_patches(encoder: Tokens, modality: Modality) -> int:
    height, width = modality.sides
    return (height // encoder.patch[0]) * (width // encoder.patch[1])


def _pixels_of(mask: Tensor, encoder: Tokens, modality: Modality) -> Tensor:
    """Return the pixels [B, 1, H, W] of the patches [B, N] where `mask` is true."""
    (height, width), (rows, columns) = encoder.patch, modality.sides
    grid = mask.view(len(mask), 1, rows // height, columns // width)
    return grid.repeat_interleave(height, 2).repeat_interleave(width, 3)


def _differ(one: Tensor, other: Tensor) -> bool:
    return one.shape != other.shape or not torch.allclose(one, other, rtol=1e-3, atol=1e-4)


def _find_order_errors(name: str, function: Callable[[Sequence[int]], tuple[Tensor, ...]], count: int) -> Iterator[str]:
    """Yield a problem if outputs are not those of the indices, from 0 or from the end, in their order."""
    every = function(range(count))
    if len(every) != count:
        yield f"{name}() with {count} indices returns {len(every)} outputs"
    elif any(
        _differ(one, other) for one, other in zip(reversed(every), function(range(-1, -count - 1, -1)), strict=True)
    ):
        yield f"{name}() with indices from the end, -1 first, does not return the outputs in that order"
    yield from _expect(IndexError, f"{name}() with index {count}", lambda: function((count,)))


def _expect(error: type[Exception], what: str, call: Callable[[], object]) -> Iterator[str]:
    try:
        call()
    except error:
        return
    yield f"{what} does not raise {error.__name__}"
