"""Print the comparison of two runs: overall, by class, and by sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from rich.console import Console

from sslbench.analysis.statistics.run_comparison import ClassDifference, Comparison, LabelDifference
from sslbench.analysis.tables.text_tables import Colored, TextTable, format_mean
from sslbench.report.compared_runs import ComparedRuns
from sslbench.report.console.narrow_tables import print_table
from sslbench.report.console.verdicts import color_verdict
from sslbench.results.marks import marked_method

Named = TypeVar("Named", ClassDifference, LabelDifference)
MAX_SAMPLES = 10
"""Number of listed samples that only one run classifies correctly."""
MAX_CLASSES = 20
"""Number of classes, labels or numbers shown, those with the largest absolute differences."""


def show_comparisons(console: Console, compared: Sequence[ComparedRuns]) -> None:
    """Print the paired differences of two runs on each dataset, first minus second."""
    for one in compared:
        first, second = run_titles(one)
        found = one.comparison
        title = (
            f"{one.dataset}, {one.protocol}: {first} minus {second}, paired over {found.test_samples:,} test samples"
        )
        _print(console, f"\n{title}", style="bold")
        print_table(console, overall_table(found, first, second))
        _print(console, "± is the half-width of the 95 % interval over seeds and test samples", style="dim")
        if found.classes:
            _show_classes(console, found.classes, first, second)
        if found.labels:
            _show_labels(console, found.labels, first, second)
        if found.classes or found.only_first or found.only_second:
            for name, ids in ((first, found.only_first), (second, found.only_second)):
                _print(console, f"{describe_samples(name, ids, MAX_SAMPLES)}")


def _show_classes(console: Console, classes: Sequence[ClassDifference], first: str, second: str) -> None:
    shown = largest_differences(classes)
    console.print()
    _print(console, "recall by class", style="bold")
    print_table(console, classes_table(shown, first, second))
    if len(shown) < len(classes):
        _print(console, f"{len(classes) - len(shown)} more classes with smaller differences", style="dim")
    _print(console, "p is corrected for the number of classes (Holm); –: one seed", style="dim")


def _show_labels(console: Console, labels: Sequence[LabelDifference], first: str, second: str) -> None:
    for metric in dict.fromkeys(one.metric for one in labels):
        own = [one for one in labels if one.metric == metric]
        shown = largest_differences(own)
        console.print()
        _print(console, f"{metric.replace('_', ' ')} by name", style="bold")
        print_table(console, labels_table(shown, first, second))
        if len(shown) < len(own):
            _print(console, f"{len(own) - len(shown)} more with smaller differences", style="dim")
    for line in (
        "± is the half-width of the 95 % interval; p is corrected for the number of rows of its table (Holm)",
        "–: one seed, or fewer than two test samples",
        "nearer: test samples that only this run decides correctly, or to whose number it is nearer",
    ):
        _print(console, line, style="dim")


def run_titles(one: ComparedRuns) -> tuple[str, str]:
    """Return titles of two runs: their methods, or their run names if the methods are the same."""
    names = [marked_method(record.method) for record in (one.first, one.second)]
    if names[0] == names[1]:
        names = [one.first.run, one.second.run]
    return names[0], names[1]


def overall_table(found: Comparison, first: str, second: str) -> TextTable:
    """Tabulate the metrics of two runs and their differences."""
    rows = [
        [
            one.metric.replace("_", " "),
            format_mean(one.first),
            format_mean(one.second),
            format_mean(one.difference, one.half_width, sign="+"),
            color_verdict(one.verdict),
        ]
        for one in found.overall
    ]
    return TextTable(headers=["metric", first, second, "difference", "verdict"], rows=rows)


def classes_table(classes: Sequence[ClassDifference], first: str, second: str) -> TextTable:
    """Tabulate recalls by class, their differences, and the number of samples that only one run classifies correctly."""
    rows = []
    for one in classes:
        gap = format_mean(one.difference, sign="+")
        gap = Colored(gap, "green" if one.difference > 0 else "red") if one.differs else gap
        counts = (str(one.test_samples), str(one.only_first), str(one.only_second))
        rows.append([one.name, format_mean(one.first), format_mean(one.second), gap, format_mean(one.p), *counts])
    headers = ["class", first, second, "difference", "p", "test samples", f"only {first}", f"only {second}"]
    return TextTable(headers=headers, rows=rows)


def labels_table(labels: Sequence[LabelDifference], first: str, second: str) -> TextTable:
    """Tabulate one metric by label or number, its differences, and the number of samples to which one run is nearer."""
    rows = []
    for one in labels:
        is_better = (one.difference > 0) == one.higher_is_better
        gap = format_mean(one.difference, one.half_width, sign="+")
        gap = Colored(gap, "green" if is_better else "red") if one.differs else gap
        counts = (str(one.test_samples), str(one.only_first), str(one.only_second))
        rows.append([one.name, format_mean(one.first), format_mean(one.second), gap, format_mean(one.p), *counts])
    headers = ["name", first, second, "difference", "p", "test samples", f"nearer: {first}", f"nearer: {second}"]
    return TextTable(headers=headers, rows=rows)


def largest_differences(classes: Sequence[Named], most: int = MAX_CLASSES) -> list[Named]:
    """Keep the classes, labels or numbers with the largest differences in either direction, in their order."""
    kept = {one.name for one in sorted(classes, key=lambda one: -abs(one.difference))[:most]}
    return [one for one in classes if one.name in kept]


def describe_samples(name: str, ids: Sequence[str], most: int) -> str:
    """Count and list the samples that only one run predicts correctly."""
    more = f" and {len(ids) - most:,} more" if len(ids) > most else ""
    listed = f": {', '.join(ids[:most])}{more}" if ids else ""
    return f"predicted correctly only by {name}, in most seeds: {len(ids):,}{listed}"


def _print(console: Console, text: str, *, style: str = "") -> None:
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)
