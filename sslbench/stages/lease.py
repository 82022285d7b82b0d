"""Lease folders to one process at a time, on one machine or on a shared file system.

A claim is a numbered file that is created exclusively; the claim with the highest number holds the folder. The holder
updates the time of its file at every beat. Ages are measured by the clock of the file system, so that clocks of machines may
differ; a holder that ended on this machine is detected at once. A process never removes the claim of another one that may
be alive, so a holder that was paused finds a claim with a higher number, or the finished work.
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
"""Seconds between two updates of a claim, and seconds without an update after which its holder counts as dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One numbered claim on a folder."""

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
        """Hold the claim on a folder while the block runs; yield None if a live process holds it."""
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

    def is_alive(self, path: Path) -> bool:
        """Return whether a claim was updated within the patience."""
        return _seconds_silent(path) < self.patience

    def is_abandoned(self, path: Path) -> bool:
        """Return whether a claim's holder has ended, or has not updated it for ten times the patience."""
        return _seconds_silent(path) >= 10 * self.patience

    def _acquire(self, final: Path) -> Claim | None:
        final.parent.mkdir(parents=True, exist_ok=True)
        number, latest = _latest_claim(final.parent, final.name)
        if latest is not None and self.is_alive(latest):
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
                self._thread = threading.Thread(target=self._touch_claims, daemon=True, name="leases")
                self._thread.start()

    def _touch_claims(self) -> None:
        pause = threading.Event()
        while not pause.wait(self.beat):
            with self._lock:
                for path in self._held:
                    try:
                        os.utime(path)  # without a time, the file system uses its own clock
                    except FileNotFoundError:
                        continue


def find_holder(final: Path, leases: Leases) -> Mapping[str, str | int] | None:
    """Return the process that holds a folder now, or None."""
    latest = _latest_claim(final.parent, final.name)[1]
    if latest is None or not leases.is_alive(latest):
        return None
    try:
        process: Mapping[str, str | int] = json.loads(latest.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return process


def file_system_now(folder: Path) -> float:
    """Return the time by the clock of the file system of a folder."""
    probe = folder / f".now-{os.getpid()}-{threading.get_ident()}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def remove_claims(final: Path) -> None:
    """Remove the claims on a finished folder."""
    for path in final.parent.glob(f".{final.name}.lease-*"):
        path.unlink(missing_ok=True)


def _seconds_silent(path: Path) -> float:
    """Return the seconds since a claim was updated; infinite if it was withdrawn or its holder has ended."""
    try:
        age = file_system_now(path.parent) - path.stat().st_mtime
        owner = Process(**json.loads(path.read_text()))
    except FileNotFoundError:
        return math.inf
    except (ValueError, TypeError):  # the claim is being written, or its writer was killed
        return age
    return math.inf if environment.has_ended(owner) else age


def _latest_claim(folder: Path, name: str) -> tuple[int, Path | None]:
    claims = sorted(folder.glob(f".{name}.lease-*"))
    return (int(claims[-1].name.rpartition("-")[2]), claims[-1]) if claims else (0, None)
