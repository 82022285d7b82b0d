"""Draw counter-based random numbers (splitmix64) keyed by sample, the same on every device.

There is no generator state: a number is a function of its key and its name, so order, batch size, number of workers and
resuming do not change it.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache

import torch
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # splitmix64's multipliers (Steele, Lea, Flood 2014)


def _signed(value: int) -> int:
    """Return the int64 with the same 64 bits."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _shift(x: Tensor, bits: int) -> Tensor:
    """Shift right logically, which torch lacks for signed integers."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def mix(x: Tensor) -> Tensor:
    """Apply the finalizer of splitmix64: each input bit flips about half of the output bits."""
    x = (x ^ _shift(x, 30)) * _signed(FIRST)
    x = (x ^ _shift(x, 27)) * _signed(SECOND)
    return x ^ _shift(x, 31)


@lru_cache(maxsize=4096)
def _hash_name(name: str) -> int:
    return _signed(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big"))


class CounterRandom:
    """Random numbers for the samples with the given keys [B]."""

    def __init__(self, keys: Tensor) -> None:
        self.keys = keys

    @classmethod
    def of(cls, samples: Tensor, *parts: object) -> CounterRandom:
        """Combine sample numbers [B] with everything else that must change the random numbers (seed, epoch, role, …)."""
        return cls(mix(samples * _signed(GOLDEN) ^ _hash_name("\x1f".join(map(str, parts)))))

    def uniform(self, name: str, *shape: int) -> Tensor:
        """Draw numbers [B, *shape] in [0, 1) with 24 random bits each."""
        count = math.prod(shape)
        steps = torch.arange(1, count + 1, device=self.keys.device) * _signed(GOLDEN)
        bits = mix(mix(self.keys ^ _hash_name(name)).unsqueeze(1) + steps)
        return (_shift(bits, 40).to(torch.float32) * 2.0**-24).view(len(self.keys), *shape)

    def normal(self, name: str, *shape: int) -> Tensor:
        """Draw standard normal numbers [B, *shape] (Box-Muller transform)."""
        radius = torch.sqrt(-2 * torch.log1p(-self.uniform(f"{name}/radius", *shape)))
        return radius * torch.cos(2 * math.pi * self.uniform(f"{name}/angle", *shape))

    def fork(self, name: str) -> CounterRandom:
        """Return an independent stream of numbers for the same samples."""
        return CounterRandom(mix(self.keys + _hash_name(name)))

    def __getitem__(self, rows: Tensor) -> CounterRandom:
        """Return the same numbers for some of the samples."""
        return CounterRandom(self.keys[rows])
