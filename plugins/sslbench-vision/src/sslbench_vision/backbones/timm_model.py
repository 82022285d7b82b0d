"""Build encoders from timm models. Those of vision transformers and common CNNs also return dense outputs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import timm
import torch
from timm.layers.pos_embed_sincos import apply_keep_indices_nlc
from torch import Tensor, nn

from sslbench.api import Modality, Unavailable
from sslbench.api.capabilities import mask_patches, select_patches
from sslbench.api.modules import Backbone, widen
from sslbench_vision.backbones.small_maps import use_small_map_convolutions
from sslbench_vision.backbones.stage_maps import stage_maps
from sslbench_vision.backbones.timm_family import TimmConfig
from sslbench_vision.backbones.timm_names import has_stages, is_eva, is_vit
from sslbench_vision.backbones.transformer import is_fused_attention_faster, linear_rates, sin_cos_positions
from sslbench_vision.backbones.transformer_outputs import TransformerOutputs

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
        if is_vit(config.model) or is_eva(config.model):
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


class TimmCnn(TimmEncoder):
    """A ResNet or ConvNeXt of timm with the capabilities maps (one per stage) and any size."""

    def __init__(self, config: TimmConfig, modality: Modality) -> None:
        super().__init__(config, modality)
        stages = self.network.feature_info[-len(self._map_stages()) :]
        self.map_widths = tuple(int(stage["num_chs"]) for stage in stages)

    def maps(self, x: Tensor, indices: Sequence[int] = (-1,)) -> tuple[Tensor, ...]:
        """Return the maps [B, C, H, W] after some of the stages."""
        return stage_maps(self.normalize(x), self._map_stages(), indices)

    def _map_stages(self) -> list[nn.Module]:
        """Return the network up to its last map as one module per map."""
        network = self.network
        if hasattr(network, "layer1"):
            stem = (network.conv1, network.bn1, network.act1, network.maxpool)
            return [nn.Sequential(*stem, network.layer1), network.layer2, network.layer3, network.layer4]
        first, *between, last = network.stages
        return [nn.Sequential(network.stem, first), *between, nn.Sequential(last, network.norm_pre)]


class TimmVit(TransformerOutputs, TimmEncoder):
    """A timm vision transformer with the capabilities of `TransformerOutputs`, depth, drop path and learned positions."""

    last_modules: tuple[str, ...] = ("norm", "fc_norm")
    """Modules after the last block."""

    def __init__(self, config: TimmConfig, modality: Modality) -> None:
        super().__init__(config, modality)
        self.patch = tuple(self.network.patch_embed.patch_size)
        self.prefix = int(self.network.num_prefix_tokens)
        self.patch_width = int(self.network.embed_dim)
        self.layer_count = len(self.network.blocks)
        self.depth = self.layer_count + 1
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

    @property
    def last_norm(self) -> nn.Module:
        """Return the norm after the last block, which does nothing in models that pool before they norm."""
        norm: nn.Module = self.network.norm
        return norm

    def block_outputs(
        self, x: Tensor, keep: Tensor | None = None, mask: Tensor | None = None, mask_token: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Yield the tokens [B, prefix + K, D] after each block."""
        network = self.network
        self._choose_attention(x)
        tokens = network._pos_embed(self._embed_patches(x, mask, mask_token))
        tokens = network.norm_pre(select_patches(tokens, keep, self.prefix))
        for block in network.blocks:
            tokens = block(tokens)
            yield tokens

    def _embed_patches(self, x: Tensor, mask: Tensor | None, mask_token: Tensor | None) -> Tensor:
        """Return embedded patches [B, N, D], or [B, H, W, D] with `any_size`, before positions are added."""
        embedded: Tensor = self.network.patch_embed(self.normalize(x))
        return mask_patches(embedded.flatten(1, -2), mask, mask_token).reshape(embedded.shape)

    def depth_of(self, parameter: str) -> int:
        """Return 0 for patches, positions and prefix, b + 1 for block b, and the depth for the last norms."""
        parts = parameter.split(".")
        if "blocks" in parts:
            return int(parts[parts.index("blocks") + 1]) + 1
        return self.depth if any(name in parts for name in self.last_modules) else 0

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


class TimmEva(TimmVit):
    """An `Eva` of timm (EVA-02, DINOv3, …): a vision transformer whose patches keep their rotary positions."""

    last_modules = (*TimmVit.last_modules, "attn_pool")

    def _choose_attention(self, x: Tensor) -> None:
        """Keep the attention that timm chooses."""

    def block_outputs(
        self, x: Tensor, keep: Tensor | None = None, mask: Tensor | None = None, mask_token: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Yield the tokens [B, prefix + K, D] after each block."""
        network = self.network
        tokens, rotary = network._pos_embed(self._embed_patches(x, mask, mask_token))
        tokens = network.norm_pre(select_patches(tokens, keep, self.prefix))
        for block, positions in zip(network.blocks, self._rotary_by_block(rotary, keep), strict=True):
            tokens = block(tokens, rope=positions)
            yield tokens

    def _rotary_by_block(self, rotary: Tensor | None, keep: Tensor | None) -> Sequence[Tensor | None]:
        """Return the rotary positions for each block, of the patches `keep` [B, K] if there are any.

        rotary: [N, D], or [blocks, heads, N, D] for models whose blocks have their own.
        """
        if rotary is not None and keep is not None:
            kept = apply_keep_indices_nlc(keep, rotary, keep)  # [B, K, D] or [B, blocks, heads, K, D]
            rotary = kept.transpose(0, 1) if self.network.rope_mixed else kept.unsqueeze(1)
        return rotary.unbind() if rotary is not None and self.network.rope_mixed else [rotary] * self.layer_count


def timm_encoder(config: TimmConfig, modality: Modality) -> TimmEncoder:
    """Return the encoder of a timm model, of the class with its capabilities."""
    if is_vit(config.model):
        return TimmVit(config, modality)
    if is_eva(config.model):
        return TimmEva(config, modality)
    return (TimmCnn if has_stages(config.model) else TimmEncoder)(config, modality)
