"""Replace values of vectors by those of other samples."""

from __future__ import annotations

import torch
from torch import Tensor

from sslbench.api import KeyedRandom, OperationParts, View
from sslbench.api.modules import Operation
from sslbench_crops.operations.corruption import (
    VECTOR,
    BatchCorruptionConfig,
    FeatureCorruptionConfig,
    count_corrupted,
)


def select_columns(uniform: Tensor, count: int) -> Tensor:
    """Return a mask [B, D] with `count` random columns of every row, from uniform numbers [B, D]."""
    return uniform.argsort(dim=1).argsort(dim=1) < count


def draw_from_marginals(reference: Tensor, uniform: Tensor) -> Tensor:
    """Return values [B, D]: in each column one of the reference rows [R, D], chosen by uniform numbers [B, D]."""
    rows = (uniform * len(reference)).long().clamp_(max=len(reference) - 1)
    return reference.gather(0, rows)


def choose_partners(uniform: Tensor) -> Tensor:
    """Return for every row [B] another row of the batch, from uniform numbers [B]; the batch has at least two rows.

    The distance to it is uniform in 1 ... B - 2 (in 1 ... 1 for two rows), as in the released code.
    """
    count = len(uniform)
    farthest = max(count - 2, 1)
    distance = 1 + (uniform * farthest).long().clamp_(max=farthest - 1)
    return (torch.arange(count, device=uniform.device) + distance) % count


def corrupt_features(config: FeatureCorruptionConfig, parts: OperationParts) -> Operation:
    """Corrupt each sample by itself: its own columns, and values from the marginals of the reference rows."""
    held = {
        name: modality.code.natural(parts.reference[name])
        for name, modality in parts.modalities.items()
        if modality.layout in VECTOR and name in parts.reference
    }

    def change(view: View, random: KeyedRandom) -> View:
        made = dict(view)
        for name in held.keys() & view.keys():
            x, own = view[name], random.fork(name)
            mask = select_columns(own.uniform("column", x.shape[1]), count_corrupted(config.rate, x.shape[1]))
            drawn = draw_from_marginals(held[name].to(x.device), own.uniform("row", x.shape[1]))
            made[name] = torch.where(mask, drawn.to(x.dtype), x)
        return made

    return change


def corrupt_batch(config: BatchCorruptionConfig, parts: OperationParts) -> Operation:
    """Corrupt a batch jointly: the columns of its first sample's random numbers, and for every row one other row.

    Views depend on the batch, so one and several processes make different ones. A batch of one sample is not changed.
    """
    names = [name for name, modality in parts.modalities.items() if modality.layout in VECTOR]

    def change(view: View, random: KeyedRandom) -> View:
        made = dict(view)
        for name in (name for name in names if name in view and len(view[name]) > 1):
            x, own = view[name], random.fork(name)
            if float(own.uniform("apply")[0]) >= config.p_batch:
                continue
            mask = select_columns(own.uniform("column", x.shape[1])[:1], count_corrupted(config.rate, x.shape[1]))
            made[name] = torch.where(mask, x[choose_partners(own.uniform("row"))], x)
        return made

    return change
