"""Real images of every kind become memory-mapped arrays: once, safely, and with a list of unreadable files."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_images
from sslbench_plankton.padding import edge_statistics, pad_square

from sslbench.api.errors import DataBroken, DataMissing
from sslbench.api.files import find, fingerprint, unpack
from sslbench.api.specs import Source
from sslbench.api.values import Target
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.choices import choose
from sslbench.config.datasets import DatasetCache
from sslbench.data.canvas import edge_mode, fit_to_canvas, match_background
from sslbench.data.subset import Subset, stratified_rows
from sslbench.environment import places

PHOTO = load_sample_images().images[0]


def save(path: Path, image: Image.Image, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def folder_of_everything(root: Path) -> None:
    """Every kind of image that a scientist's disk holds, in two classes."""
    photo = Image.fromarray(PHOTO[:60, :90])
    deep = np.linspace(0, 65535, 50 * 40).reshape(50, 40).astype(np.uint16)
    save(root / "a/color.png", photo)
    save(root / "a/photo.jpg", photo)
    save(root / "a/palette.png", photo.convert("P"))
    save(root / "a/alpha.png", photo.convert("RGBA"))
    save(root / "b/gray.png", photo.convert("L"))
    save(root / "b/gray_alpha.png", photo.convert("LA"))
    save(root / "b/deep.png", Image.fromarray(deep))
    save(root / "b/deep.tif", Image.fromarray(deep))
    save(root / "b/float.tif", Image.fromarray(deep.astype(np.float32)))
    save(root / "b/bits.png", photo.convert("1"))
    frames = [photo, photo.rotate(90)]
    save(root / "b/animated.gif", frames[0], save_all=True, append_images=frames[1:])
    save(root / "b/small.bmp", photo.resize((7, 300)))


def run_data(cli, *args: str, folder: Path) -> str:
    answer = cli("data", *args, env={"SSLBENCH_DATA": str(folder)})
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def prepared(root: Path, data: Path, cli, *more: str) -> Path:
    out = run_data(cli, "prepare", "image-folder", f"data.root={root}", *more, folder=data)
    return Path(next(line for line in out.splitlines() if ", in /" in line).rsplit(", in ", 1)[1])


def test_any_format_and_any_size(tmp_path, cli):
    folder_of_everything(tmp_path / "images")
    (tmp_path / "images/b/broken.png").write_bytes(b"\x89PNG not really")
    (tmp_path / "images/b/notes.txt").write_text("not an image")
    (tmp_path / "images/b/._mac.png").write_text("hidden")
    more = ("view.size=32", "prepare.unreadable=0.2", "data.pages=0")
    folder = prepared(tmp_path / "images", tmp_path / "data", cli, *more)
    meta = json.loads((folder / "meta.json").read_text())
    assert np.load(folder / "image.npy").shape == (13, 3, 64, 64)
    assert len(np.load(folder / "kept.npy")) == 12
    assert len(meta["unreadable"]) == 1
    assert "b/broken.png" in meta["unreadable"][0]
    sizes = np.load(folder / "image.size.npy")
    assert [300, 7] in sizes.tolist()
    assert [50, 40] in sizes.tolist()


def test_too_many_unreadable_files_is_an_error(tmp_path, cli):
    save(tmp_path / "a/x.png", Image.fromarray(PHOTO[:9, :9]))
    (tmp_path / "b").mkdir()
    (tmp_path / "b/y.png").write_bytes(b"no")
    answer = cli("data", "prepare", "image-folder", f"data.root={tmp_path}", env={"SSLBENCH_DATA": str(tmp_path / "d")})
    assert answer.returncode == 3
    assert "1 of 2 samples cannot be read, such as b/y.png" in answer.stderr
    assert "Repair or remove these files, or raise prepare.unreadable=0.05" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("root", "sentence"),
    [("absent", "looked in"), ("empty", "has no readable image file")],
)
def test_no_folder_or_no_image(tmp_path, cli, root, sentence):
    (tmp_path / "empty").mkdir()
    answer = cli("data", "where", "image-folder", f"data.root={tmp_path / root}")
    assert answer.returncode == 3
    assert sentence in answer.stderr


def test_a_relative_root_is_looked_for_where_all_data_is(tmp_path, cli):
    for name in "ab":
        save(tmp_path / f"sources/mine/images/{name}/1.png", Image.fromarray(PHOTO[:9, :9]))
    env = {"SSLBENCH_SOURCES": str(tmp_path / "sources"), "SSLBENCH_DATA": str(tmp_path / "data")}
    found = cli("data", "where", "image-folder", "data.root=mine/images", env=env)
    assert found.stdout.startswith("images: 2 samples"), found.stderr
    lost = cli("data", "where", "image-folder", "data.root=mine/picturs", env=env)
    assert "looked in mine/picturs" in lost.stdout + lost.stderr


@settings(max_examples=50)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 48), st.sampled_from(["pad", "squash", "crop"]))
def test_every_image_fits_every_canvas(height, width, size, fit):
    image = np.full((2, height, width), 77, np.uint8)
    placed = fit_to_canvas(image, size, fit)
    assert placed.shape == (2, size, size)
    assert (placed == 77).all()


def test_padding_uses_the_edges_commonest_color():
    image = np.zeros((1, 4, 9), np.uint8)
    image[0, 0] = 200
    image[0, -1, :5] = 200
    assert edge_mode(image).tolist() == [200]
    assert (fit_to_canvas(image, 9, "pad")[0, 0] == 200).all()


def test_images_can_be_turned_to_one_background():
    """A shadowgraph's animal is dark on light, a dark field's light on dark."""
    light = np.full((1, 5, 7), 250, np.uint8)
    light[0, 2, 3] = 20
    dark = 255 - light
    assert match_background(dark, "as-is") is dark
    assert (match_background(dark, "light") == light).all()
    assert match_background(light, "light") is light
    assert (match_background(light, "dark") == dark).all()


def test_plankton_padding_follows_the_paper():
    rng = np.random.default_rng(0)
    image = np.clip(rng.normal(180, 6, (40, 100)), 0, 255).astype(np.uint8)
    image[10:30, 20:80] = 40
    mode, deviation = edge_statistics(image)
    edges = np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])
    assert mode == np.bincount(edges).argmax()
    nearest = sorted(edges.astype(int), key=lambda v: abs(v - mode))[: round(0.2 * len(edges))]
    assert deviation == pytest.approx(np.std(nearest))
    square = pad_square(image, np.random.default_rng(1))
    assert square.shape == (100, 100)
    assert (square[30:70] == image).all()
    border = np.concatenate([square[:30], square[70:]]).astype(float)
    assert border.mean() == pytest.approx(mode, abs=0.5)
    assert border.std() == pytest.approx(np.hypot(deviation, 1 / np.sqrt(12)), rel=0.15)
    assert (pad_square(image, np.random.default_rng(1)) == square).all()


def test_an_archive_that_would_leave_its_folder_is_refused_whole(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("good.txt", "good")
        archive.writestr("../evil.txt", "evil")
    with pytest.raises(DataBroken, match=r"evil\.zip: nothing was extracted, as '\.\./evil\.txt' in it"):
        unpack(tmp_path / "evil.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "evil.txt").exists()
    (tmp_path / "torn.zip").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(DataBroken, match="not a readable zip file"):
        unpack(tmp_path / "torn.zip", tmp_path / "out2")


def test_raw_data_is_looked_for_in_order(tmp_path):
    for name in ("root", "first", "second"):
        (tmp_path / name / "set").mkdir(parents=True)
    folders = (tmp_path / "first", tmp_path / "second")
    assert find(Source(root=tmp_path / "root", folders=folders, work=tmp_path), ["set"]) == tmp_path / "root/set"
    assert find(Source(root=None, folders=folders, work=tmp_path), ["set"]) == tmp_path / "first/set"
    with pytest.raises(DataMissing, match="absent/other"):
        find(Source(root=tmp_path / "absent", folders=folders, work=tmp_path), ["other"])


def test_fingerprints_follow_content_and_names(tmp_path):
    (tmp_path / "a").write_text("x")
    first = fingerprint(tmp_path, [tmp_path / "a"], tmp_path / "memory")
    assert fingerprint(tmp_path, [tmp_path / "a"], tmp_path / "memory") == first
    (tmp_path / "a").write_text("y")
    assert fingerprint(tmp_path, [tmp_path / "a"], tmp_path / "memory2") != first


@example([0] * 13 + [1] * 4 + [2] * 3, 6)  # a share below one is rounded up, and no more is added
@given(st.lists(st.integers(0, 5), min_size=20, max_size=200), st.integers(6, 300))
def test_some_samples_are_an_even_share_of_every_class(strata, samples):
    strata = np.array(strata)
    rows = stratified_rows(strata, min(samples, len(strata)))
    assert len(set(rows.tolist())) == len(rows)
    assert abs(len(rows) - min(samples, len(strata))) < 6
    for code in np.unique(strata):
        exact = (strata == code).sum() * min(samples, len(strata)) / len(strata)
        assert max(1, int(exact)) <= (strata[rows] == code).sum() <= exact + 1


def test_fewer_samples_are_drawn_from_every_split_and_class(tmp_path):
    catalog = discover(installed_entries())
    digits = catalog.components["dataset"]["digits"]
    whole = digits.implementation()(digits.spec.config(), Source(root=None, folders=(), work=tmp_path))
    few = Subset(whole, 300, "stratified")
    assert len(few.labels) == 300
    assert set(few.labels) == set(range(10))
    row = few.rows[17]
    for name, value in few.read(17, np.random.default_rng(0)).items():
        assert (value == whole.read(int(row), np.random.default_rng(0))[name]).all()
    assert few.columns["id"][17] == whole.columns["id"][row]
    assert few.fingerprint() != whole.fingerprint()
    part = DatasetCache(places()).part(choose(catalog, "dataset", "digits", {}, "data", []), "", fetch=False)
    assert part.subset(0) is part.subset(1797) is part
    assert part.subset(300).fingerprint() == few.fingerprint()
    assert part.subset(300).fingerprint() == f"{whole.fingerprint()}-300-2", "keys of earlier requests are kept"
    assert part.subset(300, "balanced").fingerprint() == Subset(whole, 300, "balanced").fingerprint()
    assert part.subset(300, "balanced").fingerprint() != few.fingerprint()


class Uneven:
    """Labels and official splits without anything to read."""

    def __init__(self, labels, split):
        self.labels, self.columns = (
            np.array(labels),
            {"id": np.arange(len(labels)).astype(str), "split": np.array(split)},
        )
        self.modalities, self.target = {}, Target(kind="class", names=("a", "b", "c"))


def test_balanced_samples_are_the_same_number_of_every_class_in_each_split():
    labels = np.array(([0] * 80 + [1] * 40 + [2] * 4 + [-1] * 36) * 2)
    split = np.array(["train"] * 160 + ["test"] * 160)

    def counts(sampling):
        rows = Subset(Uneven(labels, split), 160, sampling).rows
        return [
            [int(((labels == code) & (split == part))[rows].sum()) for code in (0, 1, 2, -1)]
            for part in ("train", "test")
        ]

    assert counts("stratified") == [[40, 20, 2, 18]] * 2
    assert counts("balanced") == [[29, 29, 4, 18]] * 2, (
        "a class with 4 samples has 4, and unlabeled ones keep their share"
    )


@given(st.lists(st.integers(0, 4), min_size=20, max_size=200), st.integers(5, 250))
def test_balanced_samples_differ_only_where_a_class_has_no_more(labels, samples):
    labels = np.array(labels)
    rows = Subset(Uneven(labels, ["train"] * len(labels)), samples, "balanced").rows
    kept, there = (np.unique(values, return_counts=True)[1] for values in (labels[rows], labels))
    assert len(set(rows.tolist())) == len(rows) == min(samples, len(labels))
    assert all(count in (kept.max(), kept.max() - 1) or count == all_ for count, all_ in zip(kept, there, strict=True))
