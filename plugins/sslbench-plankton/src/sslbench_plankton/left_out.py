"""Notes on what a reader does not use: images that nothing names, names without an image, columns that hold no numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from sslbench.api.image_listing import list_images

MAX_NAMES = 8


def note_unused_images(folder: Path, used: Collection[Path], why: str) -> list[str]:
    """Note how many images below a folder are not used, and why."""
    unused = [file for file in list_images(folder).files if file not in used]
    if not unused:
        return []
    return [f"{len(unused):,} image file(s) below {folder.name} are left out: {why}, such as {unused[0].name}"]


def note_missing_names(names: Iterable[str], files: Iterable[Path], where: str) -> list[str]:
    """Note how many file names, as a list of a split has them, are of no image or of several."""
    often = Counter(file.name for file in files)
    wanted = [Path(name).name for name in names]
    absent = [name for name in wanted if not often[name]]
    several = [name for name in wanted if often[name] > 1]
    notes = [f"{where}: {len(absent):,} name(s) match no image, such as {absent[0]}"] if absent else []
    return notes + (
        [f"{where}: {len(several):,} name(s) match several images, such as {several[0]}"] if several else []
    )


def note_unused_columns(rows: Sequence[Mapping[str, str]], used: Collection[str]) -> list[str]:
    """Note which columns of a table are no measurement, and why."""
    reasons: dict[str, list[str]] = {}
    for name in rows[0]:
        if name not in used:
            reasons.setdefault(_reason([row[name] for row in rows]), []).append(name)
    return [f"columns left out, {reason}: {_shorten(names)}" for reason, names in reasons.items()]


def _reason(cells: Sequence[str]) -> str:
    wrong = sum(not _is_number(cell) for cell in cells)
    if wrong == len(cells):
        return "which hold no numbers"
    if wrong:
        return "in which some cells are no finite number"
    return "which are the same in every row" if len(set(map(float, cells))) == 1 else "by the setting data.ignore"


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _shorten(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_NAMES]) + (f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else "")
