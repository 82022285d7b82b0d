"""Samples that readers leave out are noted in the description of the data."""

from __future__ import annotations

import numpy as np
from PIL import Image
from sslbench_plankton.datasets import (
    pmid2019,
    pmid2019_reader,
    ude_diatoms_2024,
    ude_diatoms_2024_reader,
    zoolake,
    zoolake_reader,
)
from sslbench_plankton.datasets.flowcam_pairs import FlowcamPairsConfig
from sslbench_plankton.datasets.flowcam_pairs_reader import open_pairs

from sslbench.api import Source

OBJECT = "<object><name>a</name><bndbox><xmin>0</xmin><ymin>0</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object>"


def save(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), len(path.name), np.uint8)).save(path)


def source(root):
    return Source(root=root, folders=(), work=root / "work")


def test_images_that_no_annotation_and_no_table_names_are_noted(tmp_path):
    save(*(tmp_path / f"JPEGImages/{name}.png" for name in ("one", "two", "three")))
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations/one.xml").write_text(f"<annotation>{OBJECT}</annotation>")
    (note,) = pmid2019_reader.open_pmid2019(pmid2019.PmidConfig(), source(tmp_path)).describe().notes
    assert note == "2 image file(s) below JPEGImages are left out: no annotation names them, such as three.png"
    (tmp_path / "taxa.csv").write_text("filename,taxon\none.png,a\ntwo.png,b\n")
    settings = ude_diatoms_2024.UdeDiatomsConfig(images="JPEGImages", table="taxa.csv")
    (note,) = ude_diatoms_2024_reader.open_ude_diatoms_2024(settings, source(tmp_path)).describe().notes
    assert note.startswith("1 image file(s) below JPEGImages are left out: the table does not name them")


def test_images_outside_class_folders_and_names_without_an_image_are_noted(tmp_path):
    root, lists = tmp_path / "zooplankton_0p5x", tmp_path / "zoolake_train_test_val_separated"
    save(root / "a/1.png", root / "b/2.png", root / "b/x/1.png", root / "loose.png")
    lists.mkdir()
    for part, names in {"train": "1.png\ngone.png\n", "val": "", "test": "2.png\n"}.items():
        (lists / f"{part}_filenames.txt").write_text(names)
    assert zoolake_reader.open_zoolake(zoolake.ZoolakeConfig(), source(tmp_path)).describe().notes == (
        "train_filenames.txt: 1 name(s) match no image, such as gone.png",
        "train_filenames.txt: 1 name(s) match several images, such as 1.png",
        "1 image file(s) below zooplankton_0p5x are left out: not in a class folder, such as loose.png",
    )


def test_columns_and_rows_that_are_no_measurement_are_noted(tmp_path):
    save(tmp_path / "images/a/run_1.png", tmp_path / "images/b/run_2.png")
    (tmp_path / "measurements.csv").write_text(
        "Original Reference ID,Image File,Source Image,Camera,Date,Gain,Area,Length\n"
        "1,run_1.tif,1,0,May,4,2,5\n2,run_1.tif,2,1,May,4,3,\n3,run_1.tif,3,1,May,4,3,6\n"
    )
    pairs = open_pairs(FlowcamPairsConfig(ignore=("Original Reference ID", "Source Image", "Camera")), source(tmp_path))
    assert pairs.describe().notes == (
        "1 row(s) of measurements.csv have no image and are left out",
        "columns left out, by the setting data.ignore: Original Reference ID, Source Image, Camera",
        "columns left out, which hold no numbers: Image File, Date",
        "columns left out, which are the same in every row: Gain",
        "columns left out, in which some cells are no finite number: Length",
    )
