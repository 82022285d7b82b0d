"""Make the pages of a static site that opens from disk: suites, classes, costs, labels and runs. Writes no file.

All text from bundles is escaped. A page runs only its own script, whose digest is in the Content-Security-Policy.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from numpy.typing import NDArray

from sslbench.analysis.tables.text_tables import format_mean
from sslbench.api.references import Published, ReferenceSpec
from sslbench.leaderboard.site.charts import cost_charts, label_charts, rank_diagram, strip_scales
from sslbench.leaderboard.site.difference_pages import difference_files, difference_pages
from sslbench.leaderboard.site.tables import (
    column_value,
    describe_numbers,
    format_row,
    split_columns,
    test_samples,
    top_rows,
)
from sslbench.leaderboard.site.tables_by_name import count_by_name, csv_name
from sslbench.leaderboard.standings.across_boards import MAX_COMPARED, SuiteBoards
from sslbench.leaderboard.standings.class_bias import count_worse_classes
from sslbench.leaderboard.standings.entries import STABLE_DIGITS, Entry, EntryResult
from sslbench.leaderboard.submission.bundle import Bundle
from sslbench.leaderboard.submission.command import flatten_request, repeat_command
from sslbench.leaderboard.submission.suite import Suite
from sslbench.report.coverage import describe_coverage
from sslbench.results.varied import protocol_of

HEAT_STEPS = 20
"""Color steps of a heat map."""


@cache
def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("sslbench.leaderboard.site"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    found.globals |= {"script": _asset("board.js"), "script_digest": _digest(_asset("board.js")), "csv_name": csv_name}
    found.filters |= {"cell": format_mean, "p": lambda p: "< 0.001" if p < 0.001 else f"{p:.3f}"}
    found.tests |= {"missing": pd.isna}
    return found


def _asset(name: str) -> str:
    return (resources.files("sslbench.leaderboard.site") / "templates" / name).read_text()


def _digest(text: str) -> str:
    """Return the digest that identifies a script in a Content-Security-Policy."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _page(name: str) -> Template:
    return _templates().get_template(name)


def front_pages(suites: Sequence[SuiteBoards]) -> Iterator[tuple[str, str]]:
    """Yield the front page and the shared style sheet."""
    yield "style.css", _asset("style.css")
    yield "index.html", _page("index.html").render(suites=suites, root=".")


def list_protocols(boards: SuiteBoards) -> list[str]:
    """List the protocols of a suite, each with the settings that its boards are of."""
    names = dict.fromkeys(board.protocol for board in boards.boards)
    own = {name: [one for one in names if protocol_of(one) == name] for name in boards.suite.protocols}
    return [shown for name, several in own.items() for shown in several or [name]]


def suite_pages(
    boards: SuiteBoards, references: Sequence[ReferenceSpec], verdicts: Sequence[tuple[str, str, str]]
) -> Iterator[tuple[str, str]]:
    """Yield every page of a suite except those of its runs."""
    name = boards.suite.name
    published = published_rows(boards.suite, references)
    tables = [
        {
            "dataset": board.dataset, "protocol": board.protocol, "scale": strip_scales(top, boards.metrics),
            "rows": [{"row": row, "text": format_row(row, boards.metrics)} for row in top],
            "more": len(board.rows) - len(top),
            "published": [one for one in published if (one[1].dataset, one[1].protocol) == (board.dataset, board.protocol)],
        }
        for board in boards.boards
        if (top := top_rows(board.rows))
    ]  # fmt: skip
    diagrams = [(place, order, rank_diagram(order)) for place, order in boards.across.orders.items()]
    counts = {name: test_samples(boards.suite, name) for name in boards.suite.datasets}
    pages: dict[str, dict[str, Any]] = {
        "suite": {
            "tables": tables, "note": describe_numbers(boards), "verdicts": verdicts, "diagrams": diagrams,
            "columns": split_columns(boards.metrics), "value": column_value, "counts": counts,
            "differences": [
                {"dataset": dataset, "protocol": protocol, "page": page}
                for (dataset, protocol), page in difference_files(boards.boards).items()
            ],
            "protocols": list_protocols(boards),
        },
        "classes": {"heatmaps": list(heatmaps(boards)), "steps": HEAT_STEPS},
        "bias": {"fields": list(class_bias_rows(boards))},
        "costs": {"charts": list(cost_charts(boards.boards, boards.metrics.main))},
        "labels": {"charts": list(label_charts(boards.boards))},
    }  # fmt: skip
    for page, values in pages.items():
        file = "index" if page == "suite" else page
        yield f"{name}/{file}.html", _page(f"{page}.html").render(root="..", boards=boards, **values)
    for path, values in difference_pages(boards):
        yield f"{name}/{path}", _page("differences.html").render(root="../..", boards=boards, **values)


def run_page(suite: Suite, bundle: Bundle, entry: Entry, results: Sequence[EntryResult]) -> tuple[str, str]:
    """Return the path and text of a run's page: facts, command, numbers by seed, and classes."""
    classes = [
        (one, list(zip(suite.datasets[one.dataset].classes, own.tolist(), strict=True)))
        for one in results
        if (own := one.scores_by_name) is not None
    ]
    return f"{suite.name}/runs/{entry.run}.html", _page("run.html").render(
        root="../..", suite=suite, bundle=bundle, entry=entry, results=results, classes=classes,
        coverage=describe_coverage([bundle.record]), command=repeat_command(bundle.record),
        settings=flatten_request(bundle.record), digests=sorted(bundle.manifest.files.items()),
    )  # fmt: skip


def published_rows(suite: Suite, references: Sequence[ReferenceSpec]) -> list[tuple[ReferenceSpec, Published]]:
    """Return the published numbers of a suite's datasets and protocols."""
    return [
        (reference, row)
        for reference in sorted(references, key=lambda one: one.name)
        for row in reference.rows
        if row.dataset in suite.datasets and row.protocol in suite.protocols
    ]


def heatmaps(boards: SuiteBoards) -> Iterator[dict[str, Any]]:
    """Yield one table per board: entries by classes, each recall with its color step; hardest classes first.

    At most MAX_COMPARED entries are included, the best first.
    """
    for board in boards.boards:
        data = boards.suite.datasets[board.dataset]
        counts, metric = count_by_name(data), ""
        known = ((one, own) for one in board.results if (own := one.scores_by_name) is not None)
        best, total, count = list[tuple[str, NDArray[np.float64]]](), np.zeros(len(counts)), 0
        for count, (one, recalls) in enumerate(known, 1):
            name, metric = one.entry.name, one.metric_by_name
            total += recalls
            if count <= MAX_COMPARED:
                best.append((name, recalls))
        if count:
            order = np.lexsort((np.array(data.classes), (total / count).round(STABLE_DIGITS))).tolist()
            yield {
                "dataset": board.dataset, "protocol": board.protocol, "metric": metric, "more": count - len(best),
                "classes": [(data.classes[code], int(counts[code])) for code in order],
                "untested": [name for name, samples in zip(data.classes, counts.tolist(), strict=True) if not samples],
                "rows": [(name, [_heat(value) for value in recalls[order].tolist()]) for name, recalls in best],
            }  # fmt: skip


def class_bias_rows(boards: SuiteBoards) -> Iterator[dict[str, Any]]:
    """Yield per board the class bias of its entries, and the classes on which most entries are worse."""
    pages = difference_files(boards.boards)
    for board in boards.boards:
        if len(board.bias):
            yield {
                "page": pages.get((board.dataset, board.protocol), ""),
                "dataset": board.dataset, "protocol": board.protocol, "rows": board.bias[:MAX_COMPARED],
                "metric": board.bias[0].metric,
                "more": len(board.bias[MAX_COMPARED:]), "often_worse": count_worse_classes(board.bias),
            }  # fmt: skip


def _heat(value: float) -> Mapping[str, Any]:
    if np.isnan(value):
        return {"text": "–", "step": 0}
    return {"text": f"{value:.2f}", "step": round(min(max(value, 0.0), 1.0) * HEAT_STEPS)}
