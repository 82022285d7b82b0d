"""STL-10, CIFAR-20 and VOC 2007, read from small trees in their published layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sslbench_mvmr.datasets.cifar20 import RELEASE
from sslbench_mvmr.datasets.stl10 import NAMES as STL10_NAMES
from sslbench_mvmr.datasets.stl10 import Stl10Config
from sslbench_mvmr.datasets.stl10_reader import open_stl10
from sslbench_mvmr.datasets.voc07 import NAMES as VOC_NAMES
from sslbench_mvmr.datasets.voc07 import Voc07Config
from sslbench_mvmr.datasets.voc07_reader import open_voc07
from sslbench_vision.datasets.cifar_reader import read_binary

from sslbench.api import DataBroken, DataMissing, Source


def source(root: Path) -> Source:
    return Source(root=root, folders=(), work=root / "work")


@pytest.fixture
def stl10(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    for part, count in (("train", 20), ("test", 10), ("unlabeled", 5)):
        images = rng.integers(0, 256, (count, 3, 96, 96), dtype=np.uint8)
        images[0, 0, 2, 5] = 200 + len(part)  # row 2, column 5
        images.transpose(0, 1, 3, 2).tofile(folder / f"{part}_X.bin")
        if part != "unlabeled":
            (np.arange(count) % 10 + 1).astype(np.uint8).tofile(folder / f"{part}_y.bin")
    lines = [" ".join(str((fold + i) % 20) for i in range(10)) for fold in range(10)]
    (folder / "fold_indices.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_stl10_has_its_rows_columns_labels_and_unlabeled_images(stl10):
    data = open_stl10(Stl10Config(), source(stl10))
    assert data.read(0, np.random.default_rng(0))["image"][0, 2, 5] == 200 + len("train")
    assert data.read(20, np.random.default_rng(0))["image"][0, 2, 5] == 200 + len("test")
    assert data.read(30, np.random.default_rng(0))["image"][0, 2, 5] == 200 + len("unlabeled")
    assert data.labels.tolist() == [i % 10 for i in range(20)] + list(range(10)) + [-1] * 5
    assert data.columns["split"].tolist() == ["train"] * 20 + ["test"] * 10 + ["train"] * 5
    assert data.target.names == STL10_NAMES
    assert len(set(data.columns["id"].tolist())) == 35
    assert len(open_stl10(Stl10Config(unlabeled=False), source(stl10)).labels) == 30


def test_stl10_has_ten_folds(stl10):
    data = open_stl10(Stl10Config(official_folds=True), source(stl10))
    assert "split" not in data.columns
    third = data.columns["split.3"]
    assert third[:20].tolist() == ["train" if 3 <= i < 13 else "" for i in range(20)]
    assert set(third[20:30].tolist()) == {"test"}
    assert set(third[30:].tolist()) == {"train"}
    assert "split.9" in data.columns


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("train_X.bin", b"short", "has 5 bytes, not a multiple of 27,648. Download it again"),
        ("train_y.bin", bytes([1, 2]), "has 2 labels for 20 images. Download it again"),
        ("test_y.bin", bytes([11] * 10), "label 11 is not in 1 to 10. Download it again"),
        ("fold_indices.txt", b"1 2 3\n", "has 1 lines, not 10 folds. Download it again"),
        ("fold_indices.txt", b"1 x\n" * 10, "invalid literal"),
        ("fold_indices.txt", b"1 20\n" * 10, "line 1 does not name different images from 0 to 19. Download it again"),
    ],
)
def test_damaged_files_of_stl10_are_named(stl10, file, content, problem):
    (stl10 / "stl10_binary" / file).write_bytes(content)
    with pytest.raises(DataBroken, match=f"{file}.*{problem}"):
        open_stl10(Stl10Config(official_folds=True), source(stl10))


@pytest.mark.parametrize("file", ["test_X.bin", "train_y.bin", "unlabeled_X.bin", "fold_indices.txt"])
def test_missing_files_of_stl10_are_named(stl10, file):
    (stl10 / "stl10_binary" / file).unlink()
    with pytest.raises(DataMissing, match=f"no {file} in "):
        open_stl10(Stl10Config(official_folds=True), source(stl10))


def test_cifar20_reads_the_coarse_label(tmp_path):
    for file, count in zip(RELEASE.binary_files, RELEASE.records, strict=True):
        records = np.zeros((count, 2 + 3072), np.uint8)
        records[:, 0], records[:, 1] = np.arange(count) % 20, 99
        records.tofile(tmp_path / file)
    images, labels = read_binary(tmp_path, RELEASE)
    assert labels[:25].tolist() == [*range(20), *range(5)]
    assert not images.any()
    assert len(RELEASE.names) == 20


@pytest.fixture
def voc07(tmp_path) -> Path:
    folder = tmp_path / "VOCdevkit" / "VOC2007"
    sets = folder / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    (folder / "JPEGImages").mkdir()
    parts = {"train": ("000012", "000017"), "val": ("000005",), "trainval": ("000005", "000012", "000017"),
             "test": ("000001", "000002")}  # fmt: skip
    for part, names in parts.items():
        for number, label in enumerate(VOC_NAMES):
            lines = [f"{name} {(' 1', '-1', ' 0')[(int(name) + number) % 3]}" for name in names]
            (sets / f"{label}_{part}.txt").write_text("\n".join(lines) + "\n")
        for name in names:
            Image.new("RGB", (50, 37), (int(name), 0, 0)).save(folder / "JPEGImages" / f"{name}.jpg")
    return tmp_path


@pytest.mark.parametrize(
    ("test", "ids"),
    [("test", ["000005", "000012", "000017", "000001", "000002"]), ("val", ["000012", "000017", "000005"])],
)
def test_voc_has_the_published_parts_and_unknown_labels_for_difficult_objects(voc07, test, ids):
    data = open_voc07(Voc07Config(test=test), source(voc07))
    assert data.columns["id"].tolist() == ids
    assert data.columns["split"].tolist() == ["train"] * (3 if test == "test" else 2) + ["test"] * (
        2 if test == "test" else 1
    )
    assert data.labels.shape == (len(ids), 20)
    assert data.labels[0].tolist() == [(1, 0, -1)[(int(ids[0]) + number) % 3] for number in range(20)]
    assert data.read(0, np.random.default_rng(0))["image"].shape == (3, 37, 50)


def test_another_label_changes_the_fingerprint_of_voc(voc07):
    before = open_voc07(Voc07Config(), source(voc07)).fingerprint()
    path = voc07 / "VOCdevkit/VOC2007/ImageSets/Main/cat_test.txt"
    path.write_text("000001  1\n000002  1\n")
    assert open_voc07(Voc07Config(), source(voc07)).fingerprint() != before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("000001 2\n", "line '000001 2' is not an image and 1, 0 or -1. Extract it again"),
        ("000001\n", "line '000001' is not an image and 1, 0 or -1. Extract it again"),
        ("000001 1\n", "image '000002' is not once in the file of each class. Extract it again"),
        ("000001 1\n000001 1\n", "image '000001' is not once in the file of each class. Extract it again"),
        ("000001 1\n000002 1\n000003 1\n", "image '000003' is not once in the file of each class. Extract it again"),
    ],
)
def test_damaged_labels_of_voc_are_named(voc07, content, problem):
    (voc07 / "VOCdevkit/VOC2007/ImageSets/Main/cat_test.txt").write_text(content)
    with pytest.raises(DataBroken, match=f"cat_test.txt: {problem}"):
        open_voc07(Voc07Config(), source(voc07))


def test_missing_files_of_voc_are_named(voc07):
    (voc07 / "VOCdevkit/VOC2007/JPEGImages/000002.jpg").unlink()
    with pytest.raises(DataMissing, match=r"no 000002\.jpg in "):
        open_voc07(Voc07Config(), source(voc07))
    (voc07 / "VOCdevkit/VOC2007/ImageSets/Main/sofa_test.txt").unlink()
    with pytest.raises(DataMissing, match=r"no sofa_test\.txt in "):
        open_voc07(Voc07Config(), source(voc07))
