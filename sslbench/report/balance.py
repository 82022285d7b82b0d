"""Describe class imbalance, small test classes, sample limits and groups of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sslbench.analysis.tables.best_row import order_protocols
from sslbench.analysis.tables.run_tables import RunRow, count_test_samples
from sslbench.results.varied import protocol_of

IMBALANCED = 10
"""Ratio of the largest to the smallest class above which classes are called imbalanced."""
FEW_TEST_SAMPLES = 10
"""Test samples below which a class is named: one prediction changes its recall by more than 0.1."""


def describe_balance(rows: Sequence[RunRow]) -> Iterator[str]:
    """Describe the class balance, small test classes, sample limits and split groups of one dataset.

    `rows` are all rows of that dataset. Yields at most four sentences; none for data without classes.
    """
    if not rows:
        return
    data = next(data for data in rows[0].record.evaluated_on if data["part"] == rows[0].dataset)
    divided = data.get("divided")
    if not divided:
        return
    least, most = divided["min"], divided["max"]
    if most > IMBALANCED * least:
        yield (
            f"imbalanced classes: {least:,} to {most:,} samples each (1 to {most / least:,.0f}); micro accuracy depends "
            "mostly on the largest classes, macro accuracy weighs all classes equally"
        )
    yield from _describe_small_classes(rows)
    yield from _describe_limits(rows, max((one["test_samples"] for one in divided.get("labels", ())), default=0))
    groups = str(divided["groups"])
    if groups.startswith("none"):
        yield f"groups: {groups.replace('none', 'none declared', 1)}; the split separates single samples"
    else:
        yield f"groups: {groups}; each group is entirely on one side of the split"


def _describe_limits(rows: Sequence[RunRow], test_samples: int) -> Iterator[str]:
    """Describe which protocols evaluate only a part of the test samples."""
    measured = {protocol_of(protocol) for row in rows for protocol, _ in row.cells}
    limits = {one["name"]: one.get("max_test_samples", 0) for row in rows for one in row.record.protocols}
    limited = [f"{name} {limit:,}" for name, limit in limits.items() if name in measured and 0 < limit < test_samples]
    if limited:
        yield f"fewer test samples: {', '.join(limited)} of {test_samples:,}"


def _describe_small_classes(rows: Sequence[RunRow]) -> Iterator[str]:
    for protocol in order_protocols(rows):
        for row in rows:
            counts = count_test_samples(row.record, row.dataset, protocol)
            if not counts:
                continue
            few = {name: count for name, count in counts.items() if count < FEW_TEST_SAMPLES}
            if few:
                name, fewest = min(few.items(), key=lambda item: (item[1], item[0]))
                have = "1 class has" if len(few) == 1 else f"{len(few)} of {len(counts)} classes have"
                yield (
                    f"{have} fewer than {FEW_TEST_SAMPLES} test samples (the fewest: {name}, {fewest}), and each is "
                    f"1/{len(counts)} of macro accuracy"
                )
            return
