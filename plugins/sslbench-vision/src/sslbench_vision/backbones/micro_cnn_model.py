"""Build the micro CNN: a stem, then residual stages that halve images of at least 4 pixels.

On a CPU most of its time is memory traffic of wide early maps, so the stem reduces images to 16 to 23 pixels first.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sslbench.api import Modality
from sslbench.api.modules import Backbone, widen
from sslbench_vision.backbones.micro_cnn import MicroCnnConfig
from sslbench_vision.backbones.stage_maps import stage_maps
from sslbench_vision.backbones.transformer import drop_path, linear_rates

SMALL, POOLED = 40, 24
"""Side in pixels above which the stem's convolution halves the image, and from which on its pooling does."""


class Residual(nn.Module):
    """Two 3x3 convolutions with batch norm, and a shortcut."""

    def __init__(self, channels_in: int, out: int, stride: int) -> None:
        super().__init__()
        self.drop_path = 0.0
        self.conv1 = nn.Conv2d(channels_in, out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.act = nn.ReLU(inplace=True)
        has_new_shape = stride != 1 or channels_in != out
        shortcut = nn.Sequential(nn.Conv2d(channels_in, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        self.shortcut = shortcut if has_new_shape else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Transform maps [B, C, H, W] -> [B, C', H', W']."""
        branch = self.norm2(self.conv2(self.act(self.norm1(self.conv1(x)))))
        branch = drop_path(branch, self.drop_path) if self.training else branch
        result: Tensor = self.act(branch + self.shortcut(x))
        return result


class MicroCnn(Backbone):
    """Micro CNN with the capabilities maps (one per stage), depth, drop path and any size."""

    pooling = "avg"

    def __init__(self, config: MicroCnnConfig, modality: Modality) -> None:
        super().__init__(modality)
        channels, side = modality.shape[0], min(modality.shape[1:])
        first = config.widths[0]
        stride = 1 if side <= SMALL else 2
        side = side // stride
        pool = [nn.MaxPool2d(2)] if side >= POOLED else []
        self.stem = nn.Sequential(
            nn.Conv2d(channels, first, 3, stride, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True), *pool
        )
        side = side // 2 if pool else side
        stages, channels_in = [], first
        for index, out in enumerate(config.widths[1:]):
            step = 2 if index > 0 and side >= 4 else 1
            side = side // step
            blocks = [
                Residual(channels_in if b == 0 else out, out, step if b == 0 else 1) for b in range(config.blocks)
            ]
            stages.append(nn.Sequential(*blocks))
            channels_in = out
        self.stages = nn.Sequential(*stages)
        self.width = config.widths[-1]
        self.map_widths = config.widths[1:]
        self.depth = len(stages) + 1
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor, length: Tensor | None = None) -> Tensor:
        """Encode images [B, C, H, W] -> [B, D], the mean over positions."""
        features: Tensor = self.stages(self.stem(self.normalize(x)))
        return widen(features.mean((2, 3)))

    def maps(self, x: Tensor, indices: Sequence[int] = (-1,)) -> tuple[Tensor, ...]:
        """Return the maps [B, C, H, W] after some of the stages."""
        return stage_maps(self.normalize(x), [nn.Sequential(self.stem, self.stages[0]), *self.stages[1:]], indices)

    def depth_of(self, parameter: str) -> int:
        """Return 0 for the stem and s + 1 for stage s."""
        return int(parameter.split(".")[1]) + 1 if parameter.startswith("stages.") else 0

    def set_drop_path(self, rate: float) -> None:
        """Drop residual branches while training; the rate grows linearly with depth."""
        blocks = [block for block in self.stages.modules() if isinstance(block, Residual)]
        for block, drop_rate in zip(blocks, linear_rates(rate, len(blocks)), strict=True):
            block.drop_path = drop_rate
