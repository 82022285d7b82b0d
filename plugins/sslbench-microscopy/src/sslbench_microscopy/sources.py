"""Find the source image of each cell from its file name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslbench.api import RequestError

NONE = "none"
"""In place of a pattern: no two cells belong together."""


def images_of(files: Sequence[str], pattern: str) -> NDArray[np.str_]:
    """The image that each cell was cut from, by its file's name; '' where the pattern finds none: such a cell is alone.

    Raises RequestError where it finds none at all, or one for all.
    """
    names = [Path(file).name for file in files]
    found = [re.search(pattern, name) for name in names] if pattern != NONE else [None for _ in names]
    images = ["" if match is None else match[1 if match.re.groups else 0] or "" for match in found]
    remedy = "Write a pattern for the part of a file name that names the image, or set data.source=none"
    if pattern != NONE and not any(images):
        raise RequestError([f"source={pattern}: matches no file name, such as {names[0]!r}. {remedy}"])
    if len(names) > 1 and len({*images}) == 1 and images[0]:
        raise RequestError(
            [f"source={pattern}: gives one source image, {images[0]!r}, for all {len(names)} cells. {remedy}"]
        )
    return np.array(images)
