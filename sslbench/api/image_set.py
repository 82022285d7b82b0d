"""Read a set of image files with the same channels and one intensity range. Imports no torch.

Headers are read once and cached. A problem that the user must decide names the setting.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import PIL
import tifffile
from numpy.typing import NDArray

from sslbench.api.files import map_files, sign_files, write_atomically
from sslbench.api.image_options import ImageOptions
from sslbench.api.images import ImageHeader, convert_to_gray, decode_image, is_transient, read_header, scale_to_bytes
from sslbench.api.renamed import missing_name

PERCENTILES = (0.1, 99.9)
SAMPLED_VALUES = 2**22
"""Number of pixels per channel, over all files, from which percentiles are computed."""

VERSION = 1
RANGE_HINT = "data.intensity_range=[BLACK,WHITE]"
IntensityLimits: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]


class ImageSet:
    """Image files below `root`, read with the same options; headers and ranges are kept in `cache_folder`."""

    def __init__(self, root: Path, files: Sequence[Path], cache_folder: Path, options: ImageOptions) -> None:
        self.root, self.files, self.cache_folder, self.options = root, files, cache_folder, options

    @cached_property
    def headers(self) -> Sequence[ImageHeader]:
        """Return the header of each file."""
        cache = self._cache_file("headers", self.options.max_pixels, VERSION, PIL.__version__, tifffile.__version__)
        if cache.exists():
            return [ImageHeader(**header) for header in json.loads(cache.read_text())]
        found = map_files(lambda path: read_header(path, self.options.max_pixels), self.files)
        if not any(header.is_transient for header in found):
            write_atomically(cache, json.dumps([header.as_dict() for header in found]).encode())
        return found

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Return height and width [n, 2] of each file, 0 where it cannot be read."""
        return np.array([(header.height, header.width) for header in self.headers], np.int64).reshape(-1, 2)

    @cached_property
    def channels(self) -> int:
        """Return the number of channels of the images returned by `read`."""
        wanted = self.options.channels
        if isinstance(wanted, tuple):
            return len(wanted)
        if wanted != "auto":
            return 1 if wanted == "gray" else 3
        counts = set(self._decoded_channels())
        return max(counts, default=1) if len(counts) < 2 else 3

    def find_problems(self) -> list[str]:
        """Return the problems that settings must solve: pages, channels and ranges.

        Each begins with the setting's name without its section, which a plan adds; other settings have their full names.
        """
        return [*self._find_page_problems(), *self._find_channel_problems(), *self._find_range_problems()]

    def read(self, number: int) -> NDArray[np.uint8]:
        """Read one image as [channels, H, W]; raises errors of `decode_image`, and ValueError for other channels."""
        values = decode_image(self.files[number], self.options.pages, self.headers[number])
        if isinstance(self.options.channels, tuple):
            values = values[list(self.options.channels)]
        if values.dtype != np.uint8:
            values = scale_to_bytes(values, *self.span)
        if len(values) == self.channels:
            return values
        if self.channels == 1 and len(values) == 3:
            return convert_to_gray(values)
        if self.channels == 3 and len(values) == 1:
            return np.repeat(values, 3, axis=0)
        raise ValueError(f"has {len(values)} channels, but the other images have {self.channels}")

    @cached_property
    def span(self) -> IntensityLimits:
        """Return black and white for images of more than 8 bits: one value each, or one per channel that is not a color."""
        wanted = self.options.intensity_range
        if isinstance(wanted, tuple):
            return (wanted[0],), (wanted[1],)
        deep = [i for i, header in enumerate(self.headers) if header.dtype != "uint8" and not header.problem]
        if not deep or wanted == "type":
            limits = [np.iinfo(self.headers[i].dtype) for i in deep[:1]]
            return (float(limits[0].min) if limits else 0.0,), (float(limits[0].max) if limits else 255.0,)
        cache = self._cache_file("span", asdict(self.options), VERSION)
        if cache.exists():
            low, high = json.loads(cache.read_text())
            return tuple(low), tuple(high)
        span = self._measure_span(deep)
        write_atomically(cache, json.dumps(span).encode())
        return span

    @property
    def deep_span(self) -> IntensityLimits | None:
        """Return black and white for images of more than 8 bits; None if there are no such images."""
        return self.span if any(header.dtype != "uint8" and not header.problem for header in self.headers) else None

    def describe(self) -> dict[str, str]:
        """Return facts about the files and how they are read, by topic."""
        headers = [header for header in self.headers if not header.problem]
        found = {"formats": _count(header.format for header in headers)}
        if headers:
            sides = np.array([(header.width, header.height) for header in headers])
            (left, top), (right, bottom) = sides.min(axis=0), sides.max(axis=0)
            same = (left, top) == (right, bottom)
            found["sizes"] = f"{left} x {top} pixels" + ("" if same else f" to {right} x {bottom}")
            found["bit depth"] = self._describe_depth(headers)
            found["channels"] = self._describe_channels(headers)
        pages = [header.pages for header in headers if header.pages > 1]
        if pages:
            found["pages"] = f"{len(pages)} files have up to {max(pages)}; read with data.pages={self.options.pages}"
        if previews := sum(header.format == "MPO" for header in headers):
            found["previews"] = f"{previews} MPO files: only the first image is read; the others are previews of it"
        if rotated := sum(header.rotated for header in headers):
            found["orientation"] = f"{rotated} files are turned upright by their EXIF tag"
        if transparent := sum(header.transparent for header in headers):
            found["transparency"] = f"{transparent} files are shown on white"
        broken = [(path, header) for path, header in zip(self.files, self.headers, strict=True) if header.problem]
        if broken:
            path, header = broken[0]
            found["unreadable"] = f"{len(broken)} file(s), such as {self._relative(path)}: {header.problem}"
        return found

    def _describe_depth(self, headers: Sequence[ImageHeader]) -> str:
        text = _count(f"{header.stored_bits} bits" for header in headers)
        if any(header.dtype != "uint8" for header in headers):
            low, high = (" and ".join(f"{value:.6g}" for value in side) for side in self.span)
            wanted = self.options.intensity_range
            sources = {"percentiles": f"the percentiles {PERCENTILES[0]} and {PERCENTILES[1]} of all pixels",
                       "minmax": "the extremes of all pixels", "type": "the range of the type"}  # fmt: skip
            source = "set" if isinstance(wanted, tuple) else sources[wanted]
            text += f"; {low} is shown as black and {high} as white ({source}; setting data.intensity_range)"
        narrowed = sum(header.dtype == "uint8" and header.stored_bits > 8 for header in headers)
        return text + (f"; only the upper 8 bits of {narrowed} color PNG files are read" if narrowed else "")

    def _describe_channels(self, headers: Sequence[ImageHeader]) -> str:
        names = {1: "gray", 3: "color"}
        text = _count(names.get(header.channels, f"{header.channels} channels") for header in headers)
        colored = sum(header.channels == 3 for header in headers)
        if isinstance(self.options.channels, tuple):
            return f"{text}; channels {', '.join(map(str, self.options.channels))} are read"
        if self.channels == 1 and colored:
            return f"{text}; color is converted to gray (setting data.channels)"
        return f"{text}; read as {names.get(self.channels, f'{self.channels} channels')}"

    def _decoded_channels(self) -> list[int]:
        """Return the channels of each readable file, multiplied by its pages where all are read."""
        every = self.options.pages == "all"
        return [h.channels * (h.pages if every else 1) for h in self.headers if not h.problem]

    def _find_page_problems(self) -> list[str]:
        with_pages = [(p, h.pages) for p, h in zip(self.files, self.headers, strict=True) if h.pages > 1]
        if self.options.pages is not None or not with_pages:
            return []
        path, count = with_pages[0]
        example = f"such as {self._relative(path)} with {count}"
        choices = "data.pages to a page number such as 0, all (as channels), max or mean"
        return [f"pages: {len(with_pages)} of {len(self.files)} files have several pages, {example}. Set {choices}"]

    def _find_channel_problems(self) -> list[str]:
        wanted, counts = self.options.channels, sorted(set(self._decoded_channels()))
        if isinstance(wanted, tuple):
            fewest = min(counts, default=0)
            if all(0 <= number < fewest for number in wanted):
                return []
            written = f"channels=[{','.join(map(str, wanted))}]"
            return [f"{written}: a file has only {fewest} channels. Use numbers from 0 to {fewest - 1}"]
        if wanted == "auto" and len(counts) > 1 and not set(counts) <= {1, 3}:
            numbers = ", ".join(map(str, counts))
            return [
                f"channels: files have different numbers of channels: {numbers}. Set those to read, such as data.channels=[0]"
            ]
        if wanted != "auto" and not set(counts) <= {1, 3}:
            problem = f"channels={wanted}: files have {counts[-1]} channels, which are neither gray nor color"
            return [f"{problem}. Set data.channels=auto for all of them, or numbers such as data.channels=[0,1,2]"]
        return []

    def _find_range_problems(self) -> list[str]:
        wanted = self.options.intensity_range
        kinds = sorted({h.dtype for h in self.headers if not h.problem} - {"uint8"})
        if wanted == "type" and any(kind.startswith("float") for kind in kinds):
            return [f"intensity_range=type: files hold {kinds[0]} numbers, whose type has no range. Set {RANGE_HINT}"]
        if wanted == "type" and len(kinds) > 1:
            return [f"intensity_range=type: files are of several types: {', '.join(kinds)}. Set {RANGE_HINT}"]
        return []

    def _measure_span(self, deep: Sequence[int]) -> IntensityLimits:
        """Return black and white over all deep images that can be decoded.

        Raises transient errors, since a range that lacks some of the files must not be kept.
        """
        share = max(64, SAMPLED_VALUES // len(deep))

        def sample(number: int) -> NDArray[np.float64] | None:
            try:
                values = decode_image(self.files[number], self.options.pages, self.headers[number])
            except Exception as error:  # reported where the file is read
                if is_transient(error):
                    raise
                return None
            if isinstance(self.options.channels, tuple):
                values = values[list(self.options.channels)]
            flat = values.reshape(len(values), -1).astype(np.float64)
            if self.options.intensity_range == "minmax":
                return np.stack([flat.min(axis=1), flat.max(axis=1)], axis=1)
            return flat[:, :: max(1, flat.shape[1] // share)]

        with ThreadPoolExecutor() as threads:
            samples = [one for one in threads.map(sample, deep) if one is not None]
        if not samples:
            return (0.0,), (255.0,)
        colors = len(samples[0]) in (1, 3)
        if colors:
            samples = [one.reshape(1, -1) for one in samples]
        samples = [one for one in samples if len(one) == len(samples[0])]
        pixels = np.concatenate(samples, axis=1)
        ends = (0, 100) if self.options.intensity_range == "minmax" else PERCENTILES
        low, high = np.percentile(pixels, ends, axis=1)
        return tuple(low.tolist()), tuple(high.tolist())

    def _cache_file(self, name: str, *settings: Any) -> Path:
        """Return the cache file for results computed from these files."""
        return self.cache_folder / f"{name}-{sign_files(self.root, self.files, *settings)}.json"

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _count(names: Iterable[str]) -> str:
    """Return names with their counts, the most frequent first, such as 'PNG (40), TIFF (2)'."""
    return ", ".join(f"{name} ({count:,})" for name, count in Counter(names).most_common()) or "none"


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
