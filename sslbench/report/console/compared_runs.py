"""Print the comparison of two runs: overall, by class, and by sample."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from sslbench.analysis.statistics.run_comparison import ClassDifference, Comparison
from sslbench.analysis.tables.text_tables import Colored, TextTable, format_mean
from sslbench.report.compared_runs import ComparedRuns
from sslbench.report.console.narrow_tables import print_table
from sslbench.report.console.verdicts import color_verdict
from sslbench.results.marks import marked_method

MAX_SAMPLES = 10
"""Number of listed samples that only one run classifies correctly."""
MAX_CLASSES = 20
"""Number of classes shown, those with the largest absolute differences."""


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
        shown = largest_differences(found.classes)
        console.print()
        _print(console, "recall by class", style="bold")
        print_table(console, classes_table(shown, first, second))
        if len(shown) < len(found.classes):
            _print(console, f"{len(found.classes) - len(shown)} more classes with smaller differences", style="dim")
        _print(console, "p is corrected for the number of classes (Holm); –: one seed", style="dim")
        for name, ids in ((first, found.only_first), (second, found.only_second)):
            _print(console, f"{describe_samples(name, ids, MAX_SAMPLES)}")


def run_titles(one: ComparedRuns) -> tuple[str, str]:
    """Return titles of two runs: their methods, or their run names if the methods are the same."""
    names = [marked_method(record.method) for record in (one.first, one.second)]
    if names[0] == names[1]:
        names = [one.first.run, one.second.run]
    return names[0], names[1]


def overall_table(found: Comparison, first: str, second: str) -> TextTable:
    """Tabulate the accuracies of two runs and their differences."""
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


def largest_differences(classes: Sequence[ClassDifference], most: int = MAX_CLASSES) -> list[ClassDifference]:
    """Keep the classes with the largest differences in either direction, in their order."""
    kept = {one.name for one in sorted(classes, key=lambda one: -abs(one.difference))[:most]}
    return [one for one in classes if one.name in kept]


def describe_samples(name: str, ids: Sequence[str], most: int) -> str:
    """Count and list the samples that only one run classifies correctly."""
    more = f" and {len(ids) - most:,} more" if len(ids) > most else ""
    listed = f": {', '.join(ids[:most])}{more}" if ids else ""
    return f"classified correctly only by {name}, in most seeds: {len(ids):,}{listed}"


def _print(console: Console, text: str, *, style: str = "") -> None:
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)
