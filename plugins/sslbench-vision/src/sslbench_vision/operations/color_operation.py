"""Change colors of images [B, C, H, W] in [0, 1], with a factor per sample. Agrees with torchvision.

Only three channels are colors: saturation, hue and grayscale do not change images with another number of channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sslbench.api import KeyedRandom, OperationParts
from sslbench_vision.operations.color import ColorJitterConfig, GrayConfig, InvertConfig, SolarizeConfig
from sslbench_vision.operations.image_operation import ImageOperation, scale_uniform

GRAY = (0.2989, 0.587, 0.114)
"""ITU-R 601 weights, as torchvision rounds them."""


def has_color(x: Tensor) -> bool:
    """Return whether the channels of images [B, C, H, W] are colors."""
    return x.shape[1] == 3


def luminance(x: Tensor) -> Tensor:
    """Return the luminance [B, 1, H, W] of images [B, C, H, W]; the mean of channels that are not colors."""
    if not has_color(x):
        return x.mean(1, keepdim=True) if x.shape[1] > 1 else x
    return (GRAY[0] * x[:, 0] + GRAY[1] * x[:, 1] + GRAY[2] * x[:, 2]).unsqueeze(1)


def brightness(x: Tensor, factor: Tensor) -> Tensor:
    """Multiply images by factors [B]."""
    return (x * factor.view(-1, 1, 1, 1)).clamp_(0, 1)


def contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Scale the difference from each image's mean luminance by factors [B]."""
    f = factor.view(-1, 1, 1, 1)
    return torch.addcmul((1 - f) * luminance(x).mean((1, 2, 3), keepdim=True), x, f).clamp_(0, 1)


def saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Scale the difference from each pixel's luminance by factors [B]."""
    f = factor.view(-1, 1, 1, 1)
    return (f * x + (1 - f) * luminance(x)).clamp_(0, 1) if has_color(x) else x


def hue(x: Tensor, shift: Tensor) -> Tensor:
    """Shift the hue by fractions [B] of the color circle."""
    if not has_color(x):
        return x
    value, low = x.amax(1), x.amin(1)
    chroma = value - low
    safe = torch.where(chroma == 0, torch.ones_like(chroma), chroma)
    r, g, b = x.unbind(1)
    sector = torch.where(value == r, (g - b) / safe, torch.where(value == g, 2 + (b - r) / safe, 4 + (r - g) / safe))
    sector = (sector + 6 * shift.view(-1, 1, 1)) % 6
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = (sector + offset) % 6
        channels.append(value - chroma * torch.minimum(k, 4 - k).clamp_(0, 1))
    return torch.stack(channels, dim=1)


Change = Callable[[Tensor, Tensor], Tensor]


def jitter(config: ColorJitterConfig, parts: OperationParts) -> ImageOperation:
    """Make the operation: four changes in an order per sample, each drawn whether it is applied or not."""
    changes: tuple[tuple[str, Change, float, float, float], ...] = (
        ("brightness", brightness, max(0.0, 1 - config.brightness), 1 + config.brightness, config.brightness_p),
        ("contrast", contrast, max(0.0, 1 - config.contrast), 1 + config.contrast, config.contrast_p),
        ("saturation", saturation, max(0.0, 1 - config.saturation), 1 + config.saturation, config.saturation_p),
        ("hue", hue, -config.hue, config.hue, config.hue_p),
    )

    def change(x: Tensor, draws: KeyedRandom) -> Tensor:
        order = draws.uniform("order", len(changes)).argsort(1)
        active = [c for c in changes if c[2] < c[3] and (has_color(x) or c[0] in ("brightness", "contrast"))]
        factors = {name: scale_uniform(draws.uniform(name), low, high) for name, _, low, high, _ in active}
        used = {name: draws.uniform(f"{name}/apply") < p for name, _, _, _, p in active}
        place = {name: number for number, (name, *_) in enumerate(changes)}
        result = x.clone()
        for turn in range(len(changes)):
            for name, apply, *_ in active:
                rows = torch.nonzero((order[:, turn] == place[name]) & used[name]).squeeze(1)
                if len(rows):
                    result[rows] = apply(result[rows], factors[name][rows]).to(x.dtype)  # views under autocast
        return result

    return ImageOperation(parts, change)


def to_gray(config: GrayConfig, parts: OperationParts) -> ImageOperation:
    """Make the operation that replaces colors by their luminance."""
    return ImageOperation(parts, lambda x, draws: luminance(x).expand_as(x).clone() if has_color(x) else x)


def solarize(config: SolarizeConfig, parts: OperationParts) -> ImageOperation:
    """Make the operation that inverts values from the threshold on."""
    return ImageOperation(parts, lambda x, draws: torch.where(x >= config.threshold, 1 - x, x))


def invert(config: InvertConfig, parts: OperationParts) -> ImageOperation:
    """Make the operation that inverts all values."""
    return solarize(SolarizeConfig(threshold=0.0), parts)
