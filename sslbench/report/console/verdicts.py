"""Format the title, intervals and pairwise verdicts of a table of runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table

from sslbench.analysis.tables.run_tables import RunRow
from sslbench.analysis.tables.verdicts import Against, RowVerdict
from sslbench.report.balance import describe_balance
from sslbench.report.console.narrow_tables import plain_table
from sslbench.results.marks import marks_of, with_marks
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
        most = max((one["fraction"] for one in divided), default=1.0)
        largest = [one for one in divided if one["fraction"] == most]
        counts.setdefault(row.dataset, sum(one["test_samples"] for one in largest))
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


def verdict_title(verdicts: Sequence[RowVerdict], dataset: str) -> str:
    """Return the title of a dataset's verdicts."""
    metric = verdicts[0].metric.replace("_", " ")
    return f"{dataset}: which row is better? {metric}, 95 % interval of the paired difference"


def verdict_table(verdicts: Sequence[RowVerdict], rows: Sequence[RunRow]) -> Table:
    """Tabulate the verdicts of every run against the best row and the random encoder, by protocol."""
    records = {row.record.run: row.record for row in rows}
    found = {(one.run, one.protocol, one.against): one for one in verdicts}
    columns = [
        (protocol, against)
        for protocol in dict.fromkeys(one.protocol for one in verdicts)
        for against in OPPONENTS
        if any((one.protocol, one.against) == (protocol, against) for one in verdicts)
    ]
    table = plain_table()
    table.add_column("method")
    others = {(one.protocol, one.against): records[one.other].method["name"] for one in verdicts}
    for protocol, against in columns:
        table.add_column(f"{protocol}\nvs {'best' if against == 'best' else others[protocol, against]}")
    backbones_differ = len({tuple(sorted(_backbones(record))) for record in records.values() if record.backbones}) > 1
    best = {(one.protocol, one.other) for one in verdicts if one.against == "best"}
    augmentations_differ = len({_views(record) for record in records.values() if not record.baseline}) > 1
    shown = {one.run for one in verdicts} | {run for _, run in best}
    for run in [run for run in records if run in shown]:
        record = records[run]
        facts = [with_marks(record.method["name"], marks_of(record.method))]
        facts += ["+".join(_backbones(record))] if backbones_differ and record.backbones else []
        facts += [_views(record)] if augmentations_differ and record.augmentations else []
        title = ", ".join(facts)
        cells = [
            "best" if against == "best" and (protocol, run) in best else _cell(found.get((run, protocol, against)))
            for protocol, against in columns
        ]
        table.add_row(escape(title), *cells)
    return table


def _cell(one: RowVerdict | None) -> str:
    if one is None:
        return "–"
    color = COLORS.get(one.verdict)
    return f"[{color}]{one.verdict}[/]" if color else one.verdict


def _views(record: Record) -> str:
    return "+".join(augmentation["name"] for augmentation in record.augmentations)


def _backbones(record: Record) -> list[str]:
    return [backbone["name"] for backbone in record.backbones.values()]
