"""Leases: who is making a folder, on one machine or on a shared file system. Knows no stage and no run.

Every claim is a file of its own, numbered, made exclusively; the highest number holds. A holder touches its file at every
beat, and whether it still lives is judged by the file system's own clock, so that machines need not agree on the time. A
holder that died on this very machine is known at once. Nobody ever removes another's claim while it may live, so a holder
that was paused and comes back sees that a higher number exists, or that the work is done.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sslbench import environment
from sslbench.environment import Process

BEAT, PATIENCE = 5.0, 60.0
"""Seconds between two signs of life, and seconds without one after which a claim is dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One numbered claim on a folder that is to be made."""

    path: Path
    number: int


@dataclass(slots=True, kw_only=True)
class Leases:
    """The claims of this process, and the thread that keeps them alive."""

    owner: Process = field(default_factory=environment.this_process)
    beat: float = BEAT
    patience: float = PATIENCE
    _held: set[Path] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    @contextmanager
    def claim(self, final: Path) -> Iterator[Claim | None]:
        """Hold `final` while the block runs; None where somebody alive holds it."""
        claim = self._acquire(final)
        if claim is None:
            yield None
            return
        self._keep(claim.path)
        try:
            yield claim
        finally:
            with self._lock:
                self._held.discard(claim.path)
            claim.path.unlink(missing_ok=True)

    def alive(self, path: Path) -> bool:
        """Whether a claim's holder gives signs of life."""
        return _silence(path) < self.patience

    def abandoned(self, path: Path) -> bool:
        """Whether a claim's holder will hardly come back: it is gone, or was silent for ten times the patience."""
        return _silence(path) >= 10 * self.patience

    def _acquire(self, final: Path) -> Claim | None:
        final.parent.mkdir(parents=True, exist_ok=True)
        number, latest = _highest(final.parent, final.name)
        if latest is not None and self.alive(latest):
            return None
        path = final.parent / f".{final.name}.lease-{number + 1:04d}"
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return None
        with os.fdopen(handle, "w") as file:
            file.write(json.dumps(asdict(self.owner)))
        return Claim(path=path, number=number + 1)

    def _keep(self, path: Path) -> None:
        with self._lock:
            self._held.add(path)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._beats, daemon=True, name="leases")
                self._thread.start()

    def _beats(self) -> None:
        pause = threading.Event()
        while not pause.wait(self.beat):
            with self._lock:
                for path in self._held:
                    try:
                        os.utime(path)  # no time given: the file system writes its own
                    except FileNotFoundError:
                        continue


def holder(final: Path, leases: Leases) -> Mapping[str, str | int] | None:
    """Who is making a folder right now, if anybody alive is."""
    latest = _highest(final.parent, final.name)[1]
    if latest is None or not leases.alive(latest):
        return None
    try:
        found: Mapping[str, str | int] = json.loads(latest.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found


def file_system_now(folder: Path) -> float:
    """The time by the clock of the file system that holds a folder."""
    probe = folder / f".now-{os.getpid()}-{threading.get_ident()}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def clear(final: Path) -> None:
    """Remove what claims left beside a folder that is finished."""
    for path in final.parent.glob(f".{final.name}.lease-*"):
        path.unlink(missing_ok=True)


def _silence(path: Path) -> float:
    """Seconds since a claim's last sign of life; endless where it is withdrawn or its holder has ended."""
    try:
        age = file_system_now(path.parent) - path.stat().st_mtime
        owner = Process(**json.loads(path.read_text()))
    except FileNotFoundError:
        return math.inf
    except (ValueError, TypeError):  # it is being written just now, or its writer died in that moment
        return age
    return math.inf if environment.gone(owner) else age


def _highest(folder: Path, name: str) -> tuple[int, Path | None]:
    claims = sorted(folder.glob(f".{name}.lease-*"))
    return (int(claims[-1].name.rpartition("-")[2]), claims[-1]) if claims else (0, None)
