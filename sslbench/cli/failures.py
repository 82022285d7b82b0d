"""Convert unexpected exceptions to one line for the user: a problem of the system, or the path of a report."""

from __future__ import annotations

import errno
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sslbench.catalog.facts import Origin

OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "failed to map segment",
    "cannot allocate memory",
    "unable to allocate",
)
SYSTEM_ERRORS = (
    errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE,
)  # fmt: skip
"""Errors about a file that no code can prevent; a missing file may instead be a fault of sslbench or of a plugin."""
FOLDER_HINT = "Check --out, data.root and $SSLBENCH_DATA"


def describe_failure(error: BaseException) -> str | None:
    """Return one line about a problem of the system that a user can solve; None for other errors."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(words in text.lower() for words in OUT_OF_MEMORY):
        return "memory: not enough for this request. Lower train.batch_size, view.size or prepare.samples"
    if isinstance(error, (UnicodeEncodeError, UnicodeDecodeError)):
        fix = "If it is the name of a file, rename the file; if it is text of a file, save it in UTF-8"
        return f"{error.object!r:.200}: is not UTF-8 text. {fix}"
    if isinstance(error, OSError) and error.filename is not None:
        return _describe_file(error)
    return None


def find_plugin(error: BaseException) -> Origin | None:
    """Return the plugin whose code is innermost in an error's traceback; None without one."""
    from sslbench.catalog.discovery import installed_entries

    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    packages = [str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame in frames]
    plugins = {entry.package: entry.origin for entry in installed_entries() if entry.package not in ("", "sslbench")}
    return next((plugins[name] for name in reversed(packages) if name in plugins), None)


def _describe_file(error: OSError) -> str | None:
    from sslbench.data.disk_arrays import find_disk_full

    path = Path(str(error.filename))
    if (full := find_disk_full(error, path.parent)) is not None:
        return str(full)
    reason = (error.strerror or type(error).__name__).lower()
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        use = "Use a folder that you may write to and files that you may read"
        return f"{path}: {reason}. {use}. {FOLDER_HINT}{_name_plugin(error)}"
    return f"{path}: {reason}. {FOLDER_HINT}{_name_plugin(error)}" if error.errno in SYSTEM_ERRORS else None


def _name_plugin(error: BaseException) -> str:
    """Return a hint to report an error in a plugin's code to its authors; '' for other errors."""
    if (origin := find_plugin(error)) is None:
        return ""
    hint = f". If these are correct, report it to the authors of the plugin {origin}"
    try:
        return f"{hint} with the file {_save_report(error)}"
    except OSError:  # no disk space to write the report
        return hint


def write_report(error: BaseException) -> str:
    """Write a traceback to a file and return one line with its path, or the traceback if no file can be written."""
    summary = f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
    origin = find_plugin(error)
    source = f"of sslbench or of the plugin {origin}" if origin else "of sslbench or of a plugin"
    try:
        return f"{summary}. This is a bug {source}. Report it with the file {_save_report(error)}"
    except OSError:
        return f"{summary}\n{_report(error)}"


def _save_report(error: BaseException) -> str:
    """Write a traceback to a new file and return its path."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="sslbench-error-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write(_report(error))
    return file.name


def _report(error: BaseException) -> str:
    from sslbench import __version__
    from sslbench.environment import describe_host

    lines = traceback.format_exception(error)
    return f"sslbench {__version__}\n{dict(describe_host())}\n{sys.argv}\n\n{''.join(lines)}"
