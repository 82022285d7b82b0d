"""Define the specs of protocols. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sslbench.api.defaults import may_augment, tests_on_no_training_row, zero
from sslbench.api.metrics import Metric
from sslbench.api.specs import C, Spec
from sslbench.api.values import TargetName
from sslbench.api.varied import Varied

if TYPE_CHECKING:
    from sslbench.api.modules import Evaluator
    from sslbench.api.values import Outcome


class Need(Enum):
    """Input that a protocol needs."""

    FEATURES = "one vector per sample and modality"
    SEQUENCES = "one vector per step"
    ENCODERS = "the trained encoders, a loop and the samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamedMetric:
    """A metric that a protocol named `old` up to version `until`, and names `new` now."""

    old: str
    new: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSpec(Spec[C]):
    """A protocol: a way to evaluate encoders.

    targets: kinds of labels that it takes; it is left out on data of another kind.
    views: number of augmented views of each sample that are embedded too.
    metrics: numbers that it reports, each a `Metric`, which is thereby installed; and names of other metrics, for which its
        tables have a column although they are not shown by default.
    varies: settings of which one run measures several values, the keys of `Outcome.setting`; an error for others.
    chooses: names of what it selects, the keys of `Outcome.chosen`; an error for others.
    label_fractions: whether it is repeated for each fraction in `splits.label_fractions`, and each list of labels.
    augments: whether its trainings augment samples.
    samples_seen: samples that its trainings process for a bank of a given size, for cost estimates (None: those of the data).
    is_default: whether it runs where a request names no protocol; installing a package should not change such requests.
    tests_on_training_rows: whether it tests on rows beyond the split's test part; refused where a method learned from them.
    max_test_samples: limit on the test samples (0: all); printed under tables.
    """

    build: str | Callable[[C], Evaluator]
    needs: frozenset[Need]
    targets: frozenset[TargetName]
    views: Callable[[C], int] = zero
    metrics: tuple[Metric | str, ...] = ()
    renamed_metrics: tuple[RenamedMetric, ...] = ()
    varies: tuple[Varied, ...] = ()
    chooses: tuple[str, ...] = ()
    label_fractions: bool = True
    augments: Callable[[C], bool] = may_augment
    samples_seen: Callable[[C, int], int] | None = None
    is_default: bool = False
    tests_on_training_rows: Callable[[C], bool] = tests_on_no_training_row
    max_test_samples: Callable[[C], int] = zero

    @property
    def own_metrics(self) -> tuple[Metric, ...]:
        """Return the metrics that the protocol declares."""
        return tuple(metric for metric in self.metrics if isinstance(metric, Metric))

    @property
    def shown_metrics(self) -> tuple[str, ...]:
        """Return the names of metrics that its tables show in addition to those shown by default."""
        return tuple(metric for metric in self.metrics if isinstance(metric, str))

    def find_undeclared(self, outcome: Outcome) -> Iterator[str]:
        """Yield one sentence per setting and choice of an outcome that is not declared."""
        declared = {one.name for one in self.varies}
        for name in [name for name in outcome.setting if name not in declared]:
            yield f"varies the setting {name!r}, which its spec does not declare. Add Varied(name={name!r}) to varies"
        for name in [name for name in outcome.chosen if name not in self.chooses]:
            yield f"chooses {name!r}, which its spec does not declare. Add {name!r} to chooses"
