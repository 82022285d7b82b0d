"""Compare two finished runs on the test samples that both predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sslbench.analysis.statistics.run_comparison import Comparison, compare_answers
from sslbench.analysis.tables.best_row import DEFAULT_PROTOCOLS
from sslbench.analysis.tables.run_tables import default_answers
from sslbench.api.errors import RequestError
from sslbench.catalog.metrics import MetricTable
from sslbench.results.answers import Answers, read_answers
from sslbench.results.find import find_run
from sslbench.results.frames import read_record
from sslbench.results.record import Record
from sslbench.results.store import PREDICTIONS, VECTORS
from sslbench.results.varied import protocol_of, varied_table


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRuns:
    """Comparison of two runs on one dataset under one protocol."""

    first: Record
    second: Record
    dataset: str
    protocol: str
    comparison: Comparison


def compare_runs(first: str, second: str, out: Path, metrics: MetricTable, *, protocol: str = "") -> list[ComparedRuns]:
    """Compare two runs on every dataset that both were evaluated on.

    `first` and `second` are folders, or names of runs below `out`. Without `protocol` the first of DEFAULT_PROTOCOLS that
    both have is used. Raises RequestError for unfinished runs, and for runs without common test samples, data or protocol.
    """
    folders = [find_run(name, out) for name in (first, second)]
    records = [read_record(folder / "record.json") for folder in folders]
    if folders[0].resolve() == folders[1].resolve():
        raise RequestError([f"{second}: this is the same run as {first}. Name two different runs"])
    for name, record in zip((first, second), records, strict=True):
        if record.status not in ("done", "collapsed"):
            raise RequestError([f"{name}: this run is {record.status} and has no predictions. Name a finished run"])
    answers = [read_answers(folder.parent, record) for folder, record in zip(folders, records, strict=True)]
    parts = [[data["part"] for data in record.evaluated_on] for record in records]
    shared = [part for part in parts[0] if part in parts[1]]
    if not shared:
        datasets = " and ".join(", ".join(part) for part in parts)
        raise RequestError([f"{second}: shares no dataset with {first} ({datasets}). Name runs on the same data"])
    varied = varied_table(records)
    compared = []
    for part in shared:
        by_protocol = [
            default_answers(record, part, {record.run: own}, varied)
            for record, own in zip(records, answers, strict=True)
        ]
        chosen = _choose_protocol(by_protocol, protocol, (first, second), part)
        first_answers, second_answers = (found[chosen] for found in by_protocol)
        if problems := list(_differences(records, part, chosen, first_answers, second_answers)):
            raise RequestError([f"{second}: {problem}" for problem in problems])
        names = list(dict.fromkeys(row.name for row in records[0].classes if row.dataset == part))
        found = compare_answers(first_answers, second_answers, names, metrics)
        compared.append(
            ComparedRuns(first=records[0], second=records[1], dataset=part, protocol=chosen, comparison=found)
        )
    return compared


def _choose_protocol(by_protocol: Sequence[dict[str, Answers]], wanted: str, names: Sequence[str], part: str) -> str:
    shared = [protocol for protocol in by_protocol[0] if protocol in by_protocol[1]]
    if not shared:
        listed = "; ".join(f"{n}: {', '.join(found) or 'none'}" for n, found in zip(names, by_protocol, strict=True))
        raise RequestError([
            f"{names[1]}: no protocol predicted test samples of {part} in both runs ({listed}), or {PREDICTIONS} or "
            f"{VECTORS} is missing. Evaluate both with one protocol, such as --protocols knn"
        ])  # fmt: skip
    if wanted and wanted not in shared:
        raise RequestError([f"--protocol {wanted}: not evaluated in both runs. Use one of: {', '.join(shared)}"])
    return wanted or next((name for name in DEFAULT_PROTOCOLS if name in shared), shared[0])


def _differences(records: Sequence[Record], part: str, protocol: str, first: Answers, second: Answers) -> Iterator[str]:
    """Yield the reasons why the predictions of two runs cannot be paired."""
    data = [next(one for one in record.evaluated_on if one["part"] == part) for record in records]
    if data[0]["fingerprint"] != data[1]["fingerprint"]:
        yield f"the files of {part} differ between the two runs. Run one of them again on the same data"
    elif not first.same_samples(second):
        yield (
            f"the test samples of {part} differ between the two runs ({len(first.ids):,} and {len(second.ids):,}). "
            "Run both with the same splits, folds and prepare settings"
        )
    versions = [
        next(one["version"] for one in record.protocols if one["name"] == protocol_of(protocol)) for record in records
    ]
    if versions[0] != versions[1]:
        yield f"{protocol} has version {versions[0]} in one run and {versions[1]} in the other. Run the older one again"
