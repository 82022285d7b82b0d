"""Build transformer blocks and fixed positions for the micro ViT and decoders."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def sin_cos_positions(grid: tuple[int, int], width: int) -> Tensor:
    """Return fixed 2-D positions [1, N, D]; sine and cosine of row and column have a quarter of the width each."""
    if width % 4:
        raise ValueError(f"width={width}: must be a multiple of 4")
    frequency = 1.0 / 10000 ** (torch.arange(width // 4, dtype=torch.float64) / (width / 4))
    rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    parts = []
    for axis in (columns, rows):
        angle = axis.reshape(-1, 1) * frequency
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, dim=1).unsqueeze(0).float()


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return softmax(q k^T / sqrt(D)) v of [B, heads, N, D], by the fastest computation for the device.

    For half precision on CPUs, torch's fused kernel takes 2 to 8 times as long (forward and backward) as three products for
    17 to 197 tokens, and about as long for 1,024 (torch 2.15; see `benchmarks/speed`).
    """
    if is_fused_attention_faster(q.device, q.dtype):
        return nn.functional.scaled_dot_product_attention(q, k, v)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    mixed: Tensor = scores.softmax(-1).to(v.dtype) @ v
    return mixed


def is_fused_attention_faster(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether torch's fused attention is faster than three products."""
    return device.type != "cpu" or dtype not in (torch.bfloat16, torch.float16)


class Block(nn.Module):
    """Pre-norm self-attention and MLP; branches are dropped at random in training if `drop_path` is above 0."""

    def __init__(self, width: int, heads: int, ratio: float = 4.0) -> None:
        super().__init__()
        self.heads = heads
        self.drop_path = 0.0
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        hidden = int(width * ratio)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens [B, N, D] -> [B, N, D]."""
        x = x + self._dropped(self._attend(self.norm1(x)))
        return x + self._dropped(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        result: Tensor = self.out(attention(q, k, v).transpose(1, 2).reshape(b, n, d))
        return result

    def _dropped(self, branch: Tensor) -> Tensor:
        return drop_path(branch, self.drop_path) if self.training else branch


def drop_path(branch: Tensor, rate: float) -> Tensor:
    """Drop branches [B, ...] of samples with probability `rate`, and scale up the others (stochastic depth)."""
    if rate == 0:
        return branch
    keep = torch.rand(len(branch), *[1] * (branch.ndim - 1), device=branch.device) >= rate
    return branch * keep / (1 - rate)


def linear_rates(rate: float, blocks: int) -> list[float]:
    """Return a rate per block, from 0 for the first to `rate` for the last."""
    return [rate * i / max(blocks - 1, 1) for i in range(blocks)]
