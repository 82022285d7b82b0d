"""Readers of images with profiles or measurements: published layouts, joins, and errors for a wrong tree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sslbench_plankton.datasets.cytosense import CytosenseConfig
from sslbench_plankton.datasets.cytosense_reader import open_part
from sslbench_plankton.datasets.flowcam_pairs import FlowcamPairsConfig
from sslbench_plankton.datasets.flowcam_pairs_reader import open_pairs, parse_numbers
from sslbench_plankton.datasets.pulse_pairs import PulsePairsConfig
from sslbench_plankton.datasets.pulse_pairs_reader import PulsePairs
from sslbench_plankton.padding import pad_edges
from sslbench_plankton.pulses import scale_counts

import sslbench
from sslbench.api import Source
from sslbench.api.errors import DataBroken, DataMissing


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """The published layout, of drawn pairs: 25 rows of legend above every image, and counts."""
    root = tmp_path_factory.mktemp("published") / "data"
    for part, samples in (("LAB", 4), ("SEA", 3), ("UTO", 2)):
        pairs = PulsePairs(PulsePairsConfig(samples=samples), "lab")
        folder, lines = root / part, ["image,profile,class" if part != "UTO" else "image,profile"]
        (folder / "images").mkdir(parents=True)
        (folder / "profiles").mkdir()
        for row, label in enumerate(pairs.labels):
            sample = pairs.read(row, np.random.default_rng(0))
            legend = np.full((25, sample["image"].shape[2]), 255, np.uint8)
            Image.fromarray(np.concatenate([legend, sample["image"][0]])).save(folder / f"images/{row}.png")
            counts = np.expm1((sample["profile"] + 1) / 2 * 8.9211)
            np.savetxt(folder / f"profiles/{row}.csv", counts, delimiter=",", header="a,b,c,d,e,f", comments="")
            name = pairs.target.names[label].replace(" ", "_")
            lines.append(f"images/{row}.png,profiles/{row}.csv" + (f",{name}" if part != "UTO" else ""))
        (folder / "annotations.csv").write_text("\n".join(lines) + "\n")
    return root.parent


def opened(tree: Path, part: str = "lab", **settings):
    source = Source(root=tree, folders=(), work=tree / "work", part=part)
    return open_part(CytosenseConfig(**settings), source)


def test_the_published_layout_of_cytosense_is_read(tree):
    lab, drawn = opened(tree), PulsePairs(PulsePairsConfig(samples=4), "lab")
    assert (len(lab.labels), len(lab.target.names)) == (48, 12)
    for row in (0, 7, 47):
        found, expected = lab.read(row, np.random.default_rng(0)), drawn.read(row, np.random.default_rng(0))
        height, width = expected["image"].shape[1:]
        assert found["image.size"].tolist() == [height + 25, width], "legend rows included, as the study does"
        assert np.array_equal(found["image"], pad_edges(expected["image"][0])[None])
        assert np.allclose(found["profile"], expected["profile"], atol=1e-4)
    uto = opened(tree, "uto")
    assert uto.target.kind == "none"
    assert set(uto.labels.tolist()) == {-1}
    assert len(opened(tree, "sea").contents()) == 36
    assert lab.fingerprint() != opened(tree, "sea").fingerprint()
    assert opened(tree, bands=(0, 2)).read(0, np.random.default_rng(0))["profile"].shape[1] == 2


def test_what_is_wrong_with_a_cytosense_tree_is_an_error_of_one_line(tree, tmp_path):
    def broken(annotations: str, profile: str = "a,b,c,d,e,f\n1,2,3,4,5,6\n") -> Path:
        folder = tmp_path / f"x{len(list(tmp_path.iterdir()))}" / "LAB"
        folder.mkdir(parents=True)
        (folder / "annotations.csv").write_text(annotations)
        Image.new("L", (9, 20)).save(folder / "p.png")
        (folder / "p.csv").write_text(profile)
        return folder.parent

    rng = np.random.default_rng(0)
    with pytest.raises(DataMissing, match=r"no LAB below|looked in"):
        opened(tmp_path / "nowhere")
    with pytest.raises(DataBroken, match="has no column 'profile'; it has: image, class"):
        opened(broken("image,class\np.png,a\n"))
    with pytest.raises(DataBroken, match=r"'gone.png' is not there; fetch the set again"):
        opened(broken("image,profile,class\ngone.png,p.csv,a\n"))
    with pytest.raises(DataBroken, match=r"path '\.\./\.\./p\.png' is outside the folder"):
        opened(broken("image,profile,class\n../../p.png,p.csv,a\n"))
    with pytest.raises(DataBroken, match="has no row"):
        opened(broken("image,profile,class\n"))
    good = "image,profile,class\np.png,p.csv,a\n"
    with pytest.raises(DataBroken, match=r"data\.legend=25: leaves nothing of an image of \d+ rows"):
        opened(broken(good)).read(0, rng)
    for profile, answer in (("a,b\n1,2\n", r"data\.bands=\[0, 1, 2, 3, 4, 5\]: p\.csv has only columns 0 to 1\."), ("a\nx\n", "is no table of numbers"),
                          ("a,b,c,d,e,f\n", "p.csv has no rows"),
                          ("a,b,c,d,e,f\n1,2,3,nan,5,6\n", "not finite")):  # fmt: skip
        with pytest.raises(DataBroken, match=answer):
            opened(broken(good, profile), legend=0).read(0, rng)
    negative = opened(broken(good, "a,b,c,d,e,f\n-3,0,1,1,1,1\n"), legend=0).read(0, rng)["profile"]
    assert negative[0, 0] == scale_counts(np.zeros((1, 1), np.float32))[0, 0] == -1


def test_edges_are_repeated_around_an_image():
    made = pad_edges(np.arange(6, dtype=np.uint8).reshape(2, 3))
    assert made.tolist() == [[0, 1, 2], [3, 4, 5], [3, 4, 5]]


def test_pulse_pairs_has_the_published_sets_parts():
    lab, sea, uto = (PulsePairs(PulsePairsConfig(samples=16), part) for part in ("lab", "sea", "uto"))
    assert np.bincount(lab.labels).tolist() == [16] * 12
    assert np.bincount(sea.labels).tolist() == [16, 11, 8, 6, 4, 3, 2, 2, 2, 2, 2, 2]
    assert (uto.target.kind, len(uto.labels), set(uto.labels.tolist())) == ("none", 384, {-1})
    rng = np.random.default_rng(0)
    lengths = [np.mean([len(part.read(row, rng)["profile"]) for row in range(30)]) for part in (lab, sea, uto)]
    assert lengths[0] > lengths[1] + 5
    assert abs(lengths[1] - lengths[2]) < 12
    assert not np.array_equal(sea.read(0, rng)["image"], lab.read(0, rng)["image"])


def test_flowcam_pairs_join_images_with_their_rows(shared, tmp_path):
    source = Source(root=shared / "flowcam_protist_pairs", folders=(), work=tmp_path)
    pairs = open_pairs(FlowcamPairsConfig(), source)
    assert np.bincount(pairs.labels).tolist() == [500, 287, 418]
    assert pairs.target.names == ("Junk", "Missed", "Protist")
    sample, place = pairs.read(700, np.random.default_rng(0)), pairs.measured
    assert sample["image"].shape[0] == 3
    height, width = (sample["measurements"][place.index(name)] for name in ("Image Height", "Image Width"))
    assert sample["image.size"].tolist() == [height, width], "the row is of this very image"
    assert 30 < len(place) < 48
    assert not {"Particle ID", "Elapsed Time", "Ch1 Peak", "Date"} & set(place)


def test_images_without_a_row_are_reported(tmp_path):
    (tmp_path / "images/a").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(tmp_path / "images/a/run_X.png")
    table = tmp_path / "measurements.csv"
    source = Source(root=tmp_path, folders=(), work=tmp_path)
    with pytest.raises(DataMissing, match=r"has no measurements.csv next to a folder images"):
        open_pairs(FlowcamPairsConfig(), source)
    table.write_text("Original Reference ID,Image File,Source Image,Length\nY,run_1.tif,1,3\n")
    with pytest.raises(DataBroken, match=r"data\.table: has no row for 1 of 1 images, such as run_X\.png"):
        open_pairs(FlowcamPairsConfig(), source)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataBroken, match=r"empty: has no images\. Set data\.images"):
        open_pairs(FlowcamPairsConfig(images="empty"), source)
    table.write_text("Original Reference ID,Image File,Source Image,Length\nX,run_1.tif,1,3\nX,run_2.tif,1,4\n")
    with pytest.raises(DataBroken, match="run 'run' has particle 'X' twice"):
        open_pairs(FlowcamPairsConfig(), source)
    with pytest.raises(DataBroken, match=r"data\.table: has no column of numbers that differ"):
        parse_numbers([{"a": "1"}, {"a": "1"}], ())


def test_where_a_set_of_pairs_is_missing_another_that_is_here_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SSLBENCH_SOURCES", str(tmp_path))
    with pytest.raises(DataMissing, match=r"doi 10.23729/fd-470acabc.* Needs no download: --dataset pulse-pairs"):
        sslbench.run("clip-pairs", "cytosense", settings={"seeds": [0]})
