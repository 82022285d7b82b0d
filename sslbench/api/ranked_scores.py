"""Define the scores of classes as they are stored, from which metrics are computed. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Codes: TypeAlias = NDArray[np.int64]
    Values: TypeAlias = NDArray[np.float64]

TOP = 5
"""Best classes whose scores are stored where not all are."""
MAX_NUMBERS, MAX_CLASSES = 10_000, 2 * TOP
"""All scores are stored up to this number of scores of one outcome, or up to this number of classes."""
SUM_TOLERANCE = 2e-3
"""Largest difference of a sum of rounded probabilities from 1."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankedScores:
    """Scores of n samples for C classes, rounded to float16; both stored forms have the same properties.

    labels, predicted: codes [n] of the true class, and of the class with the highest score.
    ranks: rank [n] of the true class by score before rounding, from 1 to C; the lower code is first among equals.
    classes: C.
    scores: [n, C]; with `best` [n, k + 1]: those of `best`, and of the true class.
    best: codes [n, k] of the classes with the highest scores, best first. None: all scores are stored.
    """

    labels: Codes
    predicted: Codes
    ranks: Codes
    classes: int
    scores: Values
    best: Codes | None = None

    @property
    def matrix(self) -> Values | None:
        """Return all scores [n, C], or None if they are not stored."""
        return self.scores if self.best is None else None

    @property
    def confidence(self) -> Values:
        """Return the score [n] of the predicted class."""
        return self.scores[:, 0] if self.best is not None else self._at(self.predicted)

    @property
    def label_scores(self) -> Values:
        """Return the score [n] of the true class."""
        return self.scores[:, -1] if self.best is not None else self._at(self.labels)

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Return whether the predicted class is the true one [n]."""
        found: NDArray[np.bool_] = self.labels == self.predicted
        return found

    @property
    def are_probabilities(self) -> bool:
        """Return whether the stored scores are between 0 and 1, and those of each sample sum to 1, or less with `best`."""
        total = self.scores.sum(1) if self.best is None else self.scores[:, :-1].sum(1)
        low = 1 - SUM_TOLERANCE if self.best is None else 0
        return bool(
            ((self.scores >= 0) & (self.scores <= 1)).all() and ((total >= low) & (total <= 1 + SUM_TOLERANCE)).all()
        )

    def _at(self, codes: Codes) -> Values:
        import numpy as np  # here, as commands that only list and help do without it

        found: Values = self.scores[np.arange(len(codes)), codes]
        return found

    def find_errors(self) -> Iterator[str]:
        """Yield one sentence per contradiction between ranks, scores and predicted classes."""
        import numpy as np  # as above

        width = self.classes if self.best is None else self.best.shape[1] + 1
        if self.scores.shape != (len(self.labels), width) or (self.best is not None and not 1 < width <= self.classes):
            yield f"has scores of shape {list(self.scores.shape)} for {self.classes} classes"
            return
        if not np.isfinite(self.scores).all():
            yield "has class scores that are not finite"
            return
        own, ranks = self.label_scores, self.ranks
        others = self.scores if self.best is None else self.scores[:, :-1]
        wrong = (ranks == 1) != self.is_right
        wrong |= (ranks <= (others > own[:, None]).sum(1)) | (ranks > self.classes)
        if self.best is None:
            wrong |= ranks > (others >= own[:, None]).sum(1)
            wrong |= self.confidence < others.max(1)
        else:
            place = self.best == self.labels[:, None]
            is_best = place.any(1)
            wrong |= np.where(is_best, ranks - 1 != place.argmax(1), (ranks < width) | (own > others[:, -1]))
            wrong |= is_best & ~(place & (others == own[:, None])).any(1)
            wrong |= (self.best[:, 0] != self.predicted) | (np.diff(others, axis=1) > 0).any(1)
            ordered = np.sort(self.best, axis=1)
            wrong |= (ordered[:, 0] < 0) | (ordered[:, -1] >= self.classes) | (np.diff(ordered, axis=1) == 0).any(1)
        if wrong.any():
            yield f"has class scores of {int(wrong.sum())} samples that contradict their rank or predicted class"


def rank_scores(labels: Codes, scores: NDArray[np.floating]) -> RankedScores:
    """Rank and round finite scores [n, C] of samples with known labels [n], in the form in which they are stored."""
    import numpy as np  # as above

    rows, classes = np.arange(len(scores)), scores.shape[1]
    own = scores[rows, labels][:, None]
    ranks = 1 + ((scores > own) | ((scores == own) & (np.arange(classes) < labels[:, None]))).sum(1)
    kept, best = scores, None
    if classes > MAX_CLASSES and scores.size > MAX_NUMBERS:
        best = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        kept = np.concatenate([np.take_along_axis(scores, best, 1), own], axis=1)
    rounded = round_to(kept, np.float16).astype(np.float64)
    predicted: Codes = scores.argmax(1)
    return RankedScores(labels=labels, predicted=predicted, ranks=ranks, classes=classes, scores=rounded, best=best)


def round_to(values: NDArray[Any], kind: type[np.floating[Any]]) -> NDArray[Any]:
    """Round numbers to a type; those beyond its range become its largest."""
    import numpy as np  # as above

    rounded: NDArray[Any] = np.clip(values, np.finfo(kind).min, np.finfo(kind).max).astype(kind)
    return rounded
