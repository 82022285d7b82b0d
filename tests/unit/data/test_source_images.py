"""Crops of one image are never on two sides of a split, unless the user sets otherwise."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image
from sslbench_plankton.datasets import pmid2019, pmid2019_reader, ude_diatoms_2024, ude_diatoms_2024_reader

from sslbench.api import DataBroken, RequestError, Source
from sslbench.data.groups import joint_group_keys
from sslbench.data.splits import SplitSettings, divide
from tests.stage_plans import changed, planned

OBJECT = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"


@pytest.fixture(scope="module")
def micrographs(tmp_path_factory):
    """Thirty images in VOC layout, each with six cells of two classes."""
    root, rng = tmp_path_factory.mktemp("voc"), np.random.default_rng(0)
    for name in ("JPEGImages", "Annotations"):
        (root / name).mkdir()
    for number in range(30):
        Image.fromarray(rng.integers(0, 256, (40, 60), dtype=np.uint8)).save(root / f"JPEGImages/{number}.png")
        cells = [OBJECT.format("ab"[cell % 2], 10 * cell, 5, 10 * cell + 9, 14) for cell in range(6)]
        (root / f"Annotations/{number}.xml").write_text(f"<annotation>{''.join(cells)}</annotation>")
    return root


def sides_of(plan):
    """The images on each side of the first split."""
    (part,) = plan.evaluate_parts
    columns, groups = part.dataset.columns, part.choice.spec.card.groups
    division = divide(part.dataset.labels, columns, plan.splits, 0, groups)
    return [
        {columns["id"][row].split("#")[0] for row in rows}
        for rows in (division.bank, division.validation, division.query)
    ]


def test_cells_of_one_image_lie_on_one_side(micrographs):
    data = {"name": "pmid2019", "root": str(micrographs)}
    sides = sides_of(planned(data=data))
    assert sum(map(len, sides)) == len(set.union(*sides)) == 30
    loose = sides_of(planned("splits.groups=none", data=data))
    assert sum(map(len, loose)) > 30, "the user set otherwise"
    assert "evaluate" in changed(planned(data=data), planned("splits.groups=none", data=data))


def test_groups_that_are_switched_off_hold_out_no_group(micrographs):
    data = {"name": "pmid2019", "root": str(micrographs)}
    asked = ("pretrain.pool=all", "train.patience=1", "protocols=[knn]")
    assert "pretrain" in changed(planned(*asked, data=data), planned(*asked, "splits.groups=none", data=data))


def test_data_without_groups_is_the_same_with_none():
    assert not changed(planned("protocols=[knn]"), planned("protocols=[knn]", "splits.groups=none"))


def test_a_pool_of_several_datasets_keeps_nothing_together_with_none():
    columns, card = {"source": np.array(["a", "a", "b"])}, ("source",)
    keys = joint_group_keys([(columns, card, SplitSettings())] * 2)
    assert [key is not None for key in keys] == [True, True]
    assert joint_group_keys([(columns, card, SplitSettings(groups="none"))] * 2) == [None, None]


def test_an_annotation_of_two_images_and_an_image_of_two_classes_are_errors(micrographs, tmp_path):
    shutil.copytree(micrographs, tmp_path / "voc")
    shutil.copy(tmp_path / "voc/JPEGImages/3.png", tmp_path / "voc/JPEGImages/3.jpg")
    place = Source(root=tmp_path / "voc", folders=(), work=tmp_path)
    with pytest.raises(DataBroken, match=r"3\.png and .*3\.jpg have the same name|3\.jpg and .*3\.png have"):
        pmid2019_reader.open_pmid2019(pmid2019.PmidConfig(), place)
    (tmp_path / "voc/taxa.csv").write_text("filename,taxon\n1.png,a\n2.png,b\n1.png,b\n2.png,b\n")
    with pytest.raises(DataBroken, match=r"1 images have two classes, such as 1\.png"):
        ude_diatoms_2024_reader.open_ude_diatoms_2024(ude_diatoms_2024.UdeDiatomsConfig(table="taxa.csv"), place)


def test_particles_of_one_flowcam_image_stay_together(tmp_path):
    table, rng = ["Original Reference ID,Image File,Source Image,Area"], np.random.default_rng(0)
    for number in range(60):
        path = tmp_path / f"images/{'ab'[number % 2]}/run{number // 30}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(path)
        table.append(f"{number},run{number // 30}_1.tif,{number % 30 // 3},{rng.uniform():.3f}")
    (tmp_path / "measurements.csv").write_text("\n".join(table))
    data = {"name": "flowcam-pairs", "root": str(tmp_path)}
    asked = ("backbones.image.name=micro-cnn", "augmentation.name=crop-flip", "protocols=[knn]")
    (part,) = planned(*asked, method="random-init", data=data).evaluate_parts
    assert len(set(part.dataset.columns["source"].tolist())) == 20, "images are numbered anew in each run"
    assert part.choice.spec.card.groups == ("source",)
    with pytest.raises(RequestError, match=r"data\.source=Frame: not a column of measurements\.csv"):
        planned(*asked, method="random-init", data={**data, "source": "Frame"})
    (loose,) = planned(*asked, method="random-init", data={**data, "source": "none"}).evaluate_parts
    assert set(loose.dataset.columns["source"].tolist()) == {""}
