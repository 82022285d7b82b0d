"""Swap all modalities but the first for those of a random row of the reference set, their facts included."""

from __future__ import annotations

from torch import Tensor, nn

from sslbench.api import KeyedRandom, OperationParts, View
from sslbench.api.modules import Operation
from sslbench_plankton.operations.mismatched_pairs import MismatchedPairsConfig


def mismatch_pairs(config: MismatchedPairsConfig, parts: OperationParts) -> Operation:
    """One row of the reference set for each sample, by its own draw."""
    others = sorted(parts.modalities)[1:]
    held = {name: x for name, x in parts.reference.items() if name.partition(".")[0] in others}

    def change(view: View, draws: KeyedRandom) -> View:
        if not held:
            return view
        count = len(next(iter(held.values())))
        rows = (draws.uniform("row") * count).long()
        made = dict(view)
        for name in (name for name in held if name in view):
            kept = view[name]
            made[name] = as_wide(held[name].to(kept.device)[rows.to(kept.device)].to(kept.dtype), kept)
        return made

    return change


def as_wide(x: Tensor, other: Tensor) -> Tensor:
    """Sequences [B, T, C] padded at the end to at least as many steps as another's; anything else as it is."""
    missing = other.shape[1] - x.shape[1] if x.ndim == 3 else 0
    return nn.functional.pad(x, (0, 0, 0, missing)) if missing > 0 else x
