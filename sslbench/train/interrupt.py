"""Ctrl-C and SIGTERM: a training ends after its present step, with a checkpoint; all else ends at once. No torch."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

GRACE = 2.0
"""Seconds that a step may take to end after the signal; a longer one is left, and its last checkpoint counts."""
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Interrupted(KeyboardInterrupt):
    """A signal asked this process to end; `code` is the exit code that tells which."""

    def __init__(self, code: int) -> None:
        super().__init__(f"ended by a signal ({code})")
        self.code = code


@dataclass(slots=True)
class _State:
    trainings: int = 0
    code: int = 0


_state = _State()


def is_requested() -> bool:
    """Tell whether a signal has asked the training to end after this step."""
    return bool(_state.code)


def stop_clock() -> None:
    """End the time limit of a step: it has ended, and what is saved after it may take longer."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def leave() -> None:
    """Raise Interrupted: the training has saved what it has."""
    stop_clock()  # not a second time, while others are told to end
    raise Interrupted(_state.code)


@contextmanager
def awaited() -> Iterator[None]:
    """Let a signal wait for the end of a step while the block runs; whoever runs steps asks `is_requested`."""
    _state.trainings += 1
    try:
        yield
    finally:
        _state.trainings -= 1


@contextmanager
def orderly_end() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the block as described above; both raise Interrupted. For the main thread only.

    The same signal a second time does not wait; another one does, for a terminal and a parent may both ask.
    """
    before = {number: signal.signal(number, _handle) for number in (*CODES, signal.SIGALRM)}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _state.code = 0
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(number: int, frame: FrameType | None) -> None:
    first, asked = _state.code, CODES.get(signal.Signals(number), 0)
    _state.code = first or asked
    if asked and _state.trainings:
        if not first:
            signal.setitimer(signal.ITIMER_REAL, GRACE)
        if first != asked:
            return
    leave()
