"""Speed up CPU training of convolutions on maps smaller than their kernel, by one matrix product with the same results.

Most taps of such a kernel cover padding only: on a map of one position, the last map of a ResNet for 32 px, one of nine is
used. The library multiplies all of them, and its backward pass takes several times as long as the forward pass
(`benchmarks/speed`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SmallMapConv2d(nn.Conv2d):
    """A convolution that computes a small map by one matrix product while it trains on a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve maps [B, I, H, W] -> [B, O, H', W']."""
        is_training = torch.is_grad_enabled() and self.weight.requires_grad and input.dim() == 4
        if is_training and input.device.type == "cpu" and self._is_small(*input.shape[2:]):
            return convolve_as_product(input, self.weight, self.bias, self.stride, self.padding)  # type: ignore[arg-type]
        return super().forward(input)

    def _is_small(self, height: int, width: int) -> bool:
        """Return whether a map has fewer positions than the kernel, and with padding is large enough for it."""
        (down, across), padding = self.kernel_size, self.padding
        fits = height + 2 * int(padding[0]) >= down and width + 2 * int(padding[1]) >= across
        return fits and height * width < down * across


def convolve_as_product(
    maps: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    """Convolve [B, I, H, W] with a kernel [O, I, Y, X] and zero padding, by one product of all positions."""
    down = tap_mask(maps.shape[2], weight.shape[2], stride[0], padding[0])
    across = tap_mask(maps.shape[3], weight.shape[3], stride[1], padding[1])
    taps = (down[:, None, :, None, :, None] & across[None, :, None, :, None, :]).to(weight)  # [Y, X, H', W', H, W]
    matrix = (weight.flatten(2) @ taps.flatten(2).flatten(0, 1)).view(*weight.shape[:2], -1, maps.shape[2:].numel())
    matrix = matrix.permute(2, 0, 3, 1).flatten(2).flatten(0, 1)
    repeated_bias = None if bias is None else bias.repeat(len(matrix) // len(bias))
    result = nn.functional.linear(maps.permute(0, 2, 3, 1).flatten(1), matrix, repeated_bias)
    return result.view(len(maps), down.shape[1], across.shape[1], len(weight)).permute(0, 3, 1, 2)


def tap_mask(size: int, taps: int, stride: int, padding: int) -> Tensor:
    """Return [taps, outputs, size]: True where a tap of the kernel for an output covers a position of the input."""
    outputs = (size + 2 * padding - taps) // stride + 1
    tap, output, position = torch.meshgrid(*(torch.arange(n) for n in (taps, outputs, size)), indexing="ij")
    return position == output * stride + tap - padding


def use_small_map_convolutions(network: nn.Module) -> None:
    """Use SmallMapConv2d for a network's plain convolutions; parameters, names and random numbers stay."""
    for module in network.modules():
        if type(module) is nn.Conv2d and _is_plain(module):
            module.__class__ = SmallMapConv2d  # the same object with another forward: a new one would draw weights


def _is_plain(convolution: nn.Conv2d) -> bool:
    return (
        convolution.groups == 1
        and convolution.dilation == (1, 1)
        and convolution.padding_mode == "zeros"
        and not isinstance(convolution.padding, str)
    )
