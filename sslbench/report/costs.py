"""What a run or a study will take, and what it took, as lines. Formats; measures nothing."""

from __future__ import annotations

from collections.abc import Iterator

from sslbench.report.board import duration
from sslbench.study.estimate import Estimate


def stage_lines(found: Estimate) -> Iterator[str]:
    """Say of each kind of stage how many there are, how many are done, and about how long the others take."""
    for kind, count in found.stages.items():
        done = f", {found.done[kind]} of them done" if found.done[kind] else ""
        yield f"  {kind}: {count} distinct stages{done}, {duration(found.seconds[kind])}"


def doubt_lines(found: Estimate) -> Iterator[str]:
    """Say what an estimate does not know."""
    if found.guessed:
        yield f"{found.guessed} stages were not measured: they are judged by stages that are like them"
    if found.unknown:
        yield f"{found.unknown} stages are not counted: nothing like them was measured on this machine"
    yield from (f"not measured: {sentence}" for sentence in found.unmeasured)
