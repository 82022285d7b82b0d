"""Small charts as coordinates for SVG: intervals, cost against accuracy, labels against accuracy, mean ranks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.ticker import LogLocator, MaxNLocator

from sslbench.analysis.aggregate import Order
from sslbench.analysis.intervals import over_seeds
from sslbench.leaderboard.boards import MOST_COMPARED, Boards, Row, foremost
from sslbench.leaderboard.lines import CLUSTERED, MAIN, by_place

WIDTH, HEIGHT, EDGE = 640, 320, 44
STRIP = 96
"""Width of an interval's drawing in a table."""


def scale(rows: Sequence[Row]) -> dict[str, Callable[[float], float]]:
    """From a score to a place in its column's strip, by metric: all rows on one scale, which their intervals fill."""
    found = {}
    for metric in (MAIN, "micro_accuracy", CLUSTERED):
        known = [row.scores[metric] for row in rows if metric in row.scores]
        ends = [one.score + sign * (one.half or 0) for one in known for sign in (-1, 1)]
        low, high = (max(0.0, min(ends)), min(1.0, max(ends))) if ends else (0.0, 1.0)
        found[metric] = _linear(low, max(high, low + 1e-3), 1, STRIP - 1)
    ranks = [end for row in rows if row.standing for end in row.standing.ranks]
    found["rank"] = _linear(1, max([2, *ranks]), 3, STRIP / 2 - 3)
    return found


def _linear(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    return lambda value: round(first + (last - first) * (min(max(value, low), high) - low) / (high - low), 1)


def costs(boards: Boards) -> list[dict[str, Any]]:
    """Per dataset and protocol: each trained entry's seconds and macro accuracy, and the front that nothing beats in both.

    Of very many entries the front and the best are drawn.
    """
    charts = []
    for (dataset, protocol), rows in groupby(boards.rows, key=lambda row: (row.dataset, row.protocol)):
        timed = [(row.entry, row.entry.seconds, row.scores[MAIN]) for row in rows if MAIN in row.scores]
        own = [(entry, seconds, one) for entry, seconds, one in timed if seconds]
        if not own:
            continue
        best, front = -1.0, []
        for entry, seconds, one in sorted(own, key=lambda point: (point[1], -point[2].score)):
            if one.score > best:
                best = one.score
                front.append((entry, seconds, one))
        ahead = {entry.entry for entry, _, _ in front}
        others = [point for point in own if point[0].entry not in ahead][: max(0, MOST_COMPARED - len(front))]
        drawn = sorted([*front, *others], key=lambda point: (point[1], point[0].entry))
        across = _axis([math.log10(seconds) for _, seconds, _ in drawn], EDGE, WIDTH - 12)
        up = _axis([one.score for _, _, one in drawn], HEIGHT - EDGE, 12)
        charts.append({
            "dataset": dataset, "protocol": protocol,
            "points": [
                {"entry": entry, "x": across(math.log10(seconds)), "y": up(one.score), "seconds": seconds,
                 "score": one.score, "half": one.half, "front": entry.entry in ahead}
                for entry, seconds, one in drawn
            ],
            "front": [(across(math.log10(seconds)), up(one.score)) for _, seconds, one in front],
            "across": [(across(math.log10(t)), f"{t:g} s") for t in _round([10**end for end in across.ends], decades=True)],
            "up": [(up(value), f"{value:g}") for value in _round(up.ends)], "more": len(own) - len(drawn),
        })  # fmt: skip
    return charts


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale that holds values with some room, between two places of a drawing."""

    ends: tuple[float, float]
    places: tuple[float, float]

    def __call__(self, value: float) -> float:
        return _linear(*self.ends, *self.places)(value)


def _axis(values: Sequence[float], first: float, last: float) -> Axis:
    low, high = min(values), max(values)
    room = max((high - low) * 0.08, 0.01)
    return Axis(ends=(low - room, high + room), places=(first, last))


def _round(ends: Sequence[float], *, decades: bool = False) -> list[float]:
    """Some round numbers between two: multiples of 1, 2 or 5, or for a scale by `decades` those times powers of ten."""
    low, high = ends
    locator = LogLocator(subs=(1, 2, 5)) if decades and high > 10 * low else MaxNLocator(5, steps=[1, 2, 5, 10])
    return [round(float(one), 9) for one in locator.tick_values(low, high) if low <= one <= high]


def curves(boards: Boards) -> list[dict[str, Any]]:
    """Per dataset and protocol with several shares of labels: every entry's macro accuracy over them, of many the best."""
    charts = []
    for (dataset, protocol), lines in by_place([line for line in boards.lines if line.curve]).items():
        own = sorted(foremost(boards, lines), key=lambda line: line.entry)
        shares = sorted({share for line in own for share in line.curve})
        across = _axis([math.log10(share) for share in shares], EDGE, WIDTH - 12)
        found = {(line.entry, share): over_seeds(line.curve[share]) for line in own for share in line.curve}
        up = _axis([one.mean + sign * (one.half or 0) for one in found.values() for sign in (-1, 1)], HEIGHT - EDGE, 12)
        drawn = []
        for line in own:
            points = [
                (share, across(math.log10(share)), found[line.entry, share]) for share in shares if share in line.curve
            ]
            drawn.append({
                "entry": line.entry,
                "points": [
                    {"share": share, "x": x, "y": up(one.mean), "text": one,
                     "low": up(one.mean - (one.half or 0)), "high": up(one.mean + (one.half or 0))}
                    for share, x, one in points
                ],
            })  # fmt: skip
        charts.append({
            "dataset": dataset, "protocol": protocol, "lines": drawn, "shares": shares, "more": len(lines) - len(own),
            "across": [(across(math.log10(share)), f"{100 * share:g} %") for share in shares],
            "up": [(up(value), f"{value:g}") for value in _round(up.ends)],
        })  # fmt: skip
    return charts


def diagram(order: Order) -> dict[str, Any]:
    """Mean ranks on a line, half of the names on each side, and bars over groups that do not differ."""
    ranks = dict(zip(order.rows["method"], order.rows["mean_rank"], strict=True))
    count = max(len(ranks), 2)
    to = _linear(1, count, 220, WIDTH - 220)
    top = 30 + 10 * len(order.groups)
    half = (len(ranks) + 1) // 2
    names = [
        {"entry": name, "rank": rank, "x": to(rank), "left": place < half,
         "y": top + 18 + 18 * (place if place < half else len(ranks) - 1 - place)}
        for place, (name, rank) in enumerate(ranks.items())
    ]  # fmt: skip
    bars = [
        {"low": to(ranks[group[0]]) - 3, "high": to(ranks[group[-1]]) + 3, "y": 26 + 10 * place}
        for place, group in enumerate(order.groups)
    ]
    ticks = [(to(rank), rank) for rank in sorted({1, count, *range(1, count + 1, max(1, count // 8))})]
    return {"names": names, "bars": bars, "ticks": ticks, "top": top, "height": top + 30 + 18 * half}
