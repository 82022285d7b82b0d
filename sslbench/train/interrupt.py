"""Handle Ctrl-C and SIGTERM: a training saves a checkpoint after its current step; other work ends at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

GRACE_SECONDS = 2.0
"""Seconds in which a step may finish after the signal; a longer step is abandoned, and the last checkpoint remains."""
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Interrupted(KeyboardInterrupt):
    """A signal requested the end of this process; `code` is the exit code of that signal."""

    def __init__(self, code: int) -> None:
        super().__init__(f"ended by a signal ({code})")
        self.code = code


@dataclass(slots=True)
class _State:
    trainings: int = 0
    code: int = 0


_state = _State()


def is_requested() -> bool:
    """Return True if a signal has requested the end of the training after this step."""
    return bool(_state.code)


def stop_timer() -> None:
    """Stop the time limit of a step, which has finished; saving may take longer."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def raise_interrupted() -> None:
    """Raise Interrupted, after the training has saved a checkpoint."""
    stop_timer()  # so that the timer raises no second time during cleanup
    raise Interrupted(_state.code)


@contextmanager
def finish_step_first() -> Iterator[None]:
    """Delay signals to the end of a step while the block runs; the loop checks `is_requested` after each step."""
    _state.trainings += 1
    try:
        yield
    finally:
        _state.trainings -= 1


@contextmanager
def handle_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise Interrupted in the block, delayed as described above. For the main thread only.

    The same signal a second time takes effect at once. A different one does not, because a terminal and a parent process
    may both send a signal for the same request.
    """
    before = {number: signal.signal(number, _handle) for number in (*EXIT_CODES, signal.SIGALRM)}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _state.code = 0
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle(number: int, frame: FrameType | None) -> None:
    first, code = _state.code, EXIT_CODES.get(signal.Signals(number), 0)
    _state.code = first or code
    if code and _state.trainings:
        if not first:
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
        if first != code:
            return
    raise_interrupted()
