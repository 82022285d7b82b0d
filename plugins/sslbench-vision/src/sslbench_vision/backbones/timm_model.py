"""Build encoders from timm models. Vision transformers also return tokens of a part of the patches."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn

from sslbench.api import Modality, Unavailable
from sslbench.api.modules import Backbone, widen
from sslbench_vision.backbones.small_maps import use_small_map_convolutions
from sslbench_vision.backbones.timm_family import TimmConfig
from sslbench_vision.backbones.timm_names import is_vit
from sslbench_vision.backbones.transformer import is_fused_attention_faster, linear_rates, sin_cos_positions

RGB = 3
"""Channels of the images that timm's published weights were trained on."""


def _silence_hub_warnings() -> None:
    """Silence the log of repeated download attempts; the error is raised once at the end."""
    for name in ("huggingface_hub", "timm.models._hub"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _create_network(config: TimmConfig, shape: dict[str, Any]) -> Any:
    """Create a timm network without its head; raises Unavailable if its published weights are not available."""
    create: Any = timm.create_model
    if not config.published:
        return create(config.model, pretrained=False, num_classes=0, **shape)
    _silence_hub_warnings()
    try:
        return create(config.model, pretrained=True, num_classes=0, **shape)
    except Exception as error:  # errors of the network, the hub, or a model without weights
        reason = " ".join(str(error).split())[:200]
        raise Unavailable(
            f"the published weights of {config.model!r} are not available ({type(error).__name__}: {reason}). Run where the "
            "network is available, or set backbone.published=false"
        ) from error


def statistics_of(model: str) -> tuple[Sequence[float], Sequence[float]]:
    """Return mean and standard deviation of the images that a model's published weights were trained on.

    They differ between timm's models (0.5 for tf_efficientnet_lite0, ImageNet's for resnet18): never assume ImageNet's.
    """
    published: Any = timm.get_pretrained_cfg(model)
    return published.mean, published.std


def pooling_of(network: Any) -> str:
    """Return how a timm model pools positions: 'avg', 'token' and so on; '' if it is not stated."""
    pooling = getattr(network, "global_pool", None)
    if pooling is None:
        pooling = getattr(getattr(network, "head", None), "global_pool", "")
    return pooling if isinstance(pooling, str) else str(getattr(pooling, "pool_type", ""))


class TimmEncoder(Backbone):
    """A timm model without its head."""

    def __init__(self, config: TimmConfig, modality: Modality) -> None:
        super().__init__(modality)
        self.model = config.model
        image_channels = modality.shape[0]
        # Repeating a gray image is exact. Summing the first layer's weights is not if channels have different statistics:
        # zero padding is then another gray in each channel.
        channels = RGB if image_channels == 1 and (config.published or config.repeat_gray) else image_channels
        self.size: dict[str, Any] = {}
        if is_vit(config.model):
            self.size = {"img_size": modality.shape[1:], "dynamic_img_size": config.any_size}
        self.network: Any = _create_network(config, {"in_chans": channels, **self.size})
        self.width = int(self.network.num_features)
        self.pooling = pooling_of(self.network)
        if config.published:
            self.use_statistics(*self.published_statistics())
        elif channels != image_channels:
            self.use_statistics(modality.mean * channels, modality.std * channels)
        use_small_map_convolutions(self.network)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode images [B, C, H, W] -> [B, D]."""
        features: Tensor = self.network(self.normalize(x))
        return widen(features)

    def published(self) -> dict[str, Tensor]:
        """Return the tensors of the published weights; raises any error of the download."""
        _silence_hub_warnings()
        network = timm.create_model(self.model, pretrained=True, num_classes=0, **self.size)
        state: dict[str, Tensor] = network.state_dict()
        return state

    def published_statistics(self) -> tuple[Sequence[float], Sequence[float]]:
        """Return mean and standard deviation of this model's `pretrained_cfg` in timm."""
        return statistics_of(self.model)


class TimmVit(TimmEncoder):
    """A timm vision transformer with the capabilities tokens, depth, drop path and learned positions."""

    def __init__(self, config: TimmConfig, modality: Modality) -> None:
        super().__init__(config, modality)
        self.patch = tuple(self.network.patch_embed.patch_size)
        self.prefix = int(self.network.num_prefix_tokens)
        self.depth = len(self.network.blocks) + 1
        self.has_published_positions = config.published

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode images [B, C, H, W] -> [B, D]."""
        self._choose_attention(x)
        return super().forward(x)

    def _choose_attention(self, x: Tensor) -> None:
        """Use the fastest attention for the device and the current precision."""
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        for module in self.network.blocks.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = is_fused_attention_faster(x.device, dtype)

    def tokens(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return tokens [B, prefix + N, D], or [B, prefix + K, D] of the patches `keep` [B, K] only."""
        network = self.network
        self._choose_attention(x)
        tokens = network._pos_embed(network.patch_embed(self.normalize(x)))
        if keep is not None:
            patches = tokens[:, self.prefix :]
            patches = patches.gather(1, keep.unsqueeze(-1).expand(-1, -1, patches.shape[-1]))
            tokens = torch.cat([tokens[:, : self.prefix], patches], dim=1)
        for block in network.blocks:
            tokens = block(network.norm_pre(tokens) if block is network.blocks[0] else tokens)
        normed: Tensor = network.norm(tokens)
        return normed

    def depth_of(self, parameter: str) -> int:
        """Return 0 for patches, positions and prefix, b + 1 for block b, and the depth for the last norms."""
        parts = parameter.split(".")
        if "blocks" in parts:
            return int(parts[parts.index("blocks") + 1]) + 1
        return self.depth if "norm" in parts or "fc_norm" in parts else 0

    def fix_positions(self) -> None:
        """Replace learned positions by fixed sine-cosine ones (prefix tokens: none), or freeze published positions."""
        positions = self.network.pos_embed
        if positions is None:
            return
        positions.requires_grad_(False)
        if not self.has_published_positions:
            patches = sin_cos_positions(self.network.patch_embed.grid_size, positions.shape[-1])
            prefix = positions.shape[1] - patches.shape[1]
            positions.data.copy_(nn.functional.pad(patches, (0, 0, prefix, 0)))

    def set_drop_path(self, rate: float) -> None:
        """Drop residual branches while training; the rate grows linearly with depth."""
        from timm.layers.drop import DropPath

        for block, drop_rate in zip(self.network.blocks, linear_rates(rate, len(self.network.blocks)), strict=True):
            for name in ("drop_path1", "drop_path2"):
                setattr(block, name, DropPath(drop_rate).train(block.training) if drop_rate > 0 else nn.Identity())


def timm_encoder(config: TimmConfig, modality: Modality) -> TimmEncoder:
    """Return the encoder of a timm model; plain vision transformers also have tokens."""
    return (TimmVit if is_vit(config.model) else TimmEncoder)(config, modality)
