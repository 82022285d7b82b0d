"""Cells: crops in a folder, and a screen in its published layout, drawn here (real fields cannot be had) or of real crops."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import sslbench_microscopy.studies
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sslbench_microscopy.datasets.bbbc021 import Bbbc021Config
from sslbench_microscopy.datasets.bbbc021_reader import match_mechanisms, note_unmatched, open_screen
from sslbench_microscopy.datasets.cell_folder import CellFolderConfig
from sslbench_microscopy.detection import find_nuclei
from sslbench_microscopy.fields import Field
from sslbench_microscopy.framing import frame
from sslbench_microscopy.sources import images_of

from sslbench.api import DataBroken, DataMissing, Dataset, RequestError, Source
from sslbench.testing import conformance
from sslbench.testing.plans import open_dataset, plan_study

test_conformance = conformance("sslbench-microscopy")

STUDY = Path(sslbench_microscopy.studies.__file__).parent / "clustering_cells.yaml"

RNG = np.random.default_rng(0)
SIDE = 20
PLACES = [(20, 20), (20, 60), (60, 20), (60, 58)]
EDGE = (5, 40)
"""A nucleus too near to the edge for a crop of SIDE."""


def stain(places: list[tuple[int, int]], level: int, radius: float = 5.0) -> np.ndarray:
    """Discs on a dim ground: [80, 90] of 16 bits."""
    y, x = np.mgrid[:80, :90]
    image = np.full((80, 90), 300.0)
    for row, column in places:
        image[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = level
    return image.astype(np.uint16)


def screen(root: Path, plates: tuple[str, ...] = ("Week1_22123", "Week2_24121")) -> Path:
    """Two plates: nocodazole at three concentrations, taxol at one, and the solvent; two fields of four cells each."""
    treatments = [("nocodazole", 3.0), ("nocodazole", 1.0), ("nocodazole", 0.3), ("taxol", 2.0), ("DMSO", 0.0)]
    rows = []
    for plate in plates:
        for number, (compound, concentration) in enumerate(treatments):
            for site in (1, 2):
                row = {"Image_Metadata_Plate_DAPI": plate, "Image_Metadata_Well_DAPI": f"B0{number + 2}"}
                row |= {"Image_Metadata_Compound": compound, "Image_Metadata_Concentration": str(concentration)}
                for token, name, level in (
                    ("w1", "DAPI", 9000),
                    ("w2", "Tubulin", 4000 + number),
                    ("w4", "Actin", 2000),
                ):
                    file = f"{plate}_B0{number + 2}_s{site}_{token}.tif"
                    row |= {f"Image_FileName_{name}": file, f"Image_PathName_{name}": f"{plate[:5]}/{plate}"}
                    where = root / plate[:5] / plate / file
                    where.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(stain([*PLACES, EDGE], level)).save(where)
                rows.append(row)
    with (root / "BBBC021_v1_image.csv").open("w", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (root / "BBBC021_v1_moa.csv").write_text(
        "compound,concentration,moa\nnocodazole,3.0,Microtubule destabilizers\ntaxol,2.0,Microtubule stabilizers\n"
    )
    return root


def opened(root: Path, work: Path, **settings) -> Dataset:
    config = Bbbc021Config(**{"side": SIDE, "blur": 1.0, "area": 30, "doses": (1, 2)} | settings)
    return open_screen(config, Source(root=root, folders=(), work=work))


@pytest.fixture(scope="module")
def plates(tmp_path_factory) -> Path:
    return screen(tmp_path_factory.mktemp("screen"))


def test_treated_cells_come_with_as_many_untreated_ones_of_their_plates(plates, tmp_path):
    cells = opened(plates, tmp_path)
    assert cells.target.names == ("nocodazole", "untreated")
    # two doses of two fields of four cells are treated on each plate, and eight are untreated there
    assert [np.sum(cells.labels == code).item() for code in (0, 1)] == [16, 16]
    by_plate = list(zip(cells.columns["plate"].tolist(), cells.labels.tolist(), strict=True))
    assert {pair: by_plate.count(pair) for pair in by_plate} == {
        (plate, code): 8 for plate in ("Week1_22123", "Week2_24121") for code in (0, 1)
    }
    assert set(cells.columns["concentration"][cells.labels == 0]) <= {"3", "1"}
    sample = cells.read(0, RNG)["image"]
    assert (sample.shape, sample.dtype) == ((3, SIDE, SIDE), np.uint8)
    middle = sample[:, SIDE // 2, SIDE // 2]
    assert (middle == 255).all(), "a nucleus lies in the middle, and every stain is bright there"
    assert (sample[:, 0, 0] == 0).all()
    again = opened(plates, tmp_path)
    assert again.columns["id"].tolist() == cells.columns["id"].tolist()
    few = opened(plates, tmp_path, cells=10)
    assert np.bincount(few.labels).tolist() == [5, 5]
    assert set(few.columns["id"][few.labels == 0]) <= set(cells.columns["id"])


def test_cells_are_called_by_compound_concentration_or_mechanism(plates, tmp_path):
    both = ("Nocodazole", "taxol")
    assert opened(plates, tmp_path, compounds=both, doses=(1,)).target.names == ("nocodazole", "taxol", "untreated")
    doses = opened(plates, tmp_path, label="concentration", untreated=False)
    assert doses.target.names == ("nocodazole 1", "nocodazole 3")
    assert len(doses.labels) == 32
    mechanisms = opened(plates, tmp_path, label="mechanism", untreated=False)
    assert mechanisms.target.names == ("Microtubule destabilizers",)
    assert np.bincount(mechanisms.labels + 1).tolist() == [16, 16], "a dose without a published mechanism has no label"


def test_cells_are_found_again_with_another_version_of_what_finds_them(plates, tmp_path):
    config = Bbbc021Config(side=SIDE, blur=1.0, area=30, doses=(1, 2))
    for version in ("1.0", "1.1", "1.0"):
        open_screen(config, Source(root=plates, folders=(), work=tmp_path, versions={"scikit-image": version}))
    assert len(list((tmp_path / "cells").glob("*.json"))) == 2


def test_plates_may_be_zips_and_are_the_same_data(plates, tmp_path):
    root = tmp_path / "zips"
    for plate in ("Week1/Week1_22123", "Week2/Week2_24121"):
        shutil.copytree(plates / plate, tmp_path / "loose" / plate)
        week, name = plate.split("/")
        shutil.make_archive(str(root / f"BBBC021_v1_images_{name}"), "zip", tmp_path / "loose" / week, name)
    for table in plates.glob("*.csv"):
        shutil.copy(table, root)
    loose, packed = opened(plates, tmp_path / "w"), opened(root, tmp_path / "w")
    assert packed.columns["id"].tolist() == loose.columns["id"].tolist()
    assert packed.fingerprint() == loose.fingerprint()
    assert (packed.read(3, RNG)["image"] == loose.read(3, RNG)["image"]).all()


def test_what_is_wrong_with_a_screen_is_an_error_of_one_line(plates, tmp_path):
    with pytest.raises(DataMissing, match=r"no BBBC021_v1_image.csv in"):
        opened(tmp_path, tmp_path / "w")
    with pytest.raises(RequestError, match=r"'nocodazol' is not in .*did you mean nocodazole"):
        opened(plates, tmp_path, compounds=("nocodazol",))
    with pytest.raises(RequestError, match="nocodazole has 3 concentrations, so none of rank 4"):
        opened(plates, tmp_path, doses=(1, 4))
    with pytest.raises(DataBroken, match=r"no cell is found in \d+ fields\. Lower data\.area"):
        opened(plates, tmp_path, area=5000)
    lonely = screen(tmp_path / "lonely", ("Week1_22123",))
    table = lonely / "BBBC021_v1_image.csv"
    table.write_text("\n".join(line for line in table.read_text().splitlines() if "DMSO" not in line))
    with pytest.raises(
        DataBroken, match=r"data\.untreated: none of the 16 cells .* has an untreated cell on its plate"
    ):
        opened(lonely, tmp_path / "w")
    root = tmp_path / "half"
    shutil.copytree(plates, root)
    shutil.rmtree(root / "Week2")
    with pytest.raises(DataMissing, match=r"no folder or zip of 1 of 2 plates in .*: Week2_24121"):
        opened(root, tmp_path / "w")
    shutil.copytree(plates / "Week2", root / "Week2")
    absent = min((root / "Week2").rglob("*.tif"))
    absent.write_bytes(b"")
    with pytest.raises(DataBroken, match=r"cannot be read: .*fetch its plate again"):
        opened(root, tmp_path / "w")
    absent.unlink()
    with pytest.raises(DataBroken, match="1 images of the table are missing, such as"):
        opened(root, tmp_path / "w")
    for name, column in (
        ("BBBC021_v1_moa.csv", "concentration"),
        ("BBBC021_v1_image.csv", "Image_Metadata_Concentration"),
    ):
        content = (root / name).read_text()
        (root / name).write_text(content.replace("3.0", "much", 1))
        with pytest.raises(DataBroken, match=f"{name}: 'much' in column {column} is not a number"):
            opened(root, tmp_path / "w")
        (root / name).write_text(content)
    (root / "BBBC021_v1_image.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataBroken, match="has no column 'Image_PathName_Actin'; it has: a, b"):
        opened(root, tmp_path / "w")
    with pytest.raises(ValueError, match=r"cells=1: leaves no untreated cell\. Set it to 2 or more"):
        Bbbc021Config(cells=1)


def test_nuclei_are_found_where_they_are_also_when_they_touch():
    assert find_nuclei(stain([*PLACES, EDGE], 9000), blur=1.0, area=30, margin=10) == PLACES
    touching = [(40, 30), (40, 41)]
    found = find_nuclei(stain(touching, 9000, radius=6.0), blur=1.0, area=50, margin=10)
    assert np.abs(np.array(found) - touching).max() <= 1
    assert find_nuclei(stain([*PLACES], 9000, radius=2.0), blur=1.0, area=60, margin=10) == []
    assert find_nuclei(np.full((80, 90), 7, np.uint16), blur=1.0, area=30, margin=10) == []


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50))
def test_a_framed_image_keeps_its_middle_and_its_scale(height, width, side):
    image = np.arange(3 * height * width, dtype=np.int64).reshape(3, height, width).astype(np.uint8)
    square = frame(image, side)
    assert square.shape == (3, side, side)
    rows, columns = min(height, side), min(width, side)
    top, left = (side - rows) // 2, (side - columns) // 2
    y, x = (height - rows) // 2, (width - columns) // 2
    inside = square[:, top : top + rows, left : left + columns]
    assert (inside == image[:, y : y + rows, x : x + columns]).all()


@pytest.mark.parametrize(("scale", "rows"), [("paper", 24), ("paper-doses", 72)])
def test_the_published_grids_are_planned_without_their_data(scale, rows):
    grid = plan_study(STUDY, scale)
    assert (len(grid.rows), grid.placeholders) == (rows, ("bbbc021",))
    untrained = {(row.plan.method.component.name, row.is_secondary) for row in grid.rows if not row.plan.spec.trains}
    assert untrained == {("pretrained", False)} | ({("random-init", True)} if scale == "paper" else set())


def test_crops_of_one_image_stay_on_one_side(shared, tmp_path, cli):
    crops = sorted((shared / "bccd_cells/images").rglob("*.png"))[::20]
    blood = tmp_path / "blood"
    for file in crops:
        (blood / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, blood / file.parent.name)
    cells = open_dataset("cell-folder", {"root": str(blood)})[0].dataset
    assert cells.target.names == ("Platelets", "RBC", "WBC")
    assert set(cells.columns["source"]) == {file.stem.rsplit("_", 1)[0] for file in crops}
    assert cells.read(0, RNG)["image"].shape == (3, 196, 196)
    assert len(cells.contents()) == len(crops)
    answer = cli("data", "where", "cell-folder", f"data.root={blood}", "data.source=^(Blood)")
    assert (
        f"data.source=^(Blood): gives one source image, 'Blood', for all {len(crops)} cells"
        in answer.stdout + answer.stderr
    )
    assert answer.returncode == 2
    wrong = cli("data", "where", "cell-folder", f"data.root={blood}", "data.side=-5")
    assert (wrong.stdout + wrong.stderr).count("error:") == 1, "and not that the folder is missing"
    planned = cli("study", "run", "clustering-cells", "--scale", "folder", "--plan")
    assert planned.returncode == 3, planned.stdout
    assert "missing: dataset 'cell-folder' was not found" in planned.stdout


def test_which_image_a_cell_was_cut_from():
    pattern = CellFolderConfig().source
    assert images_of(["a/p1_0.png", "a/p1_1.png", "b/p2-7.png", "b/lone.png"], pattern).tolist() == [
        "p1",
        "p1",
        "p2",
        "",
    ]
    assert images_of(["p1_0.png", "p1_1.png"], "none").tolist() == ["", ""]
    with pytest.raises(
        RequestError, match=r"matches no file name, such as 'x.png'. Write a pattern .*, or set data.source=none"
    ):
        images_of(["x.png", "y.png"], pattern)
    with pytest.raises(ValueError, match="is no regular expression"):
        CellFolderConfig(source="((")


def test_cells_without_an_untreated_one_are_noted():
    def field(compound, plate):
        return Field(name=f"{plate}-{compound}", files=(), plate=plate, well="w", compound=compound, concentration=1.0, mechanism="")  # fmt: skip

    cells = [(field("taxol", "p1"), y, 0) for y in range(5)] + [(field("DMSO", "p1"), y, 0) for y in range(3)]
    cells += [(field("taxol", "p2"), y, 0) for y in range(2)] + [(field("alln", "p1"), 0, 0)]
    used = match_mechanisms(cells, 0, untreated=True)
    (note,) = note_unmatched(cells, used)
    kept = {name: sum(cell[0].compound == name for cell in used) for name in ("taxol", "alln")}
    assert sum(kept.values()) == 3
    assert f"{7 - kept['taxol']} of 7 taxol" in note
    assert note_unmatched(cells, cells) == ()
