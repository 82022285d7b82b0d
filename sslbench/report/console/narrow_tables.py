"""Print tables on terminals of any width without cutting a name or a number.

A table that is too wide becomes several tables, each with the columns of labels; where not even one column fits beside
these, each row becomes lines of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

MAX_CELL_WIDTH = 40
"""Width from which a cell is wrapped between its words."""
GAP = 2


def plain_table() -> Table:
    """Return an empty table in the style of all tables here."""
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
    """Yield the columns of each table; nothing where some column does not fit beside the labels."""
    named = list(range(labels))
    fixed = sum(widths[place] + GAP for place in named)
    values = list(range(labels, len(widths)))
    if any(fixed + widths[place] > available for place in values) or (not values and fixed - GAP > available):
        return
    block: list[int] = []
    used = fixed
    for place in values:
        if block and used + widths[place] > available:
            yield [*named, *block]
            block, used = [], fixed
        block.append(place)
        used += widths[place] + GAP
    yield [*named, *block]


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
    """Return how wide a column must be: its widest line, or, for long texts, at least its longest word."""
    texts = [Text.from_markup(str(cell)) for cell in (column.header, *column.cells)]
    lines = [line.cell_len for text in texts for line in text.split("\n")]
    words = [Text(word).cell_len for text in texts for word in text.plain.split()]
    return max(min(max(lines, default=0), MAX_CELL_WIDTH), max(words, default=0))
