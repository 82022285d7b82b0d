"""Small charts as coordinates for SVG: intervals, cost against accuracy, labels against accuracy, mean ranks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.ticker import LogLocator, MaxNLocator

from sslbench.analysis.statistics.accuracy import MAIN
from sslbench.analysis.statistics.intervals import over_seeds
from sslbench.analysis.statistics.rank_aggregation import Order
from sslbench.leaderboard.standings.across_boards import MAX_COMPARED
from sslbench.leaderboard.standings.board import Board, BoardRow
from sslbench.leaderboard.standings.entries import CLUSTER_METRIC

WIDTH, HEIGHT, EDGE = 640, 320, 44
STRIP = 96
"""Width of an interval's drawing in a table."""


def strip_scales(rows: Sequence[BoardRow]) -> dict[str, Callable[[float], float]]:
    """From a score to a place in its column's strip, by metric: all rows on one scale, which their intervals fill."""
    found = {}
    for metric in (MAIN, "micro_accuracy", CLUSTER_METRIC):
        known = [row.scores[metric] for row in rows if metric in row.scores]
        ends = [one.score + sign * (one.half or 0) for one in known for sign in (-1, 1)]
        low, high = (max(0.0, min(ends)), min(1.0, max(ends))) if ends else (0.0, 1.0)
        found[metric] = _linear(low, max(high, low + 1e-3), 1, STRIP - 1)
    ranks = [end for row in rows if row.standing for end in row.standing.ranks]
    found["rank"] = _linear(1, max([2, *ranks]), 3, STRIP / 2 - 3)
    return found


def _linear(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    return lambda value: round(first + (last - first) * (min(max(value, low), high) - low) / (high - low), 1)


def cost_charts(boards: Sequence[Board]) -> Iterator[dict[str, Any]]:
    """Per dataset and protocol: each trained entry's seconds and macro accuracy, and the front that nothing beats in both.

    Of very many entries the front and the best are drawn.
    """
    for board in boards:
        timed = [(row.entry.seconds, row.scores[MAIN].score, at) for at, row in enumerate(board.rows)
                 if row.entry.seconds and MAIN in row.scores]  # fmt: skip
        if not timed:
            continue
        best, ahead = -1.0, dict[int, None]()
        for _, score, at in sorted(timed, key=lambda point: (point[0], -point[1])):
            if score > best:
                best, ahead[at] = score, None
        others = [at for _, _, at in timed if at not in ahead][: max(0, MAX_COMPARED - len(ahead))]
        points = [(at, row.entry, row.entry.seconds or 0.0, row.scores[MAIN])
                  for at, row in zip([*ahead, *others], board.rows.take([*ahead, *others]), strict=True)]  # fmt: skip
        across = _axis([math.log10(seconds) for _, _, seconds, _ in points], EDGE, WIDTH - 12)
        up = _axis([one.score for *_, one in points], HEIGHT - EDGE, 12)
        yield {
            "dataset": board.dataset, "protocol": board.protocol,
            "points": [
                {"entry": entry, "x": across(math.log10(seconds)), "y": up(one.score), "seconds": seconds,
                 "score": one.score, "half": one.half, "front": at in ahead}
                for at, entry, seconds, one in sorted(points, key=lambda point: (point[2], point[1].name))
            ],
            "front": [(across(math.log10(seconds)), up(one.score)) for _, _, seconds, one in points[: len(ahead)]],
            "across": [(across(math.log10(t)), f"{t:g} s") for t in _ticks([10**end for end in across.ends], decades=True)],
            "up": [(up(value), f"{value:g}") for value in _ticks(up.ends)], "more": len(timed) - len(points),
        }  # fmt: skip


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


def _ticks(ends: Sequence[float], *, decades: bool = False) -> list[float]:
    """Some round numbers between two: multiples of 1, 2 or 5, or for a scale by `decades` those times powers of ten."""
    low, high = ends
    locator = LogLocator(subs=(1, 2, 5)) if decades and high > 10 * low else MaxNLocator(5, steps=[1, 2, 5, 10])
    return [round(float(one), 9) for one in locator.tick_values(low, high) if low <= one <= high]


def label_charts(boards: Sequence[Board]) -> Iterator[dict[str, Any]]:
    """Per dataset and protocol with several shares of labels: every entry's macro accuracy over them, of many the best."""
    for board in boards:
        told = [at for at, line in enumerate(board.results) if line.curve]
        own = sorted(board.results.take(told[:MAX_COMPARED]), key=lambda line: line.entry.name)
        if not own:
            continue
        shares = sorted({share for line in own for share in line.curve})
        across = _axis([math.log10(share) for share in shares], EDGE, WIDTH - 12)
        found = {(line.entry.name, share): over_seeds(line.curve[share]) for line in own for share in line.curve}
        up = _axis([one.mean + sign * (one.half or 0) for one in found.values() for sign in (-1, 1)], HEIGHT - EDGE, 12)
        drawn = []
        for line in own:
            points = [
                (share, across(math.log10(share)), found[line.entry.name, share])
                for share in shares
                if share in line.curve
            ]
            drawn.append({
                "entry": line.entry.name,
                "points": [
                    {"share": share, "x": x, "y": up(one.mean), "text": one,
                     "low": up(one.mean - (one.half or 0)), "high": up(one.mean + (one.half or 0))}
                    for share, x, one in points
                ],
            })  # fmt: skip
        yield {
            "dataset": board.dataset, "protocol": board.protocol, "lines": drawn, "shares": shares,
            "more": len(told) - len(own),
            "across": [(across(math.log10(share)), f"{100 * share:g} %") for share in shares],
            "up": [(up(value), f"{value:g}") for value in _ticks(up.ends)],
        }  # fmt: skip


def rank_diagram(order: Order) -> dict[str, Any]:
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
