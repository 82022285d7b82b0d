"""Describe in one line per dataset whether learned features score above raw pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sslbench.analysis.tables.run_tables import RunRow
from sslbench.api.metrics import Derivation, Metric
from sslbench.catalog.metrics import MetricTable

LEARNED = "learned features score above pixels"
LABELS = "pixels score above features learned without labels, but not above the supervised row"
PIXELS = "pixels score as high as all learned features, so this data cannot separate good from poor methods"


def describe_learning(rows: Sequence[RunRow], metrics: MetricTable) -> Iterator[str]:
    """Yield a line per dataset that compares trained rows with the row without an encoder, by predicted classes.

    The highest row of each kind is used. Datasets where either kind is missing, or without a common protocol, are skipped.
    """
    metric = metrics.main(Derivation.CONFUSION)
    if metric is None:
        return
    for dataset in dict.fromkeys(row.dataset for row in rows):
        own = [row for row in rows if row.dataset == dataset and row.record.status == "done"]
        pixels = [row for row in own if not row.record.backbones and not _is_trained(row)]
        trained = [row for row in own if row.record.backbones and _is_trained(row)]
        self_supervised = [row for row in trained if not row.record.baseline]
        found: dict[str, list[str]] = defaultdict(list)
        for protocol in sorted({protocol for row in pixels for protocol, name in row.cells if name == metric.name}):
            pixel_best, best = _find_best(pixels, protocol, metric), _find_best(trained, protocol, metric)
            if pixel_best is None or best is None:
                continue
            own_best = _find_best(self_supervised, protocol, metric) or best
            reading = LEARNED if own_best[0] > pixel_best[0] else LABELS if best[0] > pixel_best[0] else PIXELS
            shown = best if reading == PIXELS else own_best
            found[reading].append(f"{protocol} {shown[0]:.3f} ({shown[1]}), pixels {pixel_best[0]:.3f}")
        if found:
            yield f"{dataset}: " + ". ".join(f"{reading}: {'; '.join(found[reading])}" for reading in found)


def _is_trained(row: RunRow) -> bool:
    """Return whether the row's encoders were trained in this run."""
    return any(one.get("history") for one in row.record.training)


def _find_best(rows: Sequence[RunRow], protocol: str, metric: Metric) -> tuple[float, str] | None:
    """Return the highest score under a protocol, and the method that has it."""
    scores = [
        (row.cells[protocol, metric.name].mean, row.record.method["name"])
        for row in rows
        if (protocol, metric.name) in row.cells
    ]
    return max(scores, default=None)
