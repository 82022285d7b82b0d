"""Format the title, intervals and pairwise verdicts of a table of runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sslbench.analysis.tables.run_tables import RunRow
from sslbench.analysis.tables.text_tables import Colored, TextTable, lay_out
from sslbench.analysis.tables.verdicts import Against, RowVerdict
from sslbench.report.balance import describe_balance
from sslbench.results.marks import joined_names, marked_method
from sslbench.results.record import Record

OPPONENTS: tuple[Against, ...] = ("best", "random")
COLORS = {"better": "green", "worse": "red"}


def results_title(rows: Sequence[RunRow]) -> str:
    """Describe the dataset, samples, recipe and seeds of a table."""
    names = list(dict.fromkeys(row.dataset for row in rows))
    if not any(row.cells for row in rows):
        return f"{', '.join(names)}: no scores"
    dataset = names[0] if len(names) == 1 else f"{len(names)} datasets"
    recipes = dict.fromkeys(row.record.recipe for row in rows if not row.record.baseline)
    recipe = f"recipe {', '.join(recipes)}; " if recipes else ""
    counts = sorted({estimate.n for row in rows for estimate in row.cells.values() if estimate.unit != "folds"})
    seeds = f"mean over {', '.join(map(str, counts))} seeds" if counts and counts != [1] else "one seed"
    samples = _describe_samples(rows[0].record, dataset) if len(names) == 1 else ""
    return f"{dataset}{samples}: {recipe}{seeds}"


def _describe_samples(record: Record, dataset: str) -> str:
    """Describe the samples, training samples and transfer of a record, in brackets."""
    facts = next(data for data in record.evaluated_on if data["part"] == dataset)
    if "samples" not in facts:
        return ""
    splits = record.settings["splits"]
    training = next((f", {t['samples']:,} used for training" for t in record.training if "samples" in t), "")
    transfer = f", from {splits['bank']} to {splits['query']}" if splits["transfer"] else ""
    return f" ({facts['samples']:,} samples{training}{transfer})"


def coverage_lines(rows: Sequence[RunRow]) -> Iterator[str]:
    """Yield the number of test samples, what each interval covers, and the class balance."""
    counts: dict[str, int] = {}
    covered: dict[str, dict[str, None]] = {}
    for row in rows:
        facts = next(data for data in row.record.evaluated_on if data["part"] == row.dataset)
        divided = facts.get("divided", {}).get("labels", ())
        tested = {one["fold"]: one["test_samples"] for one in divided}  # the same for every subset of the labels
        counts.setdefault(row.dataset, sum(tested.values()))
        for (protocol, metric), estimate in row.cells.items():
            if estimate.ci95_half_width is not None:
                covered.setdefault(estimate.unit, {})[f"{protocol} {metric}"] = None
    known = [f"{dataset} {count:,}" for dataset, count in counts.items() if count]
    listed = known[0].rpartition(" ")[2] if len(counts) == 1 and known else ", ".join(known)
    if known:
        yield f"test samples: {listed}"
    accuracies = [over for over in covered if over.endswith("test samples")]
    others = [over for over in covered if over not in accuracies]
    if accuracies:
        yield (
            "± is the half-width of a 95 % interval over "
            + " or ".join(accuracies)
            + (f"; other metrics: over {' or '.join(others)}" if others else "")
        )
    elif others:
        yield f"± is the half-width of a 95 % interval over {' or '.join(others)}"
    if "test samples" in accuracies:
        yield "one seed: the interval does not cover variation between trainings"
    for dataset in counts:
        balance = describe_balance([row for row in rows if row.dataset == dataset])
        yield from (f"{dataset}: {line}" if len(counts) > 1 else line for line in balance)


def verdict_table(verdicts: Sequence[RowVerdict], rows: Sequence[RunRow]) -> TextTable:
    """Tabulate the verdicts of one dataset's runs against the best row and the random encoder, by protocol."""
    records = {row.record.run: row.record for row in rows}
    others = {(one.protocol, one.against): records[one.other].method["name"] for one in verdicts}
    columns = {
        (protocol, against): f"{protocol}\nvs {'best' if against == 'best' else others[protocol, against]}"
        for protocol in dict.fromkeys(one.protocol for one in verdicts)
        for against in OPPONENTS
        if (protocol, against) in others
    }
    cells: dict[str, dict[tuple[str, Against], str]] = {run: {} for run in records}
    for one in verdicts:
        cells[one.run][one.protocol, one.against] = color_verdict(one.verdict)
        if one.against == "best":
            cells[one.other][one.protocol, "best"] = "best"
    backbones_differ = len({_backbones(record) for record in records.values() if record.backbones}) > 1
    augmentations_differ = len({_views(record) for record in records.values() if not record.baseline}) > 1
    laid_out = []
    for run, record in records.items():
        facts = [
            marked_method(record.method),
            _backbones(record) if backbones_differ else "",
            _views(record) if augmentations_differ else "",
        ]
        laid_out += [([", ".join(filter(None, facts))], cells[run])] if cells[run] else []
    what = f"{verdicts[0].metric.replace('_', ' ')}, 95 % interval of the paired difference"
    title = f"{verdicts[0].dataset}: which row is better? {what}"
    return lay_out(["method"], columns, laid_out, title=title)


def color_verdict(verdict: str) -> str:
    """Return a verdict in the color of its direction."""
    return Colored(verdict, COLORS[verdict]) if verdict in COLORS else verdict


def _views(record: Record) -> str:
    return joined_names(record.augmentations)


def _backbones(record: Record) -> str:
    return joined_names(record.backbones.values())
