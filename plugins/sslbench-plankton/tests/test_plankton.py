"""The plankton collections in their published layouts, on small trees made of real images of other collections."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sslbench_plankton.datasets.kaggle_plankton import KagglePlanktonConfig
from sslbench_plankton.datasets.kaggle_plankton_reader import open_kaggle_plankton as kaggle
from sslbench_plankton.datasets.pmid2019 import PmidConfig
from sslbench_plankton.datasets.pmid2019_reader import open_pmid2019 as pmid
from sslbench_plankton.datasets.syke_ifcb_2022 import SykeIfcbConfig
from sslbench_plankton.datasets.syke_ifcb_2022_reader import open_syke_ifcb_2022 as syke_ifcb
from sslbench_plankton.datasets.syke_zooscan_2024 import SykeZooscanConfig
from sslbench_plankton.datasets.syke_zooscan_2024_reader import open_syke_zooscan_2024 as syke_zooscan
from sslbench_plankton.datasets.ude_diatoms_2024 import UdeDiatomsConfig
from sslbench_plankton.datasets.ude_diatoms_2024_reader import open_ude_diatoms_2024 as ude
from sslbench_plankton.datasets.zoolake import ZoolakeConfig
from sslbench_plankton.datasets.zoolake_reader import open_zoolake as zoolake

from sslbench.api import DataBroken, DataMissing, Source
from sslbench.testing import conformance
from sslbench.testing.installed import specs_of
from sslbench.testing.plans import divide_part, open_dataset

RNG = np.random.default_rng(0)

test_conformance = conformance("sslbench-plankton")


def source(root: Path, work: Path, part: str = "") -> Source:
    return Source(root=root, folders=(), work=work, part=part)


def tree(root: Path, files: Mapping[str, Path]) -> Path:
    """Copies of images under new names."""
    for name, file in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / name)
    return root


def zipped(folder: Path, archive: Path) -> Path:
    """A folder's content as a zip."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as opened:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            opened.write(file, file.relative_to(folder))
    return archive


@pytest.fixture
def lake(shared) -> list[Path]:
    return sorted((shared / "zoolake_sample/images").rglob("*.jpeg"))


def test_kaggle_plankton_with_and_without_labels(shared, tmp_path):
    files = sorted((shared / "ndsb_plankton/train").rglob("*.jpg"))[::2000]
    tree(
        tmp_path / "k", {f"train/{f.parent.name}/{f.name}": f for f in files} | {f"test/{f.name}": f for f in files[:3]}
    )
    config = KagglePlanktonConfig()
    labeled = kaggle(config, source(tmp_path / "k", tmp_path, "labeled"))
    assert labeled.target.names == tuple(sorted({f.parent.name for f in files}))
    assert len(labeled.labels) == len(files)
    bare = kaggle(config, source(tmp_path / "k", tmp_path, "unlabeled"))
    assert (bare.target.kind, bare.labels.tolist()) == ("none", [-1, -1, -1])
    (tmp_path / "zips").mkdir()
    zipped(tmp_path / "k", tmp_path / "zips/everything.zip")
    again = kaggle(config, source(tmp_path / "zips", tmp_path, "labeled"))
    assert again.columns["id"].tolist() == labeled.columns["id"].tolist()
    assert again.fingerprint() == labeled.fingerprint()
    gray = np.asarray(Image.open(files[0]).convert("L"))
    row = labeled.columns["id"].tolist().index(f"{files[0].parent.name}/{files[0].name}")
    sample = labeled.read(row, RNG)
    assert sample["image"].shape == (1, max(gray.shape), max(gray.shape))
    assert sample["image.size"].tolist() == list(gray.shape)


def test_any_folder_is_prepared_as_the_study_prepares_its_own(lake, tmp_path, cli):
    root = tree(tmp_path / "mine", {f"cam{n % 2}/{f.parent.name}/at-{n}.jpeg": f for n, f in enumerate(lake[:12])})
    settings = {"root": str(root), "levels": ["camera", "class"], "columns": {"number": r"at-(\d+)"}}
    dataset = open_dataset("plankton-folder", settings)[0].dataset
    assert set(dataset.columns) == {"id", "camera", "number"}
    sample = dataset.read(0, RNG)
    height, width = sample["image.size"]
    assert sample["image"].shape == (1, max(height, width), max(height, width))
    assert len(set(dataset.contents())) == 12
    absent = cli("data", "where", "plankton-folder", f"data.root={tmp_path / 'nowhere'}")
    assert f"looked in {tmp_path / 'nowhere'}" in absent.stdout + absent.stderr


def plankton_tree(root: Path, shared: Path) -> None:
    """DAPlankton's published layout, filled with a few real images of other sets."""
    files = sorted((shared / "whoi_ifcb_guide/images").rglob("*.jpg"))[:60]
    place = iter(files * 4)
    for part, names in (("lab", ("IFCB", "CS", "FC")), ("sea", ("IFCB", "CS"))):
        for instrument in names:
            for name in ("Diatoma_tenuis", "Melosira_arctica"):
                folder = root / f"DAPlankton/DAPlankton_{part}/{instrument}/{name}"
                folder.mkdir(parents=True)
                for number in range(12):
                    shutil.copy(next(place), folder / f"{name}{number:05d}.jpg")


def test_daplankton_in_its_layout_and_as_a_zip_in_a_zip(tmp_path, shared, cli):
    plankton_tree(tmp_path / "tree", shared)
    verified = cli("data", "verify", "daplankton/sea", f"data.root={tmp_path / 'tree'}")
    assert verified.returncode == 3
    assert "class 'Ciliata' has 0 samples, expected 243" in verified.stdout
    where = cli("data", "where", "daplankton", env={"SSLBENCH_SOURCES": str(tmp_path / "tree")})
    named = [line.split(":")[0] for line in where.stdout.splitlines() if line.startswith("daplankton/")]
    assert named == [f"daplankton/{part}" for part in ("lab/ifcb", "lab/cs", "lab/fc", "sea/ifcb", "sea/cs")]
    inner = tmp_path / "DAPlankton.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        for file in sorted((tmp_path / "tree").rglob("*.jpg")):
            archive.write(file, file.relative_to(tmp_path / "tree"))
    (tmp_path / "outer").mkdir()
    with zipfile.ZipFile(tmp_path / "outer/DAPlankton.zip", "w") as archive:
        archive.write(inner, "DAPlankton/DAPlankton.zip")
    where = cli(
        "data", "where", "daplankton/lab/fc",
        env={"SSLBENCH_SOURCES": str(tmp_path / "outer"), "SSLBENCH_DATA": str(tmp_path / "data")},
    )  # fmt: skip
    assert where.stdout.startswith("daplankton/lab/fc: 24 samples"), where.stderr


def test_daplankton_with_its_instruments_joined(shared, tmp_path):
    plankton_tree(tmp_path / "tree", shared)
    settings = {"root": str(tmp_path / "tree"), "joined": True}
    parts = open_dataset("daplankton", settings)
    assert [part.name for part in parts] == ["daplankton/lab", "daplankton/sea"]
    lab = parts[0].dataset
    assert sorted(set(lab.columns["instrument"])) == ["CS", "FC", "IFCB"]
    assert lab.target.names == ("Diatoma_tenuis", "Melosira_arctica")
    assert len(lab.labels) == len(set(lab.columns["id"])) == 72


def test_zoolake_with_and_without_its_published_split(lake, tmp_path):
    names = {f"data/zooplankton_0p5x/{f.parent.name}/training_data/{f.name}": f for f in lake[:40]}
    root = tree(tmp_path / "z", names)
    lists = root / "data/zoolake_train_test_val_separated"
    lists.mkdir()
    for part, chosen in (("train", lake[:20]), ("val", lake[20:25]), ("test", lake[25:39])):
        (lists / f"{part}_filenames.txt").write_text("".join(f"some/where/{f.name}\n" for f in chosen))
    split = zoolake(ZoolakeConfig(), source(root, tmp_path)).columns["split"].tolist()
    assert [split.count(part) for part in ("train", "validation", "test", "")] == [20, 5, 14, 1]
    assert "split" not in zoolake(ZoolakeConfig(published_split=False), source(root, tmp_path)).columns
    (lists / "val_filenames.txt").write_text(f"{lake[0].name}\n")
    with pytest.raises(DataBroken, match="is also in the list of 'train'"):
        zoolake(ZoolakeConfig(), source(root, tmp_path))


def test_syke_ifcb_takes_the_class_from_the_folder(shared, tmp_path):
    files = sorted((shared / "whoi_ifcb_guide/images").rglob("*.jpg"))[:6]
    assert len(files) == 6
    root = tree(tmp_path / "t", {f"labeled_20201020/Ciliata/Older_name_{n}.jpg": f for n, f in enumerate(files)})
    folder = tmp_path / "syke-ifcb-2022"
    zipped(root, folder / "phytoplankton_labeled.zip")
    dataset = syke_ifcb(SykeIfcbConfig(), Source(root=None, folders=(tmp_path,), work=tmp_path / "work"))
    assert dataset.target.names == ("Ciliata",)
    assert len(dataset.labels) == 6


def test_syke_zooscan_loses_its_legend_and_nothing_else(shared, tmp_path):
    file = min((shared / "zooscan_sample/images").rglob("*.jpg"))
    inside = "SYKE-plankton_ZooScan_2024/images/SYKE-plankton_ZooScan_2024"
    root = tree(tmp_path / "t", {f"{inside}/Acartia/a.jpg": file})
    (root / "SYKE-plankton_ZooScan_2024/class_splits").mkdir()
    outer = tmp_path / "outer"
    zipped(zipped(root, tmp_path / "inner/SYKE.zip").parent, outer / "package.zip")
    gray = np.asarray(Image.open(file).convert("L"))
    sample = syke_zooscan(SykeZooscanConfig(), source(outer, tmp_path / "work")).read(0, RNG)
    height, width = gray.shape
    assert sample["image.size"].tolist() == [height - 25, width]
    side = max(height - 25, width)
    top, left = (side - height + 25) // 2, (side - width) // 2
    assert (sample["image"][0, top : top + height - 25, left : left + width] == gray[:-25]).all()
    with pytest.raises(DataBroken, match=f"data.legend={height + 5}: leaves nothing of the image"):
        syke_zooscan(SykeZooscanConfig(legend=height + 5), source(outer, tmp_path / "work")).read(0, RNG)
    complete = syke_zooscan(SykeZooscanConfig(legend=0), source(outer, tmp_path / "work")).read(0, RNG)
    assert complete["image.size"].tolist() == [height, width]


VOC = """<annotation><filename>{name}.jpg</filename>{objects}</annotation>"""
OBJECT = """<object><name>{name}</name><bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


def test_pmid2019_shows_what_the_boxes_hold(lake, tmp_path):
    root = tree(tmp_path / "p", {"JPEGImages/one.jpeg": lake[0], "JPEGImages/two.jpeg": lake[1]})
    (root / "Annotations").mkdir()
    objects = OBJECT.format(2, 3, 12, 9, name="Ceratium") + OBJECT.format(0, 0, 5, 5, name="Noctiluca")
    (root / "Annotations/one.xml").write_text(VOC.format(name="one", objects=objects))
    (root / "Annotations/two.xml").write_text(
        VOC.format(name="two", objects=OBJECT.format(7, 7, 7, 9, name="Ceratium"))
    )
    dataset = pmid(PmidConfig(), source(root, tmp_path))
    assert dataset.target.names == ("Ceratium", "Noctiluca")
    assert dataset.columns["id"].tolist()[0] == "JPEGImages/one.jpeg#2,3,12,9"
    assert dataset.read(0, RNG)["image.size"].tolist() == [6, 10]
    gray = np.asarray(Image.open(lake[0]).convert("L"))
    assert (dataset.read(0, RNG)["image"][0, 2:8] == gray[3:9, 2:12]).all()
    with pytest.raises(DataBroken, match=r"the box \(7, 7, 7, 9\) contains no pixel of the image"):
        dataset.read(2, RNG)
    before = dataset.fingerprint()
    (root / "Annotations/two.xml").write_text(
        VOC.format(name="two", objects=OBJECT.format(1, 1, 9, 9, name="Ceratium"))
    )
    assert pmid(PmidConfig(), source(root, tmp_path)).fingerprint() != before
    bomb = '<!DOCTYPE x [<!ENTITY a "aa">]><annotation>&a;</annotation>'
    (root / "Annotations/three.xml").write_text(VOC.format(name="three", objects=""))
    with pytest.raises(DataBroken, match=r"three\.xml: no image of that name"):
        pmid(PmidConfig(), source(root, tmp_path))
    (root / "Annotations/three.xml").unlink()
    for broken in ("<annotation>", bomb, VOC.format(name="two", objects="<object><name>a</name></object>")):
        (root / "Annotations/two.xml").write_text(broken)
        with pytest.raises(DataBroken, match=r"two\.xml is not an annotation in Pascal VOC's form"):
            pmid(PmidConfig(), source(root, tmp_path))


def test_ude_diatoms_by_folder_and_by_table(lake, tmp_path):
    folders = tree(tmp_path / "f", {f"{f.parent.name}/{f.name}": f for f in lake[::50]})
    by_folder = ude(UdeDiatomsConfig(), source(folders, tmp_path))
    assert by_folder.target.names == tuple(sorted({f.parent.name for f in lake[::50]}))
    flat = tree(tmp_path / "t", {f"images/{f.name}": f for f in lake[::50]})
    rows = "".join(f"{f.name},{f.parent.name}\n" for f in lake[::50])
    (flat / "taxa.csv").write_text(f"filename,taxon\n{rows}")
    tabled = ude(UdeDiatomsConfig(images="images", table="taxa.csv"), source(flat, tmp_path))
    assert tabled.target.names == by_folder.target.names
    with pytest.raises(DataBroken, match="has no column 'species'; it has: filename, taxon"):
        ude(UdeDiatomsConfig(table="taxa.csv", class_column="species"), source(flat, tmp_path))
    (flat / "taxa.csv").write_text(f"filename,taxon\n{rows}gone.png,lost\n")
    with pytest.raises(DataBroken, match=r"1 of \d+ images are missing below .*, such as gone\.png"):
        ude(UdeDiatomsConfig(table="taxa.csv"), source(flat, tmp_path))
    with pytest.raises(DataBroken, match=r"none\.csv is no file"):
        ude(UdeDiatomsConfig(table="none.csv"), source(flat, tmp_path))
    (flat / "other").mkdir()
    shutil.copy(lake[1], flat / "other" / lake[0].name)
    (flat / "taxa.csv").write_text(f"filename,taxon\n{lake[0].name},one of two\n")
    with pytest.raises(DataBroken, match=f"1 of 1 file names are of several images below .*, such as {lake[0].name}"):
        ude(UdeDiatomsConfig(table="taxa.csv"), source(flat, tmp_path))
    (tmp_path / "z/ude-diatoms-2024").mkdir(parents=True)
    zipped(folders, tmp_path / "z/ude-diatoms-2024/all.zip")
    inside = Source(root=None, folders=(tmp_path / "z",), work=tmp_path / "work")
    assert ude(UdeDiatomsConfig(), inside).target.names == by_folder.target.names


def test_what_is_not_there_is_missing_and_an_empty_tree_is_broken(tmp_path):
    with pytest.raises(DataMissing, match="looked in"):
        syke_ifcb(SykeIfcbConfig(), Source(root=None, folders=(tmp_path,), work=tmp_path))
    (tmp_path / "syke-ifcb-2022").mkdir()
    with pytest.raises(DataMissing, match="no labeled_20201020 below"):
        syke_ifcb(SykeIfcbConfig(), Source(root=None, folders=(tmp_path,), work=tmp_path))
    (tmp_path / "syke-ifcb-2022/labeled_20201020/Ciliata").mkdir(parents=True)
    with pytest.raises(DataBroken, match="holds no image that can be used"):
        syke_ifcb(SykeIfcbConfig(), Source(root=None, folders=(tmp_path,), work=tmp_path))


def test_totals_that_are_known_are_verified(shared, cli, tmp_path):
    files = sorted((shared / "ndsb_plankton/train").rglob("*.jpg"))[::2000]
    tree(tmp_path, {f"train/{f.parent.name}/{f.name}": f for f in files})
    answer = cli("data", "verify", "kaggle-plankton/labeled", f"data.root={tmp_path}")
    assert answer.returncode == 3
    assert f"{len(files)} samples, expected 30,336" in answer.stdout
    assert "all readable, counts differ from the expected ones" in answer.stdout


def test_every_plankton_card_states_where_it_is_from():
    found = specs_of("sslbench-plankton", "dataset")
    published = [spec for spec in found if spec.card.source != "a folder" and not spec.card.embedded]
    assert len(published) == 9  # in addition to folders of users, and generated data
    for spec in published:
        card = spec.card
        assert any(word in card.source + card.obtain for word in ("doi", "Fairdata", "github.com")), spec.name
        assert card.license
        assert card.modalities


def test_no_split_cuts_a_sampling_burst_of_the_time_stamped_camera(shared):
    settings = {
        "root": str(shared / "cross_instrument_plankton"), "levels": ["instrument", "class"],
        "columns": {"second": r"SPC-PWSSC-(\d+)-"},
    }  # fmt: skip
    (part,) = open_dataset("plankton-folder", settings)
    dataset = part.dataset
    seconds = dataset.columns["second"]
    assert {len(set(seconds[dataset.columns["instrument"] == name]) - {""}) for name in ("ISIIS", "ZooScan")} == {0}
    rule = {"transfer": "instrument", "bank": "SPC", "query": "SPC", "groups": "second", "group_gap": 600}
    queries = []
    for fold in range(5):
        division = divide_part(part, rule, fold)
        sides = [np.sort(seconds[rows].astype(float)) for rows in (division.bank, division.validation, division.query)]
        for place, side in enumerate(sides):
            for other in sides[place + 1 :]:
                nearest = np.abs(other[:, None] - side[None]).min()
                assert nearest > 600
        queries.append(division.query)
    assert len(np.unique(np.concatenate(queries))) == 1675
