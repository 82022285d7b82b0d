"""Search neighbors in a bank of a given size, and print the process's peak memory (MB) before and after."""

from __future__ import annotations

import sys

import torch

from sslbench.environment import cpu_precision, peak_memory, reset_peak_memory
from sslbench.evaluation.nearest_neighbors import find_nearest

PIECE = 10_000

if __name__ == "__main__":
    rows, width, queries = map(int, sys.argv[1:])
    torch.set_num_threads(2)
    torch.manual_seed(0)
    bank = torch.empty(rows, width)
    for piece in torch.split(bank, PIECE):
        piece.normal_()
        piece.div_(piece.norm(dim=1, keepdim=True))
    query = bank[:queries].clone()
    reset_peak_memory()
    before = peak_memory()
    find_nearest(bank, query, 200, 256, cpu_precision())
    print(before / 2**20, peak_memory() / 2**20)
