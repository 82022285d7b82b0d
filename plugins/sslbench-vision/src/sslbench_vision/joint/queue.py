"""Keep a queue of the newest embeddings and their samples. It is part of a checkpoint."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslbench.api.modules import equation

NO_SAMPLE = -1


class Queue(nn.Module):
    """The newest `size` embeddings of unit length; random rows without a sample until it is filled."""

    rows: Tensor
    owners: Tensor
    cursor: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("rows", nn.functional.normalize(torch.randn(size, width), dim=1))
        self.register_buffer("owners", torch.full((size,), NO_SAMPLE))
        self.register_buffer("cursor", torch.zeros((), dtype=torch.long))

    def push(self, rows: Tensor, owners: Tensor) -> None:
        """Replace the oldest rows by rows [B, D] of samples [B]; of more than `size` rows, keep the last."""
        size = len(self.rows)
        rows, owners = rows[-size:], owners[-size:]
        places = (self.cursor + torch.arange(len(rows), device=rows.device)) % size
        self.rows[places] = rows.to(self.rows.dtype)
        self.owners[places] = owners
        self.cursor.copy_((self.cursor + len(rows)) % size)

    def is_filled(self) -> bool:
        """Return whether no random row is left."""
        return bool((self.owners != NO_SAMPLE).all())


@equation
def find_nearest(rows: Tensor, queue: Tensor, excluded: Tensor | None = None) -> Tensor:
    """Return for each row [B, D] the row of the queue [K, D] of highest cosine that is not in `excluded` [B, K].

    NNCLR, eq. 3.
    """
    cosine = nn.functional.normalize(rows, dim=1) @ nn.functional.normalize(queue, dim=1).T
    if excluded is not None:
        cosine = cosine.masked_fill(excluded, float("-inf"))
    return queue[cosine.argmax(dim=1)]


def find_neighbors(queue: Queue, rows: Tensor, owners: Tensor, *, include_self: bool) -> Tensor:
    """Return the nearest rows of a queue; `include_self` accepts earlier embeddings of the same sample."""
    excluded = None if include_self else queue.owners == owners.unsqueeze(1)
    return find_nearest(rows, queue.rows.to(rows.dtype), excluded)
