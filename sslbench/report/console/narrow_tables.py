"""Print tables on terminals of any width without cutting a name or a number.

A table that is too wide is split into several, each with the label columns. If not even one column fits next to these, each
row is printed as several lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sslbench.analysis.tables.text_tables import Colored, TextTable

MAX_CELL_WIDTH = 40
"""Width above which a cell is wrapped between words."""
GAP = 2


def print_table(console: Console, table: TextTable) -> None:
    """Print a table of text."""
    widths = [_width(table, place) for place in range(len(table.headers))]
    blocks = list(_blocks(widths, table.labels, console.width))
    for row in table.rows if not blocks else ():
        _print_row(console, table, row)
    for place, block in enumerate(blocks):
        if place:
            console.print()
        console.print(_part(table, block, widths))


def _blocks(widths: Sequence[int], labels: int, available: int) -> Iterator[list[int]]:
    """Yield the columns of each table; nothing if a column does not fit next to the labels."""
    label_columns = list(range(labels))
    fixed = sum(widths[place] + GAP for place in label_columns)
    values = list(range(labels, len(widths)))
    if any(fixed + widths[place] > available for place in values) or (not values and fixed - GAP > available):
        return
    block: list[int] = []
    used = fixed
    for place in values:
        if block and used + widths[place] > available:
            yield [*label_columns, *block]
            block, used = [], fixed
        block.append(place)
        used += widths[place] + GAP
    yield [*label_columns, *block]


def _part(table: TextTable, block: Sequence[int], widths: Sequence[int]) -> Table:
    """Return some columns of a table, each as wide as its cells need."""
    part = Table(box=None, pad_edge=False, header_style="bold")
    for place in block:
        justify: Literal["left", "right"] = "left" if table.is_text(place) else "right"
        part.add_column(Text(table.headers[place]), justify=justify, width=widths[place], overflow="fold")
    for row in table.rows:
        part.add_row(*(_styled(row[place]) for place in block))
    return part


def _styled(cell: str) -> Text:
    text = Text(cell)
    if isinstance(cell, Colored):
        text.stylize(cell.color, cell.start)
    return text


def _print_row(console: Console, table: TextTable, row: Sequence[str]) -> None:
    names = ", ".join(filter(None, row[: table.labels]))
    console.print(names, style="bold", highlight=False, markup=False, soft_wrap=True)
    for header, cell in zip(table.headers[table.labels :], row[table.labels :], strict=True):
        if cell:
            line = Text("  ").append(f"{header}: ".replace("\n", " ")).append(_styled(cell))
            console.print(line, highlight=False, soft_wrap=True)


def _width(table: TextTable, place: int) -> int:
    """Return the width of a column: its longest line, at most MAX_CELL_WIDTH, but at least its longest word."""
    texts = (table.headers[place], *(row[place] for row in table.rows))
    lines = [cell_len(line) for text in texts for line in text.split("\n")]
    words = [cell_len(word) for text in texts for word in text.split()]
    return max(min(max(lines, default=0), MAX_CELL_WIDTH), max(words, default=0))
