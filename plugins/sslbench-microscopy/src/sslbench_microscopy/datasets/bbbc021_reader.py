"""Find the cells of BBBC021's fields, choose as many untreated as treated ones, and cut them out."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataDescription, Dataset, Modality, Source, Target
from sslbench.api.files import digest_files, find, write_atomically
from sslbench.api.images import decode_image
from sslbench_microscopy.datasets.bbbc021 import Bbbc021Config
from sslbench_microscopy.detection import find_nuclei
from sslbench_microscopy.fields import (
    UNTREATED,
    Field,
    locate_files,
    plate_of,
    read_rows,
    select_treated,
    select_untreated,
)

FOLDERS = ("bbbc021", "BBBC021", "BBBC021_v1")
SHARES = (0.5, 99.9)
"""The percentiles of a plate's untreated fields that become black and white, stain by stain."""
Cell: TypeAlias = tuple[Field, int, int]
Ranges: TypeAlias = Mapping[str, Sequence[tuple[float, float]]]


def open_screen(config: Bbbc021Config, source: Source) -> Dataset:
    """Find the tables, the fields of the compounds and the cells in them.

    Raises DataMissing for tables and plates that are not there, DataBroken where nothing is found in them.
    """
    root = find(source, FOLDERS)
    rows = read_rows(root)
    treated = select_treated(rows, config.compounds, config.doses)
    controls = select_untreated(rows, {plate_of(row) for row in treated}) if config.untreated else []
    fields = locate_files(root, source.work, [*treated, *controls])
    centers, ranges = _survey_fields(fields, config, source.versions, source.work / "cells")
    cells = [(field, y, x) for field in fields for y, x in centers[field.name]]
    if not cells:
        raise DataBroken(
            f"{root}: no cell is found in {len(fields)} fields. Lower data.area or data.side, or change data.blur"
        )
    used = match_mechanisms(cells, config.cells, untreated=config.untreated)
    if not used:
        problem = f"data.untreated: none of the {len(cells)} cells below {root} has an untreated cell on its plate"
        raise DataBroken(f"{problem}. Set data.untreated=false")
    return Cells(used, ranges, config, source.work, note_unmatched(cells, used) if not config.cells else ())


def match_mechanisms(cells: Sequence[Cell], most: int, *, untreated: bool) -> list[Cell]:
    """The treated cells and as many untreated ones of the same plates: at most `most` (0: any number), always the same."""
    order = sorted(cells, key=lambda cell: hashlib.blake2b(name_cell(cell).encode()).digest())
    treated = [cell for cell in order if cell[0].treated]
    if not untreated:
        return sorted(treated[: most or None], key=name_cell)
    against = [cell for cell in order if not cell[0].treated]
    treated = _limit_per_plate(treated, Counter(cell[0].plate for cell in against))[: most // 2 if most else None]
    return sorted([*treated, *_limit_per_plate(against, Counter(cell[0].plate for cell in treated))], key=name_cell)


def note_unmatched(cells: Sequence[Cell], used: Sequence[Cell]) -> tuple[str, ...]:
    """Note the treated cells that are left out, because their plate has fewer untreated ones."""
    there, kept = (Counter(cell[0].compound for cell in some if cell[0].treated) for some in (cells, used))
    unmatched = [
        f"{there[name] - kept[name]:,} of {there[name]:,} {name}" for name in sorted(there) if kept[name] < there[name]
    ]
    return (
        (f"treated cells left out, as their plate has fewer untreated ones: {', '.join(unmatched)}",)
        if unmatched
        else ()
    )


def _limit_per_plate(cells: Sequence[Cell], by_plate: Counter[str]) -> list[Cell]:
    """The first cells of each plate, so many."""
    taken: Counter[str] = Counter()
    kept = []
    for cell in cells:
        if taken[cell[0].plate] < by_plate[cell[0].plate]:
            taken[cell[0].plate] += 1
            kept.append(cell)
    return kept


def name_cell(cell: Cell) -> str:
    """A cell's id: its field and where in it."""
    field, y, x = cell
    return f"{field.name}#{y},{x}"


class Cells:
    """Squares of three stains about the nuclei: actin, tubulin and DNA as red, green and blue."""

    def __init__(
        self, cells: Sequence[Cell], ranges: Ranges, config: Bbbc021Config, work: Path, notes: tuple[str, ...] = ()
    ) -> None:
        self.cells, self.ranges, self.side = cells, ranges, config.side
        self.work, self.notes = work, notes
        labels = [_label(field, config.label) for field, _, _ in cells]
        names = tuple(sorted(set(labels) - {""}))
        codes = {name: code for code, name in enumerate(names)} | {"": -1}
        self.target = Target(kind="class", names=names) if names else Target(kind="none")
        self.labels = np.array([codes[label] for label in labels], np.int64)
        facts = {"field": "name", "well": "well", "plate": "plate", "compound": "compound", "mechanism": "mechanism"}
        columns = {name: np.array([getattr(cell[0], fact) for cell in cells]) for name, fact in facts.items()}
        columns["concentration"] = np.array([f"{field.concentration:g}" for field, _, _ in cells])
        self.columns: Mapping[str, NDArray[np.str_]] = {"id": np.array([name_cell(cell) for cell in cells]), **columns}
        self.modalities: Mapping[str, Modality] = {"image": Modality(layout="image", shape=(3, self.side, self.side))}

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """One cell [3, S, S]: every stain from black to white as in its plate's untreated fields."""
        field, y, x = self.cells[row]
        top, left = y - self.side // 2, x - self.side // 2
        place = (slice(top, top + self.side), slice(left, left + self.side))
        stains = [read_stain(file)[place] for file in field.files]
        scaled = [_scale(stain, *span) for stain, span in zip(stains, self.ranges[field.plate], strict=True)]
        return {"image": np.stack(scaled)}

    def describe(self) -> DataDescription:
        """Describe the fields, and which cells are not used."""
        fields = {cell[0].name for cell in self.cells}
        facts = {"layout": f"cells cut from {len(fields):,} fields of {len({c[0].plate for c in self.cells}):,} plates"}
        margin = (self.side + 1) // 2
        return DataDescription(
            facts=facts, notes=(f"cells within {margin} pixels of an edge are left out", *self.notes)
        )

    def fingerprint(self) -> str:
        """Return a digest of the files of all cells, of the treatments, and of the positions of cells
        and how bright its plate is.
        """
        fields = list(dict.fromkeys(field for field, _, _ in self.cells))
        files = [file for field in fields for file in field.files]
        root = Path(os.path.commonpath([file.parent for file in files]))
        stains = iter(digest_files(root, files, self.work / "fingerprints"))
        digest = hashlib.blake2b(digest_size=16)
        for field in fields:
            description = (
                field.name,
                field.compound,
                field.concentration,
                field.mechanism,
                *(next(stains) for _ in field.files),
            )
            digest.update(f"{description}\n".encode())
        plates = sorted({field.plate for field in fields})
        found = (self.columns["id"].tolist(), [(plate, self.ranges[plate]) for plate in plates])
        digest.update(json.dumps(found).encode())
        return digest.hexdigest()


@lru_cache(maxsize=12)
def read_stain(file: Path) -> NDArray[np.uint16]:
    """One stain of a field [H, W]; raises DataBroken for what is no gray image."""
    try:
        stain = decode_image(file)
    except (DataBroken, OSError, ValueError, SyntaxError) as error:
        raise DataBroken(f"{file} cannot be read: {error}; fetch its plate again") from error
    if len(stain) != 1:
        raise DataBroken(f"{file} is no image of one stain: its shape is {stain.shape}; fetch its plate again")
    plane: NDArray[np.uint16] = stain[0].astype(np.uint16)
    return plane


def _label(field: Field, by: str) -> str:
    if not field.treated:
        return UNTREATED
    if by == "concentration":
        return f"{field.compound} {field.concentration:g}"
    return field.mechanism if by == "mechanism" else field.compound


def _scale(stain: NDArray[np.uint16], low: float, high: float) -> NDArray[np.uint8]:
    shares: NDArray[np.float32] = np.clip((stain.astype(np.float32) - low) / max(high - low, 1.0), 0, 1)
    return np.round(shares * 255).astype(np.uint8)


def _survey_fields(
    fields: Sequence[Field], config: Bbbc021Config, versions: Mapping[str, str], remember: Path
) -> tuple[Mapping[str, Sequence[tuple[int, int]]], Ranges]:
    """The nuclei of every field, and every plate's ranges of its stains; done once for the same files, settings and versions
    of the libraries that find them.
    """
    files = [(str(file), file.stat()) for field in fields for file in field.files]
    stats = [(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in files]
    settings = (config.side, config.blur, config.area, SHARES, 1, sorted(versions.items()))
    known = remember / f"{hashlib.blake2b(repr((stats, settings)).encode(), digest_size=16).hexdigest()}.json"
    if not known.exists():
        with ThreadPoolExecutor() as threads:
            found = list(threads.map(lambda field: _find_nuclei(field, config), fields))
        plates = sorted({field.plate for field in fields})
        ranges = {plate: _ranges([field for field in fields if field.plate == plate]) for plate in plates}
        centers = {field.name: positions for field, positions in zip(fields, found, strict=True)}
        write_atomically(known, json.dumps({"centers": centers, "ranges": ranges}).encode())
    stored = json.loads(known.read_text())
    return stored["centers"], stored["ranges"]


def _find_nuclei(field: Field, config: Bbbc021Config) -> list[tuple[int, int]]:
    margin = (config.side + 1) // 2
    return find_nuclei(read_stain(field.files[-1]), config.blur, config.area, margin)


def _ranges(fields: Sequence[Field]) -> list[tuple[float, float]]:
    """Black and white of each stain on one plate, as its untreated fields have them (all fields, where none is)."""
    among = [field for field in fields if not field.treated] or fields
    spans = []
    for place in range(len(among[0].files)):
        percentiles = [np.percentile(read_stain(field.files[place]), SHARES) for field in among]
        low, high = np.mean(percentiles, axis=0)
        spans.append((float(low), float(high)))
    return spans
