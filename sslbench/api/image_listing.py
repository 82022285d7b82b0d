"""List the image files below a folder, and the reasons for skipped paths. Imports no torch."""

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
"""Extensions of documents, movies and arrays that Pillow registers as images."""

SYSTEM_FOLDERS = frozenset(
    {"@eaDir", "$RECYCLE.BIN", "System Volume Information", "__MACOSX", "#recycle", "lost+found"}
)
"""Folders that file servers and operating systems create."""

SYSTEM_FILES = frozenset({"Thumbs.db", "desktop.ini", "Icon\r"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageListing:
    """Sorted image files below a folder, and relative paths that were skipped, by reason (a folder ends in '/')."""

    files: tuple[Path, ...]
    skipped: Mapping[str, tuple[str, ...]]


@cache
def image_extensions() -> frozenset[str]:
    """Return the lower-case extensions that Pillow reads as images."""
    Image.init()
    return frozenset(Image.registered_extensions()) - NOT_IMAGES


def list_images(root: Path, skip: Sequence[str] = (), own_folders: Collection[Path] = ()) -> ImageListing:
    """List the image files below a folder and below linked folders, each folder once.

    skip: patterns of relative paths to leave out.
    own_folders: folders that sslbench writes to, which are left out.
    """
    search = _Search(root, skip, {folder.resolve() for folder in own_folders})
    search.visit(root)
    while search.links:  # after all real folders, so that a folder is preferred to a link to it
        search.visit(search.links.pop(0))
    skipped = {reason: tuple(sorted(paths)) for reason, paths in sorted(search.skipped.items())}
    return ImageListing(files=tuple(sorted(search.files)), skipped=skipped)


class _Search:
    """One search below a root."""

    def __init__(self, root: Path, skip: Sequence[str], own_folders: Collection[Path]) -> None:
        self.root, self.patterns, self.own_folders = root, skip, own_folders
        self.files: list[Path] = []
        self.links: list[Path] = []
        self.visited: set[Path] = set()
        self.skipped: dict[str, list[str]] = {}

    def skip(self, reason: str, path: Path, ending: str = "") -> None:
        self.skipped.setdefault(reason, []).append(path.relative_to(self.root).as_posix() + ending)

    def visit(self, folder: Path) -> None:
        """Collect the files of a new folder and visit its folders; links to folders are visited later."""
        if folder.resolve() in self.visited:
            self.skip("links to a folder that is read already", folder, "/")
            return
        self.visited.add(folder.resolve())
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.skip(f"not readable, {(error.strerror or 'unknown error').lower()}", folder, "/")
            return
        for entry in entries:
            path = Path(entry.path)
            if not entry.is_dir():
                self.add_file(path, is_file=entry.is_file())
            elif reason := self.reason_to_skip(path):
                self.skip(reason, path, "/")
            elif entry.is_symlink():
                self.links.append(path)
            else:
                self.visit(path)

    def reason_to_skip(self, folder: Path) -> str:
        """Return why a folder is skipped; '' if it is not."""
        name = folder.name
        if self.matches_skip(folder):
            return "named in data.skip"
        if name.startswith(".") or name in SYSTEM_FOLDERS:
            return "hidden or system folder"
        if folder.resolve() in self.own_folders or is_own_output(folder):
            return "written by sslbench"
        return ""

    def add_file(self, path: Path, *, is_file: bool) -> None:
        """Collect a file that is an image by its extension, or by its content if it has none."""
        extension = path.suffix.lower()
        if self.matches_skip(path):
            self.skip("named in data.skip", path)
        elif path.name.startswith(".") or path.name in SYSTEM_FILES:
            self.skip("hidden or system file", path)
        elif not is_file:
            self.skip("not a file" if path.exists() else "broken link", path)
        elif extension in image_extensions() or (not extension and is_image(path)):
            self.files.append(path)
        else:
            self.skip(f"extension {extension}" if extension else "no extension and not an image", path)

    def matches_skip(self, path: Path) -> bool:
        return any(fnmatch.fnmatch(path.relative_to(self.root).as_posix(), pattern) for pattern in self.patterns)


def is_own_output(folder: Path) -> bool:
    """Return whether sslbench wrote a folder: the folder of a run, or an output folder with a finished stage."""
    if (folder / "record.json").is_file() and (folder / "request.yaml").is_file():
        return True
    return any((folder / "stages").glob("*/*/stage.json"))


def is_image(path: Path) -> bool:
    """Return whether Pillow recognizes a file by its first bytes."""
    try:
        with Image.open(path):
            return True
    except Image.DecompressionBombError:
        return True
    except Exception:  # a decoder may raise any error
        return False
