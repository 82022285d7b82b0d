"""One stage: a folder under a key, made once. Whoever makes it works in a folder of its own, and the whole appears at once.

A killed maker's folder stays, and the next maker takes over its checkpoints. A maker that was held for dead and comes back
finds the work done: its result is compared with what is there, and dropped.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sslbench import environment
from sslbench.api.errors import Diverged, Unavailable
from sslbench.api.files import write_atomically
from sslbench.data.disk_arrays import find_disk_full
from sslbench.stages.lease import Claim, Leases, clear

DONE = "stage.json"
APART = frozenset({DONE, "speed.json"})
"""What two equal makings may differ in: what they cost."""
INHERITED = ("*.checkpoint", "*.safetensors")
"""What a maker can use of its predecessor's: both kinds of file are written whole or not at all."""
DEATHS = 10
"""So many makers may die of a stage (out of memory, say) before it is held to be the cause."""
POLL = 0.2

State = Literal["done", "failed", "busy"]
Make = Callable[[Path], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a stage has no output: `status` is the run's, `code` the exit code that a command ends with.

    A `lasting` one follows from settings and versions alone, so another attempt ends alike.
    """

    status: Literal["failed", "diverged", "unavailable"]
    reason: str
    stage: str = ""
    traceback: str = ""
    code: int = 1
    lasting: bool = False


def finished(final: Path) -> bool:
    """Whether a stage's output is there, whole."""
    return (final / DONE).exists()


def failure_of(final: Path) -> Failure | None:
    """What went wrong the last time, if it did."""
    try:
        return Failure(**json.loads(_failed(final).read_text()))
    except FileNotFoundError:
        return None


def forgive(final: Path) -> None:
    """Forget a failure, so that the stage is tried again; one that is lasting is kept."""
    failure = failure_of(final)
    if failure is not None and not failure.lasting:
        _failed(final).unlink(missing_ok=True)


def cost(final: Path) -> dict[str, Any]:
    """What making a stage cost."""
    found: dict[str, Any] = json.loads((final / DONE).read_text())
    return found


def stamp(final: Path) -> int:
    """When a stage was made, in nanoseconds of its file system's clock; 0 for one that is not there."""
    try:
        return (final / DONE).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def has_checkpoint(final: Path) -> bool:
    """Whether the last maker of an unfinished stage left a checkpoint."""
    earlier = max(final.parent.glob(f".{final.name}.part-*"), default=None)
    return earlier is not None and any(earlier.glob("*.checkpoint"))


def attempt(final: Path, title: str, make: Make, leases: Leases, say: Callable[[str], None]) -> State:
    """Make a stage unless it is there or somebody else is at it; a failure is kept as a file, and raised by nobody."""
    if state := _settled(final):
        return state
    with leases.claim(final) as claim:
        if claim is None:
            return "busy"
        if state := _settled(final):
            return state
        try:
            if claim.number > DEATHS:
                raise RuntimeError(f"{DEATHS} processes were killed while they made it (out of memory?)")
            _fill(final, title, claim, make, leases, say)
        except Exception as error:  # somebody's code failed: a fact about this stage, and no reason to stop others
            if finished(final):
                return "done"
            told = find_disk_full(error, final.parent) or error
            write_atomically(_failed(final), json.dumps(_described(told, title)).encode())
            return "failed"
    clear(final)
    return "done"


def produce(final: Path, title: str, make: Make, leases: Leases, say: Callable[[str], None]) -> State:
    """The same, but wait for whoever is at it."""
    while (state := attempt(final, title, make, leases, say)) == "busy":
        time.sleep(POLL)
    return state


def _settled(final: Path) -> State | None:
    if finished(final):
        return "done"
    return "failed" if _failed(final).exists() else None


def _fill(final: Path, title: str, claim: Claim, make: Make, leases: Leases, say: Callable[[str], None]) -> None:
    scratch = final.parent / f".{final.name}.part-{claim.number:04d}"
    _inherit(final, scratch)
    if any(scratch.glob("*.checkpoint")):
        say(f"{title}: goes on from a checkpoint")
    environment.forget_peak_memory()
    started = environment.stopwatch()
    make(scratch)
    spent = {"seconds": round(environment.stopwatch() - started, 3), "peak_memory": environment.peak_memory()}
    for checkpoint in scratch.glob("*.checkpoint"):
        checkpoint.unlink()
    write_atomically(scratch / DONE, json.dumps(spent).encode())
    if final.exists() and not finished(final):
        shutil.rmtree(final)  # not ours: a stage's folder appears whole
    try:
        scratch.rename(final)
    except OSError:
        if not finished(final):
            raise
        if differing := _differences(scratch, final):
            say(f"{final} was made twice and the results differ in {', '.join(differing)}; the first is kept")
        shutil.rmtree(scratch)
    for left in final.parent.glob(f".{final.name}.part-*"):
        if leases.abandoned(left.with_name(left.name.replace(".part-", ".lease-"))):
            shutil.rmtree(left, ignore_errors=True)


def _inherit(final: Path, scratch: Path) -> None:
    """Begin with what the last maker that did not finish can hand on, and nothing else."""
    earlier = max(final.parent.glob(f".{final.name}.part-*"), default=scratch)
    inherited = {path.name: path.read_bytes() for pattern in INHERITED for path in earlier.glob(pattern)}
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name, content in inherited.items():
        (scratch / name).write_bytes(content)


def _differences(one: Path, other: Path) -> Sequence[str]:
    first, second = _digests(one), _digests(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def _digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in APART]
    return {str(p.relative_to(folder)): hashlib.blake2b(p.read_bytes()).hexdigest() for p in files}


def _described(error: Exception, title: str) -> dict[str, Any]:
    status = (
        "diverged" if isinstance(error, Diverged) else "unavailable" if isinstance(error, Unavailable) else "failed"
    )
    plainly = status != "failed" or hasattr(error, "exit_code")
    return {
        "status": status,
        "reason": str(error) if plainly else f"{type(error).__name__}: {error}",
        "stage": title,
        "traceback": "" if status != "failed" else traceback.format_exc(),
        "code": getattr(error, "exit_code", 1),
        "lasting": getattr(error, "lasting", False),
    }


def _failed(final: Path) -> Path:
    return final.parent / f".{final.name}.failed.json"
