"""Make the random numbers that operations and methods receive, for tests that call them."""

from __future__ import annotations

from torch import Tensor

from sslbench.api import KeyedRandom
from sslbench.data.keyed_random import CounterRandom


def keyed_random(samples: Tensor, *key: object) -> KeyedRandom:
    """Return random numbers of sample numbers [B]: one sample and key draw the same numbers in any batch."""
    return CounterRandom.of(samples, *key)
