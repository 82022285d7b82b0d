"""Compute the SVG coordinates of charts: intervals, cost, labels and mean ranks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.ticker import LogLocator, MaxNLocator

from sslbench.analysis.statistics.intervals import interval_ends, mean_over_seeds
from sslbench.analysis.statistics.rank_aggregation import RankAggregate
from sslbench.api.metrics import Metric
from sslbench.leaderboard.standings.across_boards import MAX_COMPARED
from sslbench.leaderboard.standings.board import Board, BoardRow
from sslbench.leaderboard.standings.columns import SuiteMetrics

WIDTH, HEIGHT, EDGE = 640, 320, 44
STRIP = 96
"""Width in pixels of an interval in a table."""


def strip_scales(rows: Sequence[BoardRow], metrics: SuiteMetrics) -> dict[str, Callable[[float], float]]:
    """Return by metric the function from a score to its x position; all rows share one scale."""
    found = {}
    for column in metrics.scores:
        known = [row.scores[column.stored_name] for row in rows if column.stored_name in row.scores]
        ends = [end for one in known for end in interval_ends(one)]
        low, high = (max(column.metric.low, min(ends)), min(column.metric.high, max(ends))) if ends else (0.0, 1.0)
        found[column.stored_name] = _linear(low, max(high, low + 1e-3), 1, STRIP - 1)
    ranks = [end for row in rows if row.standing for end in row.standing.ranks]
    found["rank"] = _linear(1, max([2, *ranks]), 3, STRIP / 2 - 3)
    return found


def _linear(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    return lambda value: round(first + (last - first) * (min(max(value, low), high) - low) / (high - low), 1)


def cost_charts(boards: Sequence[Board], metric: Metric) -> Iterator[dict[str, Any]]:
    """Yield per board the seconds and a metric of trained entries, and the Pareto front.

    With more than MAX_COMPARED entries, the front and the best are drawn.
    """
    sign = 1 if metric.higher_is_better else -1
    for board in boards:
        timed = [(row.entry.seconds, sign * row.scores[metric.name].mean, place) for place, row in enumerate(board.rows)
                 if row.entry.seconds and metric.name in row.scores]  # fmt: skip
        if not timed:
            continue
        best, front = -math.inf, dict[int, None]()
        for _, score, place in sorted(timed, key=lambda point: (point[0], -point[1])):
            if score > best:
                best, front[place] = score, None
        others = [place for _, _, place in timed if place not in front][: max(0, MAX_COMPARED - len(front))]
        points = [(place, row.entry, row.entry.seconds or 0.0, row.scores[metric.name])
                  for place, row in zip([*front, *others], board.rows.take([*front, *others]), strict=True)]  # fmt: skip
        x_axis = _axis([math.log10(seconds) for _, _, seconds, _ in points], EDGE, WIDTH - 12)
        y_axis = _axis([one.mean for *_, one in points], HEIGHT - EDGE, 12)
        yield {
            "dataset": board.dataset, "protocol": board.protocol,
            "points": [
                {"entry": entry, "x": x_axis(math.log10(seconds)), "y": y_axis(one.mean), "seconds": seconds,
                 "score": one.mean, "ci95_half_width": one.ci95_half_width, "front": place in front}
                for place, entry, seconds, one in sorted(points, key=lambda point: (point[2], point[1].name))
            ],
            "front": [(x_axis(math.log10(seconds)), y_axis(one.mean)) for _, _, seconds, one in points[: len(front)]],
            "x_ticks": [(x_axis(math.log10(t)), f"{t:g} s") for t in _ticks([10**end for end in x_axis.ends], decades=True)],
            "y_ticks": [(y_axis(value), f"{value:g}") for value in _ticks(y_axis.ends)], "more": len(timed) - len(points),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChartAxis:
    """A linear map from an interval of values to an interval of pixels."""

    ends: tuple[float, float]
    places: tuple[float, float]

    def __call__(self, value: float) -> float:
        return _linear(*self.ends, *self.places)(value)


def _axis(values: Sequence[float], first: float, last: float) -> ChartAxis:
    low, high = min(values), max(values)
    margin = max((high - low) * 0.08, 0.01)
    return ChartAxis(ends=(low - margin, high + margin), places=(first, last))


def _ticks(ends: Sequence[float], *, decades: bool = False) -> list[float]:
    """Return round tick values between two ends: multiples of 1, 2 or 5, with `decades` times powers of ten."""
    low, high = ends
    locator = LogLocator(subs=(1, 2, 5)) if decades and high > 10 * low else MaxNLocator(5, steps=[1, 2, 5, 10])
    return [round(float(one), 9) for one in locator.tick_values(low, high) if low <= one <= high]


def label_charts(boards: Sequence[Board]) -> Iterator[dict[str, Any]]:
    """Yield per board with several fractions of labels the main metric over them, at most MAX_COMPARED entries."""
    for board in boards:
        with_curve = [place for place, result in enumerate(board.results) if result.curve]
        own = sorted(board.results.take(with_curve[:MAX_COMPARED]), key=lambda result: result.entry.name)
        if not own:
            continue
        shares = sorted({share for result in own for share in result.curve})
        x_axis = _axis([math.log10(share) for share in shares], EDGE, WIDTH - 12)
        curves = {one.entry.name: {share: mean_over_seeds(v) for share, v in one.curve.items()} for one in own}
        spans = {name: {share: interval_ends(one) for share, one in curve.items()} for name, curve in curves.items()}
        y_axis = _axis([end for span in spans.values() for ends in span.values() for end in ends], HEIGHT - EDGE, 12)
        drawn = [
            {
                "entry": name,
                "points": [
                    {"share": share, "x": x_axis(math.log10(share)), "y": y_axis(one.mean), "text": one,
                     "low": y_axis(spans[name][share][0]), "high": y_axis(spans[name][share][1])}
                    for share, one in sorted(curve.items())
                ],
            }
            for name, curve in curves.items()
        ]  # fmt: skip
        yield {
            "dataset": board.dataset, "protocol": board.protocol, "lines": drawn, "shares": shares,
            "more": len(with_curve) - len(own),
            "x_ticks": [(x_axis(math.log10(share)), f"{100 * share:g} %") for share in shares],
            "y_ticks": [(y_axis(value), f"{value:g}") for value in _ticks(y_axis.ends)],
        }  # fmt: skip


def rank_diagram(order: RankAggregate) -> dict[str, Any]:
    """Place mean ranks on a line, half of the names on each side, and bars over groups that do not differ."""
    ranks = dict(zip(order.rows["method"], order.rows["mean_rank"], strict=True))
    count = max(len(ranks), 2)
    to_x = _linear(1, count, 220, WIDTH - 220)
    top = 30 + 10 * len(order.groups)
    half = (len(ranks) + 1) // 2
    names = [
        {"entry": name, "rank": rank, "x": to_x(rank), "left": place < half,
         "y": top + 18 + 18 * (place if place < half else len(ranks) - 1 - place)}
        for place, (name, rank) in enumerate(ranks.items())
    ]  # fmt: skip
    bars = [
        {"low": to_x(ranks[group[0]]) - 3, "high": to_x(ranks[group[-1]]) + 3, "y": 26 + 10 * place}
        for place, group in enumerate(order.groups)
    ]
    ticks = [(to_x(rank), rank) for rank in sorted({1, count, *range(1, count + 1, max(1, count // 8))})]
    return {"names": names, "bars": bars, "ticks": ticks, "top": top, "height": top + 30 + 18 * half}
