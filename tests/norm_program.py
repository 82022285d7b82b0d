"""Compare shared batch normalization with torch's SyncBatchNorm in two processes on one or two GPUs; exits where they differ."""

from __future__ import annotations

import copy

import torch
import torch.distributed as distributed
from torch import nn

from sslbench.environment import process_rank
from sslbench.train.distributed.sync_batch_norm import share_statistics


def main() -> None:
    """The same half of a batch through both, forth and back, in float64."""
    devices = torch.cuda.device_count()
    torch.cuda.set_device(process_rank() % devices)
    distributed.init_process_group("nccl" if devices > 1 else "gloo")
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2)
    ).double()
    values = torch.randn(8, 3, 9, 9, dtype=torch.float64)[process_rank() :: 2].cuda()
    both = (nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(module)), share_statistics(copy.deepcopy(module)))
    found = []
    for one in both:
        outputs = one.cuda()(values)
        (outputs**3).sum().backward()
        gradients = [parameter.grad for parameter in one.parameters()]
        found.append([outputs, *gradients, *(buffer.double() for buffer in one.buffers())])
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
