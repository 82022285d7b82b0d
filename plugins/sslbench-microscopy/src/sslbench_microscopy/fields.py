"""The fields of view of BBBC021, from its tables: which files show them, what was done to their cells. Opens no image."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DataBroken, DataMissing, RequestError
from sslbench.api.files import read_table, unpack

UNTREATED = "untreated"
SOLVENT = "dmso"
STAINS = ("Actin", "Tubulin", "DAPI")
"""In the order of red, green and blue."""
TABLE, MECHANISMS = "BBBC021_v1_image.csv", "BBBC021_v1_moa.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of view: a name of its own, a file per stain, where it was and what was done to its cells."""

    name: str
    files: tuple[Path, ...]
    plate: str
    well: str
    compound: str
    concentration: float
    mechanism: str

    @property
    def treated(self) -> bool:
        """Return True if its cells received a compound."""
        return self.compound.lower() != SOLVENT


def read_rows(root: Path) -> list[dict[str, str]]:
    """The published table with a column `mechanism` added ('' where none is published).

    Raises DataMissing without it, DataBroken where it lacks columns.
    """
    if not (root / TABLE).is_file():
        raise DataMissing(f"no {TABLE} in {root}")
    needed = [f"Image_{what}Name_{stain}" for stain in STAINS for what in ("Path", "File")]
    needed += [f"Image_Metadata_{what}" for what in ("Plate_DAPI", "Well_DAPI", "Compound", "Concentration")]
    known: dict[tuple[str, float], str] = {}
    if (root / MECHANISMS).is_file():
        for row in read_table(root / MECHANISMS, ("compound", "concentration", "moa")):
            known[row["compound"].lower(), _read_number(row, "concentration", MECHANISMS)] = row["moa"]
    rows = read_table(root / TABLE, needed)
    for row in rows:
        row["mechanism"] = known.get((_compound(row).lower(), _concentration(row)), "")
    return rows


def select_treated(
    rows: Sequence[Mapping[str, str]], compounds: Sequence[str], doses: Iterable[int]
) -> list[Mapping[str, str]]:
    """The rows of these compounds at these ranks of their concentrations, 1 the highest, in the table's order.

    Raises RequestError for a compound that the table has not, or one with fewer concentrations.
    """
    there = sorted({_compound(row).lower() for row in rows} - {SOLVENT})
    wanted: set[tuple[str, float]] = set()
    for name in compounds:
        if name.lower() not in there:
            near = difflib.get_close_matches(name.lower(), there, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(there[:8])}, …"
            raise RequestError([f"compounds: {name!r} is not in {TABLE}; {hint}"])
        levels = sorted({_concentration(row) for row in rows if _compound(row).lower() == name.lower()}, reverse=True)
        if max(doses) > len(levels):
            raise RequestError(
                [f"doses: {name} has {len(levels)} concentrations, so none of rank {max(doses)}. Leave it out"]
            )
        wanted |= {(name.lower(), levels[rank - 1]) for rank in doses}
    return [row for row in rows if (_compound(row).lower(), _concentration(row)) in wanted]


def select_untreated(rows: Sequence[Mapping[str, str]], plates: Iterable[str]) -> list[Mapping[str, str]]:
    """The rows of these plates whose cells met the solvent alone."""
    among = set(plates)
    return [row for row in rows if _compound(row).lower() == SOLVENT and plate_of(row) in among]


def plate_of(row: Mapping[str, str]) -> str:
    """The folder's name of a row's plate, such as Week1_22123."""
    return row["Image_PathName_DAPI"].replace("\\", "/").rstrip("/").split("/")[-1]


def locate_files(root: Path, work: Path, rows: Sequence[Mapping[str, str]]) -> list[Field]:
    """The fields of some rows, with their files; a plate's zip is unpacked into `work` once.

    Raises DataMissing for plates that are not there, DataBroken for files that a plate lacks.
    """
    folders = {plate: _plate(root, work, plate) for plate in sorted({plate_of(row) for row in rows})}
    if absent := [plate for plate, folder in folders.items() if folder is None]:
        raise DataMissing(
            f"no folder or zip of {len(absent)} of {len(folders)} plates in {root}: {', '.join(absent[:8])}"
        )
    fields = [_field(row, folders[plate_of(row)] or root) for row in rows]
    missing_files = [file for field in fields for file in field.files if not file.is_file()]
    if missing_files:
        raise DataBroken(
            f"{len(missing_files)} images of the table are missing, such as {missing_files[0]}. Get their plate again"
        )
    return fields


def _plate(root: Path, work: Path, plate: str) -> Path | None:
    folders = [*root.rglob(plate)]
    if found := next((path for path in sorted(folders) if path.is_dir()), None):
        return found
    for archive in sorted(root.rglob(f"*{plate}.zip")):
        stamp = archive.stat()
        target = unpack(archive, work / "extracted" / f"{archive.stem}-{stamp.st_size}-{stamp.st_mtime_ns}")
        return next((path for path in sorted(target.rglob(plate)) if path.is_dir()), target)
    return None


def _field(row: Mapping[str, str], folder: Path) -> Field:
    plate, well = plate_of(row), row["Image_Metadata_Well_DAPI"]
    return Field(
        name=f"{plate}/{Path(row['Image_FileName_DAPI']).stem}",
        files=tuple(folder / row[f"Image_FileName_{stain}"] for stain in STAINS),
        plate=plate,
        well=f"{plate}/{well}",
        compound=_compound(row),
        concentration=_concentration(row),
        mechanism=row["mechanism"],
    )


def _compound(row: Mapping[str, str]) -> str:
    return row["Image_Metadata_Compound"].strip()


def _concentration(row: Mapping[str, str]) -> float:
    return _read_number(row, "Image_Metadata_Concentration", TABLE)


def _read_number(row: Mapping[str, str], column: str, table: str) -> float:
    try:
        return float(row[column] or 0)
    except ValueError as error:
        problem = f"{table}: {row[column]!r} in column {column} is not a number"
        raise DataBroken(f"{problem}. Fetch the table again") from error
