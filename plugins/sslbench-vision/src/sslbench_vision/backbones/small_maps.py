"""Convolutions of maps that have fewer places than their kernel, as one product: for training on processors. Same numbers.

Most taps of such a kernel meet padding alone: on a map of one place, where a ResNet ends that sees 32 px, one of nine counts.
The library multiplies them all, and takes several times as long backwards as forwards (`benchmarks/speed`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SmallMapConv2d(nn.Conv2d):
    """A convolution that, while it learns on a processor, takes a small map as one product."""

    def forward(self, input: Tensor) -> Tensor:
        """[B, I, H, W] -> [B, O, H', W']."""
        learns = torch.is_grad_enabled() and self.weight.requires_grad and input.dim() == 4
        if learns and input.device.type == "cpu" and self._smaller(*input.shape[2:]):
            return convolve_as_product(input, self.weight, self.bias, self.stride, self.padding)  # type: ignore[arg-type]
        return super().forward(input)

    def _smaller(self, height: int, width: int) -> bool:
        """Whether a map has fewer places than the kernel, and with its padding room for it."""
        (down, across), padding = self.kernel_size, self.padding
        room = height + 2 * int(padding[0]) >= down and width + 2 * int(padding[1]) >= across
        return room and height * width < down * across


def convolve_as_product(
    maps: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    """Convolve [B, I, H, W] by a kernel [O, I, Y, X] with zeros around: every place of the input with each of the output."""
    down = tap_mask(maps.shape[2], weight.shape[2], stride[0], padding[0])
    across = tap_mask(maps.shape[3], weight.shape[3], stride[1], padding[1])
    taps = (down[:, None, :, None, :, None] & across[None, :, None, :, None, :]).to(weight)  # [Y, X, H', W', H, W]
    whole = (weight.flatten(2) @ taps.flatten(2).flatten(0, 1)).view(*weight.shape[:2], -1, maps.shape[2:].numel())
    whole = whole.permute(2, 0, 3, 1).flatten(2).flatten(0, 1)
    everywhere = None if bias is None else bias.repeat(len(whole) // len(bias))
    made = nn.functional.linear(maps.permute(0, 2, 3, 1).flatten(1), whole, everywhere)
    return made.view(len(maps), down.shape[1], across.shape[1], len(weight)).permute(0, 3, 1, 2)


def tap_mask(size: int, taps: int, stride: int, padding: int) -> Tensor:
    """[taps, outputs, size]: 1 where a tap of the kernel, laid for an output, meets a place of the input."""
    outputs = (size + 2 * padding - taps) // stride + 1
    tap, output, place = torch.meshgrid(*(torch.arange(n) for n in (taps, outputs, size)), indexing="ij")
    return place == output * stride + tap - padding


def use_small_map_convolutions(network: nn.Module) -> None:
    """Have a network's plain convolutions take small maps so; their parameters, names and random numbers stay."""
    for module in network.modules():
        if type(module) is nn.Conv2d and _is_plain(module):
            module.__class__ = (
                SmallMapConv2d  # the same object with another forward: to build a new one would draw weights
            )


def _is_plain(one: nn.Conv2d) -> bool:
    return (
        one.groups == 1 and one.dilation == (1, 1) and one.padding_mode == "zeros" and not isinstance(one.padding, str)
    )
