"""Turn exceptions that no module foresaw into one line for the user: what the system refused, or where the report is."""

from __future__ import annotations

import errno
import sys
import tempfile
import traceback
from pathlib import Path

OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "failed to map segment",
    "cannot allocate memory",
    "unable to allocate",
)
OF_THE_SYSTEM = (
    errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE,
)  # fmt: skip
"""Errors about a file that no code can prevent; a file that is not there may be a fault of sslbench or of a plugin."""
FOLDERS = "Check --out, data.root and $SSLBENCH_DATA"


def describe_failure(error: BaseException) -> str | None:
    """Return one line about a problem of the system that a user can solve; None for everything else."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or any(words in text.lower() for words in OUT_OF_MEMORY):
        return "memory: not enough for this request. Lower train.batch, view.size or prepare.samples, or use a larger machine"
    if isinstance(error, (UnicodeEncodeError, UnicodeDecodeError)):
        return f"{error.object!r:.200}: is not UTF-8 text. Rename files with such names; save text files in UTF-8"
    if isinstance(error, OSError) and error.filename is not None:
        return _describe_file(error)
    return None


def _describe_file(error: OSError) -> str | None:
    from sslbench.data.disk_arrays import find_disk_full

    path = Path(str(error.filename))
    if (full := find_disk_full(error, path.parent)) is not None:
        return str(full)
    reason = (error.strerror or type(error).__name__).lower()
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path}: {reason}. Use a folder that you may write to and files that you may read. {FOLDERS}"
    return f"{path}: {reason}. {FOLDERS}" if error.errno in OF_THE_SYSTEM else None


def write_report(error: BaseException) -> str:
    """Write a traceback to a file, and return one line with its path; the traceback itself where no file can be written."""
    from sslbench import __version__
    from sslbench.environment import host

    lines = traceback.format_exception(error)
    content = f"sslbench {__version__}\n{dict(host())}\n{sys.argv}\n\n{''.join(lines)}"
    about = f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="sslbench-error-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(content)
    except OSError:
        return f"{about}\n{content}"
    return f"{about}. This is a fault of sslbench or of a plugin. Report it with the file {file.name}"
