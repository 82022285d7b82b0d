"""Build encoders from torchvision models, with stems for small images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torchvision
from torch import Tensor, nn

from sslbench.api import Modality
from sslbench.api.modules import Backbone, widen
from sslbench_vision.backbones.small_maps import use_small_map_convolutions
from sslbench_vision.backbones.stage_maps import stage_maps
from sslbench_vision.backbones.torchvision_family import CONVNEXTS, RESNETS, TorchvisionConfig

SMALL = 64


class TorchvisionEncoder(Backbone):
    """A torchvision model without its head, with the capabilities maps and depth (by stage) and any size."""

    pooling = "avg"

    def __init__(self, config: TorchvisionConfig, modality: Modality) -> None:
        super().__init__(modality)
        small = config.stem == "small" or (config.stem == "auto" and modality.shape[1] <= SMALL)
        zero: dict[str, Any] = {"zero_init_residual": True} if config.zero_init and config.model in RESNETS else {}
        self.network: Any = torchvision.models.get_model(config.model, weights=None, **zero)
        self.model, channels = config.model, modality.shape[0]
        if config.model in RESNETS:
            self._resnet(channels, small, config.stem_padding)
        elif config.model in CONVNEXTS:
            self._convnext(channels, small)
        else:
            self._vgg(channels)
        use_small_map_convolutions(self.network)
        convolutions = [[m for m in stage.modules() if isinstance(m, nn.Conv2d)] for stage in self._map_stages()]
        self.map_widths = tuple(stage[-1].out_channels for stage in convolutions)

    def _resnet(self, channels: int, small: bool, padding: int) -> None:
        network = self.network
        self.width = network.fc.in_features
        if small:
            network.conv1 = nn.Conv2d(channels, 64, 3, 1, padding, bias=False)
            network.maxpool = nn.Identity()
        elif channels != 3:
            network.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        network.fc = nn.Identity()
        self.stages: tuple[str, ...] = ("layer1", "layer2", "layer3", "layer4")
        self.depth = len(self.stages) + 1

    def _convnext(self, channels: int, small: bool) -> None:
        first = self.network.features[0][0]
        side = 2 if small else 4
        if small or channels != 3:
            self.network.features[0][0] = nn.Conv2d(channels, first.out_channels, side, side)
        self.width = self.network.classifier[2].in_features
        self.network.classifier[2] = nn.Identity()
        self.stages = tuple(f"features.{i}" for i in range(1, len(self.network.features)))
        self.depth = len(self.stages) + 1

    def _vgg(self, channels: int) -> None:
        first = self.network.features[0]
        if channels != 3:
            self.network.features[0] = nn.Conv2d(channels, first.out_channels, 3, padding=1)
        pooling = [m for m in self.network.features if isinstance(m, nn.MaxPool2d)]
        self.width = 512
        self.network.avgpool = nn.AdaptiveAvgPool2d(1)
        self.network.classifier = nn.Identity()
        self.stages = tuple(f"features.{i}" for i in range(len(self.network.features)))
        self.depth = len(pooling) + 1
        stage, self.stage_of = 0, {}
        for index, module in enumerate(self.network.features):
            self.stage_of[index] = stage
            stage += isinstance(module, nn.MaxPool2d)

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode images [B, C, H, W] -> [B, D]."""
        features: Tensor = self.network(self.normalize(x))
        return widen(features)

    def maps(self, x: Tensor, indices: Sequence[int] = (-1,)) -> tuple[Tensor, ...]:
        """Return the maps [B, C, H, W] after some of the stages (of a VGG: after max-pools)."""
        return stage_maps(self.normalize(x), self._map_stages(), indices)

    def _map_stages(self) -> list[nn.Module]:
        """Return the network up to its last map as one module per map."""
        network = self.network
        if self.model in RESNETS:
            stem = (network.conv1, network.bn1, network.relu, network.maxpool)
            return [nn.Sequential(*stem, network.layer1), network.layer2, network.layer3, network.layer4]
        layers = network.features
        if self.model in CONVNEXTS:
            return [layers[start : start + 2] for start in range(0, len(layers), 2)]
        ends = [index + 1 for index, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        return [layers[start:end] for start, end in pairwise([0, *ends])]

    def depth_of(self, parameter: str) -> int:
        """Return 0 for the stem and s + 1 for stage s (the stages of a VGG end at its max-pools)."""
        name = parameter.removeprefix("network.")
        if hasattr(self, "stage_of"):
            return int(self.stage_of[int(name.split(".")[1])]) if name.startswith("features.") else self.depth
        for index, stage in enumerate(self.stages):
            if name.startswith(f"{stage}."):
                return index + 1
        return self.depth if name.startswith("classifier.") else 0

    def published(self) -> dict[str, Tensor]:
        """Return the tensors of torchvision's default weights; raises any error of the download."""
        weights = torchvision.models.get_model_weights(self.model)
        state: dict[str, Tensor] = weights.DEFAULT.get_state_dict(progress=False, check_hash=True)
        return state

    def published_statistics(self) -> tuple[Sequence[float], Sequence[float]]:
        """Return mean and standard deviation of torchvision's preprocessing for the default weights."""
        preprocessing = torchvision.models.get_model_weights(self.model).DEFAULT.transforms()
        return preprocessing.mean, preprocessing.std
