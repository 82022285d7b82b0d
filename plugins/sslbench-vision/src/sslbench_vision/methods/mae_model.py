"""Train MAE (sections 3 and A.1). B images, N patches, K visible patches, D width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from sslbench.api import Batch, ImageArtifact, Loss, MethodParts, Step
from sslbench.api.modules import Backbone, LearnedPositions, Tokens, TrainedMethod, equation
from sslbench_vision.backbones.transformer import Block, sin_cos_positions
from sslbench_vision.methods.mae import MaeConfig


def patchify(x: Tensor, patch: tuple[int, int]) -> Tensor:
    """Cut images [B, C, H, W] into patches [B, N, P] with P = patch height * width * C, patches row by row."""
    b, c, h, w = x.shape
    ph, pw = patch
    grid = x.reshape(b, c, h // ph, ph, w // pw, pw)
    return grid.permute(0, 2, 4, 3, 5, 1).reshape(b, (h // ph) * (w // pw), ph * pw * c)


def unpatchify(patches: Tensor, patch: tuple[int, int], shape: tuple[int, int, int]) -> Tensor:
    """Join patches [B, N, P] to images [B, C, H, W]."""
    c, h, w = shape
    ph, pw = patch
    grid = patches.reshape(len(patches), h // ph, w // pw, ph, pw, c)
    return grid.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), c, h, w)


@equation
def target_patches(patches: Tensor, normalize: bool) -> Tensor:
    """Return the targets: pixels, or (x - mean) / sqrt(var + 1e-6) of each patch, with unbiased variance."""
    if not normalize:
        return patches
    mean = patches.mean(-1, keepdim=True)
    return (patches - mean) / torch.sqrt(patches.var(-1, keepdim=True) + 1e-6)


@equation
def masked_error(reconstructed: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """Return the mean squared error over pixels of hidden patches, given by `hidden` [B, N] (paper A, eq. 1)."""
    error = ((reconstructed - target) ** 2).mean(-1)
    return (error * hidden).sum() / hidden.sum()


def keep_lowest(noise: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Choose visible patches [B, K] of lowest noise [B, N], at least one, and mark hidden ones [B, N] by 1."""
    kept = max(1, int(noise.shape[1] * (1 - share)))
    keep = noise.argsort(dim=1)[:, :kept]
    hidden = torch.ones_like(noise).scatter_(1, keep, 0.0)
    return keep, hidden


class Decoder(nn.Module):
    """Decoder that reconstructs every patch from visible tokens, mask tokens and positions."""

    def __init__(self, width: int, config: MaeConfig, grid: tuple[int, int], prefix: int, pixels: int) -> None:
        super().__init__()
        self.prefix = prefix
        self.embed = nn.Linear(width, config.decoder_width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, config.decoder_width))
        self.register_buffer("positions", sin_cos_positions(grid, config.decoder_width), persistent=False)
        blocks = [Block(config.decoder_width, config.decoder_heads) for _ in range(config.decoder_depth)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(config.decoder_width, eps=1e-6)
        self.rebuild = nn.Linear(config.decoder_width, pixels)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, tokens: Tensor, keep: Tensor) -> Tensor:
        """Decode tokens [B, prefix + K, D] of the visible patches [B, K] to pixels of every patch [B, N, P]."""
        x = self.embed(tokens)
        positions = self.get_buffer("positions")
        n, width = positions.shape[1], x.shape[-1]
        full = self.mask_token.to(x.dtype).repeat(len(x), n, 1)
        full = full.scatter(1, keep.unsqueeze(-1).expand(-1, -1, width), x[:, self.prefix :])
        x = torch.cat([x[:, : self.prefix], full + positions.to(x.dtype)], dim=1)
        for block in self.blocks:
            x = block(x)
        pixels: Tensor = self.rebuild(self.norm(x))[:, self.prefix :]
        return pixels


class Mae(TrainedMethod):
    """Method MAE."""

    def __init__(self, config: MaeConfig, parts: MethodParts) -> None:
        super().__init__()
        self.config = config
        self.modality, encoder = next(iter(parts.encoders.items()))
        self.encoder = encoder
        if config.fixed_positions and isinstance(encoder, LearnedPositions):
            encoder.fix_positions()
        tokens = cast(Tokens, encoder)
        self.patch = tokens.patch
        channels, height, width = parts.context.modalities[self.modality].shape
        self.grid = (height // self.patch[0], width // self.patch[1])
        # an encoder that repeats gray images has more channels than the data
        pixels = self.patch[0] * self.patch[1] * max(channels, encoder.get_buffer("mean").shape[0])
        self.decoder = Decoder(encoder.width, config, self.grid, tokens.prefix, pixels)

    @property
    def encoders(self) -> Mapping[str, Backbone]:
        return {self.modality: self.encoder}

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the reconstruction error of hidden patches, drawn for each sample."""
        x = batch.views["view"][0][self.modality]
        noise = batch.random.uniform("mask", self.grid[0] * self.grid[1])
        reconstructed, target, hidden = self._reconstruct(x, noise)
        return Loss(total=masked_error(reconstructed, target, hidden))

    def _reconstruct(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        keep, hidden = keep_lowest(noise, self.config.mask)
        tokens = cast(Tokens, self.encoder).tokens(x, keep)
        target = target_patches(patchify(self.encoder.normalize(x), self.patch), self.config.normalize_patches)
        return self.decoder(tokens, keep), target, hidden

    def illustrate(self, batch: Batch, step: Step) -> Sequence[ImageArtifact]:
        """Return triplets of images in [0, 1]: visible patches, reconstruction, original.

        Where targets are normalized per patch, the true mean and deviation of each patch are restored, which the decoder does
        not predict.
        """
        x = batch.views["view"][0][self.modality]
        reconstructed, _, hidden = self._reconstruct(x, batch.random.uniform("mask", self.grid[0] * self.grid[1]))
        patches = patchify(self.encoder.normalize(x), self.patch)
        if self.config.normalize_patches:
            scale = torch.sqrt(patches.var(-1, keepdim=True) + 1e-6)
            reconstructed = reconstructed.float() * scale + patches.mean(-1, keepdim=True)
        shape = (patches.shape[-1] // (self.patch[0] * self.patch[1]), x.shape[2], x.shape[3])
        mask = hidden.unsqueeze(-1)
        filled = unpatchify(reconstructed * mask + patches * (1 - mask), self.patch, shape)
        seen = unpatchify((1 - mask).expand_as(patches).contiguous(), self.patch, shape)
        mean, std = self.encoder.get_buffer("mean"), self.encoder.get_buffer("std")
        shown = filled * std + mean
        if x.shape[1] == 1:
            seen, shown = seen.mean(1, keepdim=True), shown.mean(1, keepdim=True)
        images = {"visible": x * seen, "rebuilt": shown.clamp(0, 1), "original": x}
        arrays = {name: values.float().cpu().numpy() for name, values in images.items()}
        return (ImageArtifact(name="triplets", layout="image", arrays=arrays),)
