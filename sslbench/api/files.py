"""Finding, fingerprinting and unpacking a dataset's files: what every dataset plugin needs. No torch."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sslbench.api.errors import DataBroken, DataMissing
from sslbench.api.specs import Source

LONGEST_TITLE = 64
CHUNK = 256
T = TypeVar("T")


def find(source: Source, names: Sequence[str]) -> Path:
    """The first existing path: the user's root itself or a name inside it, then each name inside each folder.

    Raises DataMissing with every place that was looked at.
    """
    looked: list[Path] = []
    if source.root is not None:
        looked = [*(source.root / name for name in names), source.root]
    else:
        looked = [folder / name for folder in source.folders for name in names]
    for path in looked:
        if path.exists():
            return path
    raise DataMissing("looked in " + ", ".join(str(path) for path in looked))


def name_folder(title: str, root: Path | None) -> str:
    """Name a user's data by its title, else by the last part of its folder's path; '' without either.

    Of a folder's name the characters that a title may not have (see `title_problem`) become '-'.
    """
    if title or root is None:
        return title
    return re.sub(r"[^\w.-]+", "-", Path(os.path.abspath(root)).name).strip("-.")[:LONGEST_TITLE]  # noqa: PTH100 - keeps links


def title_problem(title: str) -> str:
    """Say why a title cannot be a part of file names and columns; '' where it can."""
    if re.fullmatch(rf"\w[\w.-]{{0,{LONGEST_TITLE - 1}}}", title):
        return ""
    return f"{title!r} is not possible. Use letters, digits and . _ -, at most {LONGEST_TITLE}, the first not . or -"


def read_table(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with a head, empty cells as ''; raises DataBroken where a needed column is lacking."""
    with path.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.DictReader(opened)
        there = list(reader.fieldnames or ())
        if lacking := [name for name in needed if name not in there]:
            raise DataBroken(f"{path} has no column {lacking[0]!r}; it has: {', '.join(there)}")
        return [{name: row[name] or "" for name in there} for row in reader]


def fingerprint(root: Path, files: Sequence[Path], remember: Path, known: Sequence[str] | None = None) -> str:
    """A digest of names, sizes and contents; `remember` is a folder that saves reading unchanged files again.

    `known` are the files' digests, where the caller has them.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path, content in zip(files, contents(root, files, remember) if known is None else known, strict=True):
        digest.update(f"{name_sample(root, path)}\0{path.stat().st_size}\0{content}\n".encode())
    return digest.hexdigest()


def contents(root: Path, files: Sequence[Path], remember: Path) -> Sequence[str]:
    """A digest of each file's bytes, in order: equal files have equal ones, wherever they lie."""
    known = remember / f"contents-{sign_files(root, files)}.json"
    if known.exists():
        found: list[str] = json.loads(known.read_text())
        return found
    found = map_files(_digest, files)
    if "" not in found:
        write_atomically(known, json.dumps(found).encode())
        return found
    names = (f"not read: {name_sample(root, path)}" for path in files)
    return [digest or _hash(name.encode()) for digest, name in zip(found, names, strict=True)]


def map_files(function: Callable[[Path], T], files: Sequence[Path]) -> list[T]:
    """Apply a function to files, in order, by threads that take many at a time."""
    chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    with ThreadPoolExecutor() as threads:
        return [one for found in threads.map(lambda chunk: [function(path) for path in chunk], chunks) for one in found]


def _digest(path: Path) -> str:
    """Digest a file's bytes; '' for one that cannot be read now, which is counted where it is decoded."""
    try:
        return _hash(path.read_bytes())
    except OSError:
        return ""


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def name_sample(root: Path, path: Path) -> str:
    """Name a file by its path below a root; bytes that are no UTF-8 are written as escapes."""
    text, folder = os.fspath(path), os.fspath(root) + os.sep
    # not by pathlib, which is slow for a hundred thousand files
    below = text[len(folder) :] if text.startswith(folder) else os.fspath(path.relative_to(root))
    return os.fsencode(below.replace(os.sep, "/")).decode("utf-8", "backslashreplace")


def sign_files(root: Path, files: Sequence[Path], *settings: Any) -> str:
    """Sign files by their paths, sizes and times, without reading them; `settings` distinguish what is kept of them."""
    signature = hashlib.blake2b(digest_size=16)
    for path in files:
        # two folders may hold files of equal names, sizes and times (unpacked, or written by one program): the inode and the
        # time of the last change to it, which no program sets, tell them apart
        told = (stat := path.stat()).st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
        signature.update(f"{name_sample(root, path)}\0{told}\n".encode())
    signature.update(repr(settings).encode() if settings else b"")
    return signature.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, whatever happens on the way."""
    write_parts(path, [content])


def write_parts(path: Path, parts: Iterable[bytes], *, lasting: bool = True) -> None:
    """Write a file as `write_atomically` does, from parts that need not be in memory together.

    What is not `lasting` is not waited for until the disk has it: a file that can be made again may be lost with the machine.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def unpack(archive: Path, target: Path) -> Path:
    """Extract a zip, and zips inside it, below `target`; raises DataBroken for a member that would leave it."""
    done = target / ".unpacked"
    if done.exists():
        return target
    with tempfile.TemporaryDirectory(dir=_made(target.parent), prefix=".unpack-") as scratch:
        inside = Path(scratch) / "files"
        _extract(archive, inside)
        for nested in sorted(inside.rglob("*.zip")):
            _extract(nested, nested.parent)
            nested.unlink()
        (inside / ".unpacked").touch()
        if not target.exists():
            inside.replace(target)
    return target


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _extract(archive: Path, target: Path) -> None:
    _made(target)
    try:
        with zipfile.ZipFile(archive) as zipped:
            for member in zipped.infolist():
                place = (target / member.filename).resolve()
                if not place.is_relative_to(target.resolve()) or (member.external_attr >> 28) == 0xA:
                    raise DataBroken(
                        f"{archive}: member {member.filename!r} would leave the folder; nothing is extracted"
                    )
            zipped.extractall(target)
    except zipfile.BadZipFile as error:
        raise DataBroken(f"{archive} is not a readable zip file ({error}); fetch it again") from error
