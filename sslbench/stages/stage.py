"""Make one stage in a scratch folder, and rename the folder when the output is complete.

The scratch folder of a killed process stays, and the next process continues from its checkpoints. A process that was assumed
dead and finishes later compares its output with the existing one, and deletes its own.
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
from sslbench.api.errors import Diverged, SslbenchError, Unavailable
from sslbench.api.files import write_atomically
from sslbench.data.disk_arrays import find_disk_full
from sslbench.stages.lease import Claim, Leases, remove_claims

DONE = "stage.json"
COST_FILES = frozenset({DONE, "speed.json"})
"""Files that state costs, and may differ between two equal outputs."""
INHERITED = ("*.checkpoint", "*.safetensors")
"""Files that are taken over from an unfinished attempt; both kinds are written completely or not at all."""
MAX_KILLED_MAKERS = 10
"""Number of killed processes (out of memory, for example) after which the stage counts as failed."""
POLL_SECONDS = 0.2

State = Literal["done", "failed", "busy"]
WriteOutput = Callable[[Path], Any]
Log = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Reason why a stage has no output.

    status: status of the run.
    code: exit code of the command.
    lasting: whether it depends only on settings and versions, so that another attempt would fail too.
    """

    status: Literal["failed", "diverged", "unavailable"]
    reason: str
    stage: str = ""
    traceback: str = ""
    code: int = 1
    lasting: bool = False


def is_finished(final: Path) -> bool:
    """Return whether the output of a stage is complete."""
    return (final / DONE).exists()


def load_failure(final: Path) -> Failure | None:
    """Return the failure of the last attempt, or None."""
    try:
        return Failure(**json.loads(_failure_file(final).read_text()))
    except FileNotFoundError:
        return None


def clear_failure(final: Path) -> None:
    """Delete a failure, so that the stage is tried again; a lasting one is kept."""
    failure = load_failure(final)
    if failure is not None and not failure.lasting:
        _failure_file(final).unlink(missing_ok=True)


def load_cost(final: Path) -> dict[str, Any]:
    """Return the cost of a finished stage: `seconds` and `peak_memory` (bytes)."""
    cost: dict[str, Any] = json.loads((final / DONE).read_text())
    return cost


def finished_at(final: Path) -> int:
    """Return when a stage was finished, in nanoseconds of the file system's clock; 0 if it is not finished."""
    try:
        return (final / DONE).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def has_checkpoint(final: Path) -> bool:
    """Return whether the last attempt of an unfinished stage left a checkpoint."""
    earlier = max(final.parent.glob(f".{final.name}.part-*"), default=None)
    return earlier is not None and any(earlier.glob("*.checkpoint"))


def try_make_stage(final: Path, title: str, write: WriteOutput, leases: Leases, log: Log) -> State:
    """Make a stage unless it is finished, failed or being made; a failure is stored in a file, not raised."""
    if state := _find_state(final):
        return state
    with leases.claim(final) as claim:
        if claim is None:
            return "busy"
        if state := _find_state(final):
            return state
        try:
            if claim.number > MAX_KILLED_MAKERS:
                raise SslbenchError(
                    f"{MAX_KILLED_MAKERS} processes were killed in this step, probably for lack of memory. "
                    "Lower train.batch_size, view.size or prepare.samples, or use fewer workers"
                )
            _make_output(final, title, claim, write, leases, log)
        except Exception as error:  # a failure of this stage must not stop others
            if is_finished(final):
                return "done"
            cause = find_disk_full(error, final.parent) or error
            write_atomically(_failure_file(final), json.dumps(_describe_failure(cause, title)).encode())
            return "failed"
    remove_claims(final)
    return "done"


def make_stage(final: Path, title: str, write: WriteOutput, leases: Leases, log: Log) -> State:
    """Make a stage as `try_make_stage` does, but wait while another process makes it."""
    while (state := try_make_stage(final, title, write, leases, log)) == "busy":
        time.sleep(POLL_SECONDS)
    return state


def _find_state(final: Path) -> State | None:
    if is_finished(final):
        return "done"
    return "failed" if _failure_file(final).exists() else None


def _make_output(final: Path, title: str, claim: Claim, write: WriteOutput, leases: Leases, log: Log) -> None:
    scratch = final.parent / f".{final.name}.part-{claim.number:04d}"
    _inherit(final, scratch)
    if any(scratch.glob("*.checkpoint")):
        log(f"{title}: continues from a checkpoint")
    environment.reset_peak_memory()
    started = environment.stopwatch()
    write(scratch)
    cost = {"seconds": round(environment.stopwatch() - started, 3), "peak_memory": environment.peak_memory()}
    for checkpoint in scratch.glob("*.checkpoint"):
        checkpoint.unlink()
    write_atomically(scratch / DONE, json.dumps(cost).encode())
    if final.exists() and not is_finished(final):
        shutil.rmtree(final)  # not written by sslbench, which renames complete folders only
    try:
        scratch.rename(final)
    except OSError:
        if not is_finished(final):
            raise
        if differing := _find_differences(scratch, final):
            log(f"{final} was made twice, and the outputs differ in {', '.join(differing)}; the first is kept")
        shutil.rmtree(scratch)
    for part in final.parent.glob(f".{final.name}.part-*"):
        if leases.is_abandoned(part.with_name(part.name.replace(".part-", ".lease-"))):
            shutil.rmtree(part, ignore_errors=True)


def _inherit(final: Path, scratch: Path) -> None:
    """Make the scratch folder, with the checkpoints of the last unfinished attempt."""
    earlier = max(final.parent.glob(f".{final.name}.part-*"), default=scratch)
    inherited = {path.name: path.read_bytes() for pattern in INHERITED for path in earlier.glob(pattern)}
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name, content in inherited.items():
        (scratch / name).write_bytes(content)


def _find_differences(one: Path, other: Path) -> Sequence[str]:
    first, second = _digest_files(one), _digest_files(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def _digest_files(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in COST_FILES]
    return {str(p.relative_to(folder)): hashlib.blake2b(p.read_bytes()).hexdigest() for p in files}


def _describe_failure(error: Exception, title: str) -> dict[str, Any]:
    status = (
        "diverged" if isinstance(error, Diverged) else "unavailable" if isinstance(error, Unavailable) else "failed"
    )
    is_expected = status != "failed" or hasattr(error, "exit_code")
    return {
        "status": status,
        "reason": str(error) if is_expected else f"{type(error).__name__}: {error}",
        "stage": title,
        "traceback": "" if status != "failed" else traceback.format_exc(),
        "code": getattr(error, "exit_code", 1),
        "lasting": getattr(error, "lasting", False),
    }


def _failure_file(final: Path) -> Path:
    return final.parent / f".{final.name}.failed.json"
