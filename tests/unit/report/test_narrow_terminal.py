"""Tables show every name and every number whole, at any width of the terminal."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from sslbench.analysis.statistics.intervals import Estimate
from sslbench.analysis.tables.text_tables import TextTable
from sslbench.catalog.metrics import core_metrics
from sslbench.cli.options import LOG_WIDTH, make_console
from sslbench.report.console.narrow_tables import print_table
from sslbench.report.console.terminal import results_table

NAMES = (
    "deepcluster-v2",
    "random-init",
    "supervised (labels)",
    "a-method-of-somebody-with-a-name-of-sixty-characters-and-no-end-yet",
)
PROTOCOLS = ("clustering", "diagnostics", "finetune", "knn", "linear")


def shown(table: TextTable, width: int) -> str:
    text = io.StringIO()
    print_table(Console(file=text, width=width), table)
    return text.getvalue()


def results(names) -> list:
    rows = []
    for place, name in enumerate(names):
        cells = {
            (protocol, metric): Estimate(mean=0.1 * place + 0.011 * number, ci95_half_width=0.0123, n=3, unit="seeds")
            for number, protocol in enumerate(PROTOCOLS) for metric in ("micro_accuracy", "macro_accuracy")
        }  # fmt: skip
        record = SimpleNamespace(
            method={"name": name}, backbones={"image": {"name": "micro-cnn"}}, augmentations=[], baseline=False,
            status="unavailable" if place == 1 else "done",
        )  # fmt: skip
        rows.append(SimpleNamespace(record=record, dataset="digits", cells=cells))
    return rows


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 160, 400])
@pytest.mark.parametrize("names", [NAMES[:3], NAMES])
def test_results_show_every_name_and_number_whole(width, names):
    table = results_table(results(names), core_metrics())
    text = shown(table, width)
    assert "…" not in text
    cells = [cell for row in table.rows for cell in row[table.labels :]]
    for cell in (*names, *cells, "(unavailable)"):
        assert cell in text, (cell, text)


def test_lines_of_tables_fit_where_the_labels_and_one_column_do():
    table = results_table(results(NAMES[:3]), core_metrics())
    for width in (60, 80, 100):
        text = shown(table, width)
        assert max(map(len, text.splitlines())) <= width
        assert text.count("deepcluster-v2") > 1  # several tables, each with the names
    whole = shown(table, 400)
    assert whole.count("deepcluster-v2") == 1


def test_long_sentences_wrap_between_words():
    sentence = "hiding more of an image helps every class of the data that was measured"
    table = TextTable(headers=["claim", "verdict"], rows=[[sentence, "holds"]])
    lines = shown(table, 60).splitlines()
    assert " ".join(line[:40].strip() for line in lines[1:]) == sentence
    assert max(map(len, lines)) <= 60


def test_brackets_in_names_are_shown():
    table = TextTable(headers=["class", "recall"], rows=[["[a] species", "0.5"]])
    for width in (8, 80):
        assert "[a] species" in shown(table, width)


@pytest.mark.parametrize(("variable", "width"), [("80", 80), ("", LOG_WIDTH), ("wide", LOG_WIDTH)])
def test_a_log_is_as_wide_as_columns_says(monkeypatch, variable, width):
    monkeypatch.setenv("COLUMNS", variable)
    assert make_console().width == width
