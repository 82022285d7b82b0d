"""Print tables on terminals of any width without cutting a name or a number.

A table that is too wide is split into several, each with the label columns. If not even one column fits next to these, each
row is printed as several lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

MAX_CELL_WIDTH = 40
"""Width above which a cell is wrapped between words."""
GAP = 2


def plain_table() -> Table:
    """Return an empty table in the common style."""
    return Table(box=None, pad_edge=False, header_style="bold")


def print_table(console: Console, table: Table, labels: int) -> None:
    """Print a table whose first `labels` columns name its rows."""
    widths = [_width(column) for column in table.columns]
    blocks = list(_blocks(widths, labels, console.width))
    if not blocks:
        for row in _rows(table):
            _print_row(console, table, row, labels)
        return
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


def _part(table: Table, block: Sequence[int], widths: Sequence[int]) -> Table:
    """Return a table of some columns of another, each as wide as its cells need."""
    part = plain_table()
    for place in block:
        column = table.columns[place]
        part.add_column(column.header, justify=column.justify, width=widths[place], overflow="fold")
    for row in _rows(table):
        part.add_row(*(row[place] for place in block))
    return part


def _print_row(console: Console, table: Table, row: Sequence[str], labels: int) -> None:
    names = ", ".join(Text.from_markup(cell).plain for cell in row[:labels] if cell)
    console.print(names, style="bold", highlight=False, markup=False, soft_wrap=True)
    for column, cell in zip(table.columns[labels:], row[labels:], strict=True):
        if cell:
            header = Text.from_markup(str(column.header)).plain.replace("\n", " ")
            console.print(f"  {header}: {cell}", highlight=False, soft_wrap=True)


def _rows(table: Table) -> list[list[str]]:
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    return [list(row) for row in zip(*cells, strict=True)]


def _width(column: Column) -> int:
    """Return the width of a column: its longest line, at most MAX_CELL_WIDTH, but at least its longest word."""
    texts = [Text.from_markup(str(cell)) for cell in (column.header, *column.cells)]
    lines = [line.cell_len for text in texts for line in text.split("\n")]
    words = [Text(word).cell_len for text in texts for word in text.plain.split()]
    return max(min(max(lines, default=0), MAX_CELL_WIDTH), max(words, default=0))
