"""Count classes without training or test samples, and samples that no part of a split contains."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sslbench.api.targets import Labels, kind_of
from sslbench.api.values import Target
from sslbench.data.splits import Division


def count_missing_classes(division: Division, labels: Labels, target: Target) -> dict[str, dict[str, int]]:
    """Count the samples of every class, label or value that lacks training or test samples.

    Returns four counts by name:

    - without_training: its test samples
    - without_test: its training samples
    - unknown_in_transfer: its samples that are not tested because the bank of the transfer lacks the class
    - without_both: its labeled samples, which are all in the validation part or in no part
    """

    def count(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return kind.count(labels[rows], target.names)

    kind, empty = kind_of(target), np.zeros(0, np.int64)
    unknown = count(division.left_out.get("unknown_class", empty))
    bank, query, known = count(division.bank), count(division.query), count(np.arange(len(labels)))
    neither = (bank == 0) & (query == 0) & (unknown == 0)
    kinds = {
        "without_training": (query, (bank == 0) & (query > 0)),
        "without_test": (bank, (bank > 0) & (query == 0) & (unknown == 0)),
        "unknown_in_transfer": (unknown, unknown > 0),
        "without_both": (known, neither),
    }
    return {
        kind: {name: int(n) for name, n, wanted in zip(target.names, counts, chosen, strict=True) if wanted}
        for kind, (counts, chosen) in kinds.items()
    }


def count_left_out(division: Division, key: NDArray[np.str_] | None) -> Mapping[str, Mapping[str, int]]:
    """Count the labeled samples that are in no part, and their groups, by reason; `key` [n] names each sample's group."""
    return {
        reason: {"samples": len(rows), "groups": 0 if key is None else len(set(key[rows].tolist()))}
        for reason, rows in division.left_out.items()
    }
