"""Find published folder trees, and read their classes, tables and annotations. Opens no image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from defusedxml import DefusedXmlException, ElementTree

from sslbench.api import DataBroken, DataMissing, Source
from sslbench.api.files import find, read_table, unpack
from sslbench.api.image_listing import list_images
from sslbench_plankton.images import Specimen


def open_tree(source: Source, names: Sequence[str], inside: str) -> Path:
    """Return the folder `inside` of a dataset's tree, at any depth; zip files, nested ones too, are extracted first.

    Raises DataMissing when there is no such folder.
    """
    place = find(source, names)
    if place.is_dir() and (found := _below(place, inside)) is not None:
        return found
    for archive in sorted(place.glob("*.zip")) if place.is_dir() else [place]:
        stamp = archive.stat()
        target = source.work / "extracted" / f"{archive.stem}-{stamp.st_size}-{stamp.st_mtime_ns}"
        if (found := _below(unpack(archive, target), inside)) is not None:
            return found
    raise DataMissing(f"no {inside or 'image'} below {place}")


def _below(place: Path, inside: str) -> Path | None:
    if not inside:
        return place if list_images(place).files else None
    if place.as_posix().endswith(f"/{inside}"):
        return place
    return next((path for path in sorted(place.rglob(inside)) if path.is_dir()), None)


def subfolders(root: Path) -> list[Path]:
    """The folders directly in `root`, in order, hidden ones left out."""
    return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def list_classes(root: Path) -> list[Specimen]:
    """Return one class per folder of `root`, with its files at any depth; raises DataBroken when there are none."""
    found = [Specimen(file=file, label=file.relative_to(root).parts[0]) for file in list_images(root).files]
    return _some(root, [specimen for specimen in found if specimen.label != specimen.file.name])


def list_unlabeled(root: Path) -> list[Specimen]:
    """Every image below `root`; raises DataBroken when there are none."""
    return _some(root, [Specimen(file=file) for file in list_images(root).files])


def apply_split_lists(found: Sequence[Specimen], lists: Mapping[str, Path]) -> list[Specimen]:
    """The same individuals, each in the part of a split whose list of file names, one a line, holds its own.

    Raises DataBroken for a name that two lists hold.
    """
    part_of: dict[str, str] = {}
    for part, path in lists.items():
        if not path.is_file():
            raise DataBroken(f"{path} is missing next to the other lists of the split. Set data.published_split=false")
        for line in list_names(path):
            if part_of.setdefault(Path(line).name, part) != part:
                raise DataBroken(
                    f"{path}: {line} is also in the list of {part_of[Path(line).name]!r}. Remove it from one of them"
                )
    return [replace(specimen, split=part_of.get(specimen.file.name, "")) for specimen in found]


def list_names(path: Path) -> list[str]:
    """List the file names of a list, one a line."""
    return list(filter(None, map(str.strip, path.read_text().splitlines())))


def read_table_classes(root: Path, table: Path, image: str, label: str) -> list[Specimen]:
    """The rows of a CSV table with a column of paths (or file names) and one of classes.

    Raises DataBroken for a table without those columns, or with rows whose image is not there or has two classes.
    """
    if not table.is_file():
        raise DataBroken(f"{table} is no file; name the table with data.table")
    files_there = list_images(root).files
    named = Counter(file.name for file in files_there)
    by_name = {file.name: file for file in files_there if named[file.name] == 1}
    rows = [(row[image], row[label]) for row in read_table(table, (image, label))]
    files = [root / path if (root / path).is_file() else by_name.get(Path(path).name) for path, _ in rows]
    absent = [path for (path, _), file in zip(rows, files, strict=True) if file is None]
    if absent:
        raise DataBroken(_explain_absent(root, table, absent, len(rows), named))
    found = dict.fromkeys(Specimen(file=f, label=c) for (_, c), f in zip(rows, files, strict=True) if f is not None)
    often = Counter(specimen.file for specimen in found)
    if several := [file for file, count in often.items() if count > 1]:
        raise DataBroken(
            f"{table}: {len(several)} images have two classes, such as {several[0].name}. Keep one row of each"
        )
    return _some(root, list(found))


def _explain_absent(root: Path, table: Path, absent: Sequence[str], rows: int, named: Mapping[str, int]) -> str:
    """Describe the paths of a table that name no image, or else those that name several."""
    if gone := [path for path in absent if not named[Path(path).name]]:
        problem = f"{table}: {len(gone)} of {rows} images are missing below {root}, such as {gone[0]}"
        return f"{problem}. Fetch them again, or set data.table to another table"
    problem = f"{table}: {len(absent)} of {rows} file names are of several images below {root}, such as {absent[0]}"
    return f"{problem}. Write their paths into the table"


def read_boxes(images: Path, annotations: Path) -> list[Specimen]:
    """The individuals of a tree in Pascal VOC's layout: an XML file per image, a named box per individual.

    Raises DataBroken for XML that cannot be read, for two images of one annotation, and where no box is found.
    """
    by_stem: dict[str, Path] = {}
    for file in list_images(images).files:
        if (other := by_stem.setdefault(file.stem, file)) != file:
            raise DataBroken(
                f"{file} and {other} have the same name, so one annotation would be of both. Rename or remove one"
            )
    found: list[Specimen] = []
    for path in sorted(annotations.glob("*.xml")):
        if path.stem not in by_stem:
            raise DataBroken(f"{path}: no image of that name in {images}; fetch it again, or set data.images")
        found += [Specimen(file=by_stem[path.stem], label=label, box=box) for label, box in _objects(path)]
    return _some(annotations, list(dict.fromkeys(found)))


def _objects(path: Path) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    try:
        for one in ElementTree.fromstring(path.read_bytes()).iter("object"):
            left, top, right, bottom = (
                round(float(one.findtext(f"bndbox/{side}", ""))) for side in ("xmin", "ymin", "xmax", "ymax")
            )
            yield one.findtext("name", "").strip(), (left, top, right, bottom)
    except (ElementTree.ParseError, DefusedXmlException, ValueError) as error:
        raise DataBroken(f"{path} is not an annotation in Pascal VOC's form: {error}. Fetch it again") from error


def _some(root: Path, found: list[Specimen]) -> list[Specimen]:
    if not found:
        raise DataBroken(f"{root} holds no image that can be used; fetch it again")
    return found
