"""Find the image files below a folder, and say what is skipped and why. Imports no torch."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

NOT_IMAGES = frozenset(
    {".pdf", ".eps", ".ps", ".mpg", ".mpeg", ".wmf", ".emf", ".h5", ".hdf", ".grib", ".bufr", ".fli", ".flc", ".iim"}
)
"""Extensions that Pillow knows and that hold documents, movies or arrays."""

SYSTEM_FOLDERS = frozenset(
    {"@eaDir", "$RECYCLE.BIN", "System Volume Information", "__MACOSX", "#recycle", "lost+found"}
)
"""Folders that file servers and operating systems write."""

SYSTEM_FILES = frozenset({"Thumbs.db", "desktop.ini", "Icon\r"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageListing:
    """The image files below a folder, sorted, and by reason the paths that were skipped (relative; a folder ends in '/')."""

    files: tuple[Path, ...]
    skipped: Mapping[str, tuple[str, ...]]


@cache
def image_extensions() -> frozenset[str]:
    """Return the lower-case extensions that Pillow reads as images."""
    Image.init()
    return frozenset(Image.registered_extensions()) - NOT_IMAGES


def list_images(root: Path, skip: Sequence[str] = (), own: Collection[Path] = ()) -> ImageListing:
    """List the image files below a folder, in linked folders too, each folder once.

    `skip` are patterns of relative paths that are left out; `own` are folders that sslbench writes to.
    """
    search = _Search(root, skip, {folder.resolve() for folder in own})
    search.visit(root)
    while search.links:  # after all real folders: of a folder and a link to it, the folder counts
        search.visit(search.links.pop(0))
    skipped = {reason: tuple(sorted(paths)) for reason, paths in sorted(search.skipped.items())}
    return ImageListing(files=tuple(sorted(search.files)), skipped=skipped)


class _Search:
    """One walk below a root."""

    def __init__(self, root: Path, skip: Sequence[str], own: Collection[Path]) -> None:
        self.root, self.patterns, self.own = root, skip, own
        self.files: list[Path] = []
        self.links: list[Path] = []
        self.visited: set[Path] = set()
        self.skipped: dict[str, list[str]] = {}

    def leave_out(self, reason: str, path: Path, ending: str = "") -> None:
        self.skipped.setdefault(reason, []).append(path.relative_to(self.root).as_posix() + ending)

    def visit(self, folder: Path) -> None:
        """Take the files of a folder that was not visited before, and visit its folders; links to folders wait."""
        if folder.resolve() in self.visited:
            self.leave_out("links to a folder that is read already", folder, "/")
            return
        self.visited.add(folder.resolve())
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.leave_out(f"not readable, {(error.strerror or 'unknown error').lower()}", folder, "/")
            return
        for entry in entries:
            path = Path(entry.path)
            if not entry.is_dir():
                self.take(path, is_file=entry.is_file())
            elif reason := self.reason_to_skip(path):
                self.leave_out(reason, path, "/")
            elif entry.is_symlink():
                self.links.append(path)
            else:
                self.visit(path)

    def reason_to_skip(self, folder: Path) -> str:
        """State why a folder is not read; '' where it is."""
        name = folder.name
        if self.is_named(folder):
            return "named in data.skip"
        if name.startswith(".") or name in SYSTEM_FOLDERS:
            return "hidden or system folder"
        if folder.resolve() in self.own or is_own_output(folder):
            return "written by sslbench"
        return ""

    def take(self, path: Path, *, is_file: bool) -> None:
        """Take a file that is an image by its extension, or by its content where it has none."""
        extension = path.suffix.lower()
        if self.is_named(path):
            self.leave_out("named in data.skip", path)
        elif path.name.startswith(".") or path.name in SYSTEM_FILES:
            self.leave_out("hidden or system file", path)
        elif not is_file:
            self.leave_out("not a file" if path.exists() else "broken link", path)
        elif extension in image_extensions() or (not extension and is_image(path)):
            self.files.append(path)
        else:
            self.leave_out(f"extension {extension}" if extension else "no extension and not an image", path)

    def is_named(self, path: Path) -> bool:
        return any(fnmatch.fnmatch(path.relative_to(self.root).as_posix(), pattern) for pattern in self.patterns)


def is_own_output(folder: Path) -> bool:
    """Whether sslbench wrote a folder: the folder of one run, or an output folder with a finished stage."""
    if (folder / "record.json").is_file() and (folder / "request.yaml").is_file():
        return True
    return any((folder / "stages").glob("*/*/stage.json"))


def is_image(path: Path) -> bool:
    """Whether Pillow recognizes a file by its first bytes."""
    try:
        with Image.open(path):
            return True
    except Image.DecompressionBombError:
        return True
    except Exception:  # whatever a decoder raises: it is not one that can be read
        return False
