"""timm models as encoders. Vision transformers also give tokens of the kept patches alone."""

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
    """Have a failed download said once, by what it raises, and not at every new attempt."""
    for name in ("huggingface_hub", "timm.models._hub"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _create_network(config: TimmConfig, shape: dict[str, Any]) -> Any:
    """timm's network without its head; raises Unavailable where its published weights are asked for and cannot be had."""
    create: Any = timm.create_model
    if not config.published:
        return create(config.model, pretrained=False, num_classes=0, **shape)
    _silence_hub_warnings()
    try:
        return create(config.model, pretrained=True, num_classes=0, **shape)
    except Exception as error:  # whatever the network, the hub or the model's lack of weights raises
        told = " ".join(str(error).split())[:200]
        raise Unavailable(
            f"the published weights of {config.model!r} cannot be had ({type(error).__name__}: {told}); run where the "
            "network is reached, or set backbone.published=false"
        ) from error


def statistics_of(model: str) -> tuple[Sequence[float], Sequence[float]]:
    """Return mean and standard deviation of the images that a model's published weights were trained on.

    They differ between timm's models (0.5 for tf_efficientnet_lite0, ImageNet's for resnet18): never assume ImageNet's.
    """
    published: Any = timm.get_pretrained_cfg(model)
    return published.mean, published.std


def pooling_of(network: Any) -> str:
    """Name how a timm model pools positions: 'avg', 'token' and so on; empty where it does not say."""
    pooling = getattr(network, "global_pool", None)
    if pooling is None:
        pooling = getattr(getattr(network, "head", None), "global_pool", "")
    return pooling if isinstance(pooling, str) else str(getattr(pooling, "pool_type", ""))


class TimmEncoder(Backbone):
    """Any timm model without its head."""

    def __init__(self, config: TimmConfig, modality: Modality) -> None:
        super().__init__(modality)
        self.model = config.model
        own = modality.shape[0]
        # Repeating a gray image is exact. Summing the first layer's weights is not, where channels have other statistics:
        # zero padding then stands for another gray in each channel.
        channels = RGB if own == 1 and (config.published or config.repeat_gray) else own
        self.size: dict[str, Any] = {}
        if is_vit(config.model):
            self.size = {"img_size": modality.shape[1:], "dynamic_img_size": config.any_size}
        self.network: Any = _create_network(config, {"in_chans": channels, **self.size})
        self.width = int(self.network.num_features)
        self.pooling = pooling_of(self.network)
        if config.published:
            self.use_statistics(*self.published_statistics())
        elif channels != own:
            self.use_statistics(modality.mean * channels, modality.std * channels)
        use_small_map_convolutions(self.network)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """[B, C, H, W] -> [B, D]."""
        features: Tensor = self.network(self.normalize(x))
        return widen(features)

    def published(self) -> dict[str, Tensor]:
        """The published weights' tensors, downloaded by timm; raises whatever the network does."""
        _silence_hub_warnings()
        network = timm.create_model(self.model, pretrained=True, num_classes=0, **self.size)
        state: dict[str, Tensor] = network.state_dict()
        return state

    def published_statistics(self) -> tuple[Sequence[float], Sequence[float]]:
        """The statistics in timm's `pretrained_cfg` of this model."""
        return statistics_of(self.model)


class TimmVit(TimmEncoder):
    """A timm vision transformer: provides tokens, depth, drop path and learned positions."""

    def __init__(self, config: TimmConfig, modality: Modality) -> None:
        super().__init__(config, modality)
        self.patch = tuple(self.network.patch_embed.patch_size)
        self.prefix = int(self.network.num_prefix_tokens)
        self.depth = len(self.network.blocks) + 1
        self.has_published_positions = config.published

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """[B, C, H, W] -> [B, D]."""
        self._attend_quickly(x)
        return super().forward(x)

    def _attend_quickly(self, x: Tensor) -> None:
        """Have attention computed by what is quickest on the device and in the precision of now."""
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        for module in self.network.blocks.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = is_fused_attention_faster(x.device, dtype)

    def tokens(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """[B, prefix + N, D], or [B, prefix + K, D] with the patches `keep` [B, K] alone."""
        network = self.network
        self._attend_quickly(x)
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
        """0 for patches, positions and prefix; block b at b + 1; norms after the last block."""
        parts = parameter.split(".")
        if "blocks" in parts:
            return int(parts[parts.index("blocks") + 1]) + 1
        return self.depth if "norm" in parts or "fc_norm" in parts else 0

    def fix_positions(self) -> None:
        """Give patches fixed sine-cosine positions and prefix tokens none; published positions stay, and both are frozen."""
        positions = self.network.pos_embed
        if positions is None:
            return
        positions.requires_grad_(False)
        if not self.has_published_positions:
            patches = sin_cos_positions(self.network.patch_embed.grid_size, positions.shape[-1])
            prefix = positions.shape[1] - patches.shape[1]
            positions.data.copy_(nn.functional.pad(patches, (0, 0, prefix, 0)))

    def set_drop_path(self, rate: float) -> None:
        """Drop branches, more often with depth."""
        from timm.layers.drop import DropPath

        for block, own in zip(self.network.blocks, linear_rates(rate, len(self.network.blocks)), strict=True):
            for name in ("drop_path1", "drop_path2"):
                setattr(block, name, DropPath(own).train(block.training) if own > 0 else nn.Identity())


def timm_encoder(config: TimmConfig, modality: Modality) -> TimmEncoder:
    """Return the encoder of a timm model, with tokens where it is a plain vision transformer."""
    return (TimmVit if is_vit(config.model) else TimmEncoder)(config, modality)
