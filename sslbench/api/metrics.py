"""Define metrics: what a number is, what it is computed from, and how it is shown. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from sslbench.api.errors import ImplementationError
from sslbench.api.implementations import load_implementation


class Derivation(Enum):
    """Sources of metrics, in the order of columns; the harness computes a metric wherever its source is stored.

    CONFUSION: `compute(matrix)`: counts [C, C], rows are true classes.
    RANKED_SCORES: `compute(ranked)`: a `RankedScores`, where a protocol predicts scores of classes.
    LABELS: `compute(truth, scores)`: zeros and ones [n, C] (-1: unknown), and scores [n, C].
    VALUES: `compute(truth, predicted)`: numbers [n, V].
    CLUSTERS: `compute(labels, clusterings)`: class codes [n], and one array of cluster codes [n] per clustering.
    FEATURES, NOTHING: no function; a protocol reports the number, which cannot be computed again from what is stored.
    """

    CONFUSION = "confusion matrix"
    RANKED_SCORES = "ranked scores"
    LABELS = "label matrix"
    VALUES = "values"
    CLUSTERS = "clusters"
    FEATURES = "features"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number of a result.

    name: words joined by '_', as in records, studies and tables.
    low, high: range; a submission with a value outside is refused.
    version: raised when numbers may change; records are then written again.
    label: head of its column ('': the name with spaces).
    unit: unit that follows the label, such as '%'.
    digits: decimal places in tables.
    derived_from, compute: source and function, as a callable or "package.module:name"; see `Derivation`. The function
        returns None where the metric is not defined.
    is_shown: whether tables that name no metric have a column of it. A protocol may also name it in `metrics`.
    is_main: whether it orders rows, of the metrics with its source; where several are, the first installed.
    mean_over: for a mean of right answers: whether samples or classes have equal weight; its interval then covers test
        samples as well as seeds.
    influence: for a metric of labels or values: a function of the same arguments, as a callable or "package.module:name". It
        returns the influence [n] of each sample: n times the derivative of the metric by its weight. The interval then
        covers test samples as well as seeds. See `sslbench.api.target_influences`.
    chance_of: metric whose value under permuted labels this is. A protocol reports it, and `compute(labels, clusters, draws,
        rng)` returns mean and standard deviation of one draw, by which a submission is checked.
    means_collapse: whether a value above 0 marks the run as collapsed, so that it is not ranked.
    summary, source: one line on its meaning, and where its formula is from.
    old_names: its names before a rename.
    """

    name: str
    low: float
    high: float
    version: int = 1
    label: str = ""
    unit: str = ""
    digits: int = 3
    higher_is_better: bool = True
    derived_from: Derivation = Derivation.NOTHING
    compute: str | Callable[..., Any] | None = None
    is_shown: bool = False
    is_main: bool = False
    mean_over: Literal["samples", "classes"] | None = None
    influence: str | Callable[..., Any] | None = None
    chance_of: str = ""
    means_collapse: bool = False
    summary: str = ""
    source: str = ""
    old_names: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Return the head of its column: label and unit."""
        label = self.label or self.name.replace("_", " ")
        return f"{label} ({self.unit})" if self.unit else label

    @property
    def is_derived(self) -> bool:
        """Return whether the harness computes it from stored answers."""
        return self.compute is not None and not self.chance_of

    @property
    def covers_samples(self) -> bool:
        """Return whether its variance over test samples is known where predictions are stored."""
        return self.mean_over is not None or self.influence is not None

    def format(self, value: float) -> str:
        """Format a value with the digits of the metric."""
        return f"{value:.{self.digits}f}"

    def implementation(self) -> Callable[..., Any]:
        """Return the function that `compute` names; raises ImplementationError in one line."""
        if self.compute is None:
            raise ImplementationError(f"{self.name!r}: has no function; a protocol reports it")
        try:
            return load_implementation(self.compute)
        except ImplementationError as error:
            raise ImplementationError(f"{self.name!r}: {str(error).replace('build=', 'compute=')}") from error

    def influence_function(self) -> Callable[..., Any]:
        """Return the function that `influence` names; raises ImplementationError in one line."""
        if self.influence is None:
            raise ImplementationError(f"{self.name!r}: has no influence function")
        try:
            return load_implementation(self.influence)
        except ImplementationError as error:
            raise ImplementationError(f"{self.name!r}: {str(error).replace('build=', 'influence=')}") from error
