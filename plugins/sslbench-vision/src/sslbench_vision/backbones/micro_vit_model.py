"""Build the micro ViT: patches, fixed sine-cosine positions, a class token and pre-norm blocks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from sslbench.api import Modality
from sslbench.api.capabilities import mask_patches, select_patches
from sslbench.api.modules import Backbone, widen
from sslbench_vision.backbones.micro_vit import MicroVitConfig, patch_of
from sslbench_vision.backbones.transformer import Block, linear_rates, sin_cos_positions
from sslbench_vision.backbones.transformer_outputs import TransformerOutputs


class MicroVit(TransformerOutputs, Backbone):
    """Micro ViT with the capabilities of `TransformerOutputs`, depth and drop path."""

    prefix = 1

    def __init__(self, config: MicroVitConfig, modality: Modality) -> None:
        super().__init__(modality)
        channels, height, width = modality.shape
        side = patch_of(config, height)
        self.patch = (side, side)
        self.width = self.patch_width = config.width
        self.pool = config.pool
        self.pooling = "token" if config.pool == "class" else "avg"
        self.layer_count = config.depth
        self.depth = config.depth + 1
        self.embed = nn.Conv2d(channels, config.width, side, stride=side)
        self.class_token = nn.Parameter(torch.zeros(1, 1, config.width))
        positions = sin_cos_positions((height // side, width // side), config.width)
        self.register_buffer("positions", positions, persistent=False)
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=1e-6)
        nn.init.normal_(self.class_token, std=0.02)
        nn.init.xavier_uniform_(self.embed.weight.view(config.width, -1))
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    @property
    def last_norm(self) -> nn.Module:
        """Return the norm after the last block."""
        return self.norm

    def block_outputs(
        self, x: Tensor, keep: Tensor | None = None, mask: Tensor | None = None, mask_token: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Yield the tokens [B, 1 + K, D] after each block."""
        embedded = self.embed(self.normalize(x)).flatten(2).transpose(1, 2)
        patches = mask_patches(embedded, mask, mask_token)
        patches = select_patches(patches + self.get_buffer("positions").to(patches.dtype), keep)
        tokens = torch.cat([self.class_token.to(patches.dtype).expand(len(patches), -1, -1), patches], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
            yield tokens

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode images [B, C, H, W] -> [B, D], the mean of the patch tokens or the class token."""
        tokens = self.tokens(x)
        return widen(tokens[:, 0] if self.pool == "class" else tokens[:, 1:].mean(1))

    def depth_of(self, parameter: str) -> int:
        """Return 0 for patches and class token, b + 1 for block b, and the depth for the last norm."""
        if parameter.startswith("blocks."):
            return int(parameter.split(".")[1]) + 1
        return self.depth if parameter.startswith("norm.") else 0

    def set_drop_path(self, rate: float) -> None:
        """Drop residual branches while training; the rate grows linearly with depth."""
        for block, drop_rate in zip(self.blocks, linear_rates(rate, len(self.blocks)), strict=True):
            block.drop_path = drop_rate  # type: ignore[assignment]
