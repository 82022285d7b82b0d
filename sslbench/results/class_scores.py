"""Convert the scores of classes to and from columns of a table; rank 0 stands for a sample without scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as arrow
from numpy.typing import NDArray

from sslbench.api.ranked_scores import RankedScores

RANK, BEST_CLASSES, CLASS_SCORES = "rank", "best_classes", "class_scores"
SCORE_COLUMNS = (RANK, BEST_CLASSES, CLASS_SCORES)
KINDS: Mapping[str, Any] = {RANK: np.int32, BEST_CLASSES: np.int32, CLASS_SCORES: np.float16}


def score_columns(ranked: RankedScores | None, rows: int) -> dict[str, Any]:
    """Return the columns of one outcome; `ranked` is None for an outcome without scores."""
    empty = np.zeros((rows, 0))
    found: dict[str, NDArray[Any]] = {RANK: np.zeros(rows), BEST_CLASSES: empty, CLASS_SCORES: empty}
    if ranked is not None:
        found = {
            RANK: ranked.ranks,
            BEST_CLASSES: empty if ranked.best is None else ranked.best,
            CLASS_SCORES: ranked.scores,
        }
    columns = {name: values.astype(KINDS[name]) for name, values in found.items()}
    return {name: values if values.ndim == 1 else as_lists(values) for name, values in columns.items()}


def read_class_scores(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int, columns: Mapping[str, Any]
) -> RankedScores | None:
    """Return the scores of one outcome, None without any; raises ValueError with a sentence for contradictory ones."""
    if RANK not in columns or not np.any(ranks := np.asarray(columns[RANK], np.int64)):
        return None
    best, scores = (stack_lists(columns[name]) for name in (BEST_CLASSES, CLASS_SCORES))
    found = RankedScores(
        labels=labels, predicted=predicted, ranks=ranks, classes=classes, scores=scores,
        best=best.astype(np.int64) if best.shape[1] else None,
    )  # fmt: skip
    for problem in found.find_errors():
        raise ValueError(problem)
    return found


def as_lists(values: NDArray[Any]) -> arrow.ListArray:
    """Return numbers [n, C] as a column of n lists."""
    ends = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return arrow.ListArray.from_arrays(ends, values.ravel())


def stack_lists(lists: Iterable[Any]) -> NDArray[np.float64]:
    """Return lists of equal length as an array [n, C]; raises ValueError for others."""
    arrays = lists.to_numpy() if isinstance(lists, arrow.ChunkedArray) else lists
    if len({len(one) for one in arrays}) > 1:
        raise ValueError("has lists of different lengths")
    return np.stack([np.asarray(one, np.float64) for one in arrays])
