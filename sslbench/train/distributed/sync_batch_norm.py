"""Normalize batches over all processes that share a step, with gloo or nccl.

Torch's own SyncBatchNorm rejects CPU tensors. State and names equal those of torch's BatchNorm, so weights are
interchangeable.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as distributed
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from sslbench.api.modules import widen


def compute_moments(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean [C], biased variance [C] and count of values [B, C, ...] over all processes, with gradient."""
    axes = [axis for axis in range(values.dim()) if axis != 1]
    rows = torch.full((1,), values.numel() / values.shape[1], dtype=values.dtype, device=values.device)
    totals = _sum(torch.cat([values.sum(axes), rows]))
    mean, count = totals[:-1] / totals[-1], totals[-1]
    shaped = mean.view(1, -1, *[1] * (values.dim() - 2))
    variance = _sum((values - shaped).square().sum(axes)) / count
    return mean, variance, count


class SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm1d, 2d or 3d with training statistics over the batches of all processes.

    Modules inside it, such as the activation of timm's BatchNormAct2d, are applied to the normalized values in their order.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2 dimensions, got {input.dim()}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalize values [B, C, ...], and apply the modules inside."""
        values = self.normalize(input)
        for child in self.children():
            values = child(values)
        return values

    def normalize(self, input: Tensor) -> Tensor:
        """Normalize values [B, C, ...]."""
        if not self.training or not distributed.is_initialized():
            return super().forward(input)
        values = widen(input)
        mean, variance, count = compute_moments(values)
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            with torch.no_grad():
                share = self._share()
                self.running_mean.lerp_(mean.detach().to(self.running_mean), share)
                self.running_var.lerp_((variance.detach() * count / (count - 1)).to(self.running_var), share)
        shape = (1, -1, *[1] * (values.dim() - 2))
        whitened = (values - mean.view(shape)) * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            whitened = whitened * self.weight.view(shape) + self.bias.view(shape)
        return whitened.to(input.dtype)

    def _share(self) -> float:
        """Return the newest batch's weight in the running statistics: the momentum, or one over the batches so far."""
        if self.num_batches_tracked is None:
            return self.momentum or 0.0
        self.num_batches_tracked.add_(1)
        return self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)


def share_statistics(module: nn.Module) -> nn.Module:
    """Replace every batch normalization in a module, in place if it has a parent; parameter objects are kept."""
    if isinstance(module, nn.modules.batchnorm._BatchNorm) and not isinstance(module, SharedBatchNorm):
        return _replacement(module)
    for name, child in module.named_children():
        setattr(module, name, share_statistics(child))
    return module


def _replacement(norm: Any) -> SharedBatchNorm:
    shared = SharedBatchNorm(
        norm.num_features, eps=norm.eps, momentum=norm.momentum, affine=norm.affine,
        track_running_stats=norm.track_running_stats,
    )  # fmt: skip
    for name, parameter in norm.named_parameters(recurse=False):
        setattr(shared, name, parameter)
    for name, buffer in norm.named_buffers(recurse=False):
        shared.register_buffer(name, buffer)
    for name, child in norm.named_children():
        shared.add_module(name, child)
    return shared.train(norm.training)


def _sum(values: Tensor) -> Tensor:
    summed: Tensor = all_reduce(values)  # type: ignore[no-untyped-call]
    return summed
