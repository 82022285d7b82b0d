"""Find, fingerprint and unpack the files of datasets. Imports no torch."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sslbench.api.errors import DataBroken, DataMissing
from sslbench.api.renamed import missing_name
from sslbench.api.specs import Source

MAX_TITLE_LENGTH = 64
FILES_PER_TASK = 256
SLOW_FILE = 2e-4
"""Seconds per file above which threads help; with faster files they mostly wait for Python's lock, and take longer."""
T = TypeVar("T")


def find(source: Source, names: Sequence[str]) -> Path:
    """Return the first existing path: a name inside the user's root, or the root; without a root, a name in a folder.

    Raises DataMissing with all paths that were tried.
    """
    tried: list[Path] = []
    if source.root is not None:
        tried = [*(source.root / name for name in names), source.root]
    else:
        tried = [folder / name for folder in source.folders for name in names]
    for path in tried:
        if path.exists():
            return path
    raise DataMissing("looked in " + ", ".join(str(path) for path in tried))


def name_folder(title: str, root: Path | None) -> str:
    """Return the title of a user's data, else the name of its folder; '' without either.

    Characters of the folder's name that a title may not have (see `title_problem`) become '-'.
    """
    if title or root is None:
        return title
    return re.sub(r"[^\w.-]+", "-", Path(os.path.abspath(root)).name).strip("-.")[:MAX_TITLE_LENGTH]  # noqa: PTH100 - keeps links


def title_problem(title: str) -> str:
    """Return why a title cannot be part of file names and columns; '' if it can."""
    if re.fullmatch(rf"\w[\w.-]{{0,{MAX_TITLE_LENGTH - 1}}}", title):
        return ""
    return (
        f"{title!r} is not a valid title. Use at most {MAX_TITLE_LENGTH} letters, digits and . _ -, and no . or - first"
    )


def read_table(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header, empty cells as ''; raises DataBroken if a needed column is missing."""
    with path.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.DictReader(opened)
        columns = list(reader.fieldnames or ())
        if missing := [name for name in needed if name not in columns]:
            raise DataBroken(f"{path} has no column {missing[0]!r}; it has: {', '.join(columns)}")
        return [{name: row[name] or "" for name in columns} for row in reader]


def fingerprint(root: Path, files: Sequence[Path], cache_folder: Path, digests: Sequence[str] | None = None) -> str:
    """Return a digest of names, sizes and contents.

    cache_folder: folder where digests are kept, so that unchanged files are not read again.
    digests: digests of the files, where the caller has them.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path, content in zip(
        files, digest_files(root, files, cache_folder) if digests is None else digests, strict=True
    ):
        digest.update(f"{name_sample(root, path)}\0{path.stat().st_size}\0{content}\n".encode())
    return digest.hexdigest()


def digest_files(root: Path, files: Sequence[Path], cache_folder: Path) -> Sequence[str]:
    """Return a digest of each file's bytes, in order; equal files have equal digests in every folder."""
    cache = cache_folder / f"contents-{sign_files(root, files)}.json"
    if cache.exists():
        cached: list[str] = json.loads(cache.read_text())
        return cached
    digests = map_files(_digest, files)
    if "" not in digests:
        write_atomically(cache, json.dumps(digests).encode())
        return digests
    names = (f"not read: {name_sample(root, path)}" for path in files)
    return [digest or _hash(name.encode()) for digest, name in zip(digests, names, strict=True)]


def map_files(function: Callable[[Path], T], files: Sequence[Path]) -> list[T]:
    """Return a function's result for each file, in order; threads process slow files, many at a time."""

    def process(chunk: Sequence[Path]) -> list[T]:
        return [function(path) for path in chunk]

    chunks = [files[start : start + FILES_PER_TASK] for start in range(0, len(files), FILES_PER_TASK)]
    results: list[T] = []
    for number, chunk in enumerate(chunks, start=1):
        start = time.perf_counter()
        results += process(chunk)
        if time.perf_counter() - start > SLOW_FILE * len(chunk):
            with ThreadPoolExecutor() as threads:
                return results + [one for part in threads.map(process, chunks[number:]) for one in part]
    return results


def _digest(path: Path) -> str:
    """Return the digest of a file's bytes; '' for an unreadable file, which is counted when it is decoded."""
    try:
        return _hash(path.read_bytes())
    except OSError:
        return ""


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def name_sample(root: Path, path: Path) -> str:
    """Return the name of a file: its path below a root; bytes that are not UTF-8 are escaped."""
    text, folder = os.fspath(path), os.fspath(root) + os.sep
    # pathlib is slow for a hundred thousand files
    relative = text[len(folder) :] if text.startswith(folder) else os.fspath(path.relative_to(root))
    return os.fsencode(relative.replace(os.sep, "/")).decode("utf-8", "backslashreplace")


def sign_files(root: Path, files: Sequence[Path], *settings: Any) -> str:
    """Return a digest of the paths, sizes and times of files, without reading them, and of `settings`."""
    signature = hashlib.blake2b(digest_size=16)
    for path in files:
        # unpacked folders may hold files of equal names, sizes and times: the inode and its change time, which no program
        # sets, distinguish them
        identity = (stat := path.stat()).st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
        signature.update(f"{name_sample(root, path)}\0{identity}\n".encode())
    signature.update(repr(settings).encode() if settings else b"")
    return signature.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file completely or not at all, also when the process is killed."""
    write_parts(path, [content])


def write_parts(path: Path, parts: Iterable[bytes], *, durable: bool = True) -> None:
    """Write a file as `write_atomically` does, from parts that need not fit in memory together.

    durable: wait until the disk has the file; not needed for files that can be made again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def unpack(archive: Path, target: Path) -> Path:
    """Extract a zip file, and zip files inside it, into `target`; raises DataBroken for a member that would leave it."""
    done = target / ".unpacked"
    if done.exists():
        return target
    with tempfile.TemporaryDirectory(dir=_make_folder(target.parent), prefix=".unpack-") as scratch:
        unpacked = Path(scratch) / "files"
        _extract(archive, unpacked)
        for nested in sorted(unpacked.rglob("*.zip")):
            _extract(nested, nested.parent)
            nested.unlink()
        (unpacked / ".unpacked").touch()
        if not target.exists():
            unpacked.replace(target)
    return target


def _make_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _extract(archive: Path, target: Path) -> None:
    _make_folder(target)
    try:
        with zipfile.ZipFile(archive) as zipped:
            for member in zipped.infolist():
                place = (target / member.filename).resolve()
                if not place.is_relative_to(target.resolve()) or (member.external_attr >> 28) == 0xA:
                    raise DataBroken(
                        f"{archive}: nothing was extracted, as {member.filename!r} in it is a link or outside the folder. "
                        "Download it again, or unpack it and use the folder"
                    )
            zipped.extractall(target)
    except zipfile.BadZipFile as error:
        raise DataBroken(f"{archive} is not a readable zip file ({error}). Download it again") from error


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
