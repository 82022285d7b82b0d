"""A user's folder: its layout, what is skipped, tables next to the images, and what is reported."""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import shutil
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_folders import labels_of, open_images, write
from PIL import Image
from sslbench_vision.datasets.file_times import make_expression, read_time
from sslbench_vision.datasets.image_folder import ImageFolderConfig
from sslbench_vision.datasets.image_folder_layout import AmbiguousLayoutError, recognize_layout

import sslbench
from sslbench.api.errors import DataBroken, DataMissing, RequestError, UnexpectedFormat
from sslbench.api.image_listing import list_images
from sslbench.testing.plans import describe_part, open_dataset


def test_class_folders_at_any_depth(tmp_path):
    found = open_images(write(tmp_path / "set", "a/1.png", "a/deep/2.png", "b/3.png"))
    assert labels_of(found) == {"a/1.png": "a", "a/deep/2.png": "a", "b/3.png": "b"}
    assert "folders below the class folders are not used: 'deep'" in found.describe().notes[0]


@pytest.mark.parametrize(
    ("parts", "splits"),
    [
        (("train", "val", "test"), ("train", "validation", "test")),
        (("training_set", "test_set"), ("train", "test")),
        (("Train", "Valid"), ("train", "test")),
    ],
)
def test_split_folders_are_official_splits(tmp_path, parts, splits):
    root = write(tmp_path / "set", *(f"{part}/{name}/1.png" for part in parts for name in ("a", "b")))
    found = open_images(root)
    by_part = dict(zip((i.split("/")[0] for i in found.columns["id"]), found.columns["split"], strict=True))
    assert by_part == dict(zip(parts, splits, strict=True))
    assert found.target.names == ("a", "b")
    if "Valid" in parts:
        assert "the validation part is the test set" in found.describe().notes[0]


def test_splits_inside_classes(tmp_path):
    found = open_images(write(tmp_path / "set", *(f"{c}/{p}/1.png" for c in "ab" for p in ("train", "test"))))
    assert found.columns["split"].tolist() == ["test", "train"] * 2
    assert found.describe().facts["layout"].startswith("CLASS/SPLIT/image")


def test_one_labeled_part_is_no_split(tmp_path):
    found = open_images(write(tmp_path / "set", "train/a/1.png", "train/b/2.png", "test/3.png"))
    assert "split" not in found.columns
    assert labels_of(found)["test/3.png"] == ""
    assert any("folds are drawn within it" in note for note in found.describe().notes)


def test_images_without_labels(tmp_path):
    assert open_images(write(tmp_path / "flat", "1.png", "2.png")).target.kind == "none"
    mixed = open_images(write(tmp_path / "mixed", "unlabeled/1.png", "unlabeled/deep/2.png", "a/3.png", "b/4.png"))
    assert sorted(mixed.labels.tolist()) == [-1, -1, 0, 1]


def test_levels_name_the_folders(tmp_path):
    root = write(tmp_path / "set", "ISIIS/a/1.png", "SPC/a/1.png", "SPC/b/2.png")
    found = open_images(root, levels=("instrument", "class"))
    assert found.columns["instrument"].tolist() == ["ISIIS", "SPC", "SPC"]
    assert found.target.names == ("a", "b")
    vehicles = open_images(write(tmp_path / "vehicles", "car/1.png", "bus/1.png", "train/1.png"), levels=("class",))
    assert vehicles.target.names == ("bus", "car", "train")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            ("car/1.png", "bus/1.png", "train/1.png"),
            r"levels: 'train' is named like a split, next to 'bus', 'car'\. Set",
        ),
        (
            ("train/a/1.png", "test/a/1.png", "b/1.png"),
            r"levels: 'test', 'train' are named like a split, next to 'b'\.",
        ),
        (("train/1.png", "test/2.png"), r"levels: 'test', 'train' contain images and no class folders\. Set"),
        (
            ("images/a/1.png", "images/b/1.png"),
            r"root: contains one folder with images, 'images', with 'a', 'b' below it",
        ),
    ],
)
def test_what_is_ambiguous_is_refused(tmp_path, files, sentence):
    with pytest.raises(RequestError, match=sentence):
        open_images(write(tmp_path / "set", *files))


def test_one_class_is_a_question(tmp_path):
    root = write(tmp_path / "set", "JPEGImages/1.png", "JPEGImages/2.png")
    with pytest.raises(UnexpectedFormat, match=r"in one folder, 'JPEGImages'\. Set data\.root to that folder"):
        open_images(root)
    (root / "Annotations").mkdir()
    (root / "Annotations/1.xml").write_text("<annotation/>")
    with pytest.raises(UnexpectedFormat, match="it looks like Pascal VOC") as found:
        open_images(root)
    assert found.value.format == "voc"
    assert open_images(root, levels=("class",)).target.names == ("JPEGImages",)


@pytest.mark.parametrize(
    ("file", "looks", "reader"),
    [("train-images-idx3-ubyte", "idx files", "mnist"), ("data_batch_1", "batches of CIFAR", "cifar10, cifar100")],
)
def test_other_data_is_named_with_the_datasets_that_read_it(tmp_path, cli, file, looks, reader):
    (tmp_path / "arrays").mkdir()
    (tmp_path / "arrays" / file).write_bytes(bytes([0, 0, 8, 3]))
    answer = cli("data", "where", "image-folder", f"data.root={tmp_path / 'arrays'}")
    assert answer.returncode == 3
    assert f"t looks like {looks}" in answer.stderr
    assert f"Datasets that read this format: {reader}" in answer.stderr


def test_a_zip_is_read_and_another_file_is_refused(tmp_path):
    write(tmp_path / "set", "a/1.png", "b/2.png")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted((tmp_path / "set").rglob("*.png")):
            archive.write(file, file.relative_to(tmp_path / "set"))
    assert open_images(tmp_path / "set.zip").target.names == ("a", "b")
    (tmp_path / "set.tar").write_bytes(b"tar")
    with pytest.raises(DataBroken, match=r"set\.tar is a file but not a zip file\. Unpack it"):
        open_images(tmp_path / "set.tar")
    with pytest.raises(DataMissing, match="absent"):
        open_images(tmp_path / "absent")


def test_system_folders_and_own_output_are_skipped_and_counted(tmp_path):
    root = write(
        tmp_path / "set", "a/1.png", "b/2.png", ".ipynb_checkpoints/1.png", "a/.ipynb_checkpoints/1.png", "@eaDir/1.png",
        ".Trash-1000/files/1.png", "$RECYCLE.BIN/1.png", "runs/stages/pretrain/x/1.png", "runs/one/figure.png",
        "old/1.png",
    )  # fmt: skip
    (root / "runs/stages/pretrain/x/stage.json").write_text("{}")
    (root / "one-run").mkdir()
    for name in ("record.json", "request.yaml", "figure.png"):
        shutil.copy(root / "a/1.png", root / "one-run" / name)
    (root / "notes.txt").write_text("notes")
    found = open_images(root, skip=("old",))
    assert sorted(found.columns["id"]) == ["a/1.png", "b/2.png"]
    skipped = found.describe().facts["skipped"]
    for part in (
        "5 hidden or system folder",
        "2 written by sslbench",
        "1 extension .txt (notes.txt)",
        "1 named in data.skip",
    ):
        assert part in skipped


def test_files_are_images_by_extension_or_by_content(tmp_path):
    names = ("1.PNG", "2.jfif", "3.jpe", "4.avif", "5.pnm", "6.dib", "7", "8.png")
    root = write(tmp_path / "set", *(f"a/{name}" for name in names), "b/1")
    assert len(list_images(root).files) == len(names) + 1
    (root / "b/readme").write_text("not an image")
    (root / "b/paper.pdf").write_bytes(b"%PDF")
    skipped = list_images(root).skipped
    assert skipped["no extension and not an image"] == ("b/readme",)
    assert skipped["extension .pdf"] == ("b/paper.pdf",)


def test_linked_folders_are_followed_once(tmp_path):
    root = write(tmp_path / "set", "a/1.png", "b/2.png")
    write(tmp_path / "elsewhere", "3.png")
    (root / "c").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (root / "a/gone.png").symlink_to(root / "nowhere.png")
    (root / "deep").symlink_to(tmp_path)  # holds a folder that is read already
    listing = list_images(root)
    assert [path.relative_to(root).as_posix() for path in listing.files] == ["a/1.png", "again/3.png", "b/2.png"]
    assert listing.skipped["links to a folder that is read already"] == ("c/", "deep/elsewhere/", "deep/set/", "loop/")
    assert listing.skipped["broken link"] == ("a/gone.png",)


def test_spellings_of_one_name_are_one_class(tmp_path):
    found = open_images(write(tmp_path / "set", "Ch\u00e9/1.png", "Che\u0301/2.png", "other/3.png"))
    assert found.target.names == ("Ch\u00e9", "other")


def test_names_that_are_no_utf8_are_escaped(tmp_path):
    root = write(tmp_path / "set", "a/1.png", "b/2.png")
    shutil.copy(root / "a/1.png", bytes(root / "a") + b"/caf\xe9.png")
    found = open_images(root)
    assert "a/caf\\xe9.png" in found.columns["id"]
    assert json.dumps(found.columns["id"].tolist()).isascii()
    assert found.fingerprint()


def test_columns_from_file_names(tmp_path):
    root = write(tmp_path / "set", "a/cam-17-x.png", "b/other.png")
    found = open_images(root, columns={"second": r"cam-(\d+)", "odd": "other"})
    assert found.columns["second"].tolist() == ["17", ""]
    assert found.columns["odd"].tolist() == ["", "other"]
    message = r"columns\.second: 'camera-\(\\\\d\+\)' matches no file name, such as 'cam-17-x\.png'"
    with pytest.raises(RequestError, match=message):
        open_images(root, columns={"second": r"camera-(\d+)"})
    for columns, sentence in (
        ({"second": "("}, "is not a regular expression"),
        ({"id": "x"}, "this column exists already"),
    ):
        with pytest.raises(ValueError, match=sentence):
            ImageFolderConfig(columns=columns)


@given(st.datetimes(min_value=datetime.datetime(1971, 1, 1)))
def test_times_are_read_from_file_names(time):
    time = time.replace(microsecond=0)
    name = f"cam_{time:%Y}{time:%m%dT%H%M%S}_7.png"
    if time.year >= 1000:
        expected = (time - datetime.datetime(1970, 1, 1)).total_seconds()
        assert float(read_time(name, "%Y%m%dT%H%M%S")) == expected


def test_patterns_of_times_are_checked(tmp_path):
    for pattern, sentence in (("%Q", "'%Q' is not possible"), ("abc", "has no directive of a time")):
        with pytest.raises(ValueError, match=sentence):
            make_expression(pattern)
    assert read_time("99999999.png", "%Y%m%d") == ""
    assert read_time("99999999_19700102.png", "%Y%m%d") == "86400"
    root = write(tmp_path / "set", *(f"{c}/D20240101T00{m:02d}00_{m}.png" for c in "ab" for m in range(0, 60, 5)))
    found = open_images(root, time="D%Y%m%dT%H%M%S")
    assert found.columns["time"][0] == "1704067200"
    with pytest.raises(RequestError, match="time: '%Y-%m' matches no file name"):
        open_images(root, time="%Y-%m")


def test_a_minimum_that_no_class_has_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"min_class_samples=5: no class has that many images; the largest has 1"):
        open_images(write(tmp_path / "set", "a/1.png", "b/2.png"), min_class_samples=5)


def test_dropping_copies_of_every_image_is_refused(tmp_path):
    root = write(tmp_path / "set", "a/1.png", "a/2.png")
    shutil.copytree(root / "a", root / "b")
    with pytest.raises(
        RequestError, match=r"^copies=drop: leaves no image, as each has an identical one in another class"
    ):
        open_images(root, copies="drop")


def test_errors_of_the_system_are_not_remembered(tmp_path, monkeypatch):
    root = write(tmp_path / "set", "a/1.png", "b/2.png")

    def fail(path, *more):
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", fail)
        assert "unreadable" in open_images(root).describe().facts
    assert "unreadable" not in open_images(root).describe().facts


def test_an_opened_folder_keeps_its_fingerprint(tmp_path):
    root = write(tmp_path / "set", "a/1.png", "b/2.png")
    opened = open_images(root)
    first = opened.fingerprint()
    write(root, "a/1.png")
    with (root / "a/1.png").open("ab") as file:
        file.write(b"\0")
    assert opened.fingerprint() == first, "its digests are those of the files as they were when the folder was opened"
    assert open_images(root).fingerprint() != first


def test_identical_files_are_counted_and_can_be_kept_together_or_dropped(tmp_path):
    def describe(**splits) -> str:
        (part,) = open_dataset("image-folder", {"root": str(root)})
        return "\n".join(describe_part(part, splits))

    root = write(tmp_path / "set", *(f"{c}/{n}.png" for c in "ab" for n in range(10)))
    for path in sorted(root.rglob("*.png")):
        shutil.copy(path, path.with_name(f"{path.stem} copy.png"))
    shutil.copy(root / "a/0.png", root / "b/from a.png")
    described = describe()
    assert "identical samples: 21, such as a/0 copy.png and a/0.png; 2 of them in different classes; " in described
    assert "test samples of the first fold are identical to training samples" in described
    assert "splits.groups=copy keeps identical files on one side" in described
    together = describe(groups="copy")
    assert "2 of them in different classes" in together
    assert "identical to training samples" not in together
    shutil.copy(root / "a/1.png", write(root, "unlabeled/other.png") / "unlabeled/same.png")
    single = open_images(root, copies="drop")
    assert labels_of(single)["a/1 copy.png"] == "a", "the labeled one of a labeled and an unlabeled file is kept"
    single = open_images(root, copies="drop", skip=("unlabeled",))
    assert len(single.labels) == 19, "one of each, and none of the image that is in two classes"
    assert len(set(single.contents())) == 19


def test_what_was_found_is_printed_and_recorded(tmp_path, cli):
    root = write(tmp_path / "set", *(f"{c}/{n}.png" for c in "ab" for n in range(10)))
    (root / "a/broken.png").write_bytes(b"no image")
    env = {"SSLBENCH_DATA": str(tmp_path / "data")}
    for command in ("where", "verify"):
        message = cli("data", command, "image-folder", f"data.root={root}", env=env).stdout
        assert "classes: a 11, b 10" in message
        assert "layout: CLASS/image, recognized by the folders' names" in message
        assert "unreadable: 1 file(s), such as a/broken.png" in message
    settings = {"data.root": str(root), "view.size": 16, "protocols": ["knn"], "baselines": [], "seeds": [0]}
    record = sslbench.run("raw-features", "image-folder", out=tmp_path / "runs", settings=settings).records[0]
    facts = record.evaluated_on[0]["found"]
    assert facts["classes"] == {"a": 11, "b": 10}
    assert facts["facts"]["formats"] == "PNG (20)"


@given(st.lists(st.lists(st.sampled_from(["a", "b", "train", "test", "unlabeled", "x"]), max_size=3), min_size=1))
def test_every_image_of_any_tree_gets_a_row_or_the_tree_is_refused(paths):
    folders = [tuple(path) for path in paths]
    with contextlib.suppress(AmbiguousLayoutError):
        layout = recognize_layout(folders, ())
        assert len(layout.rows) == len(folders)
        for path, row in zip(folders, layout.rows, strict=True):
            assert row["class"] in ("", *path)
            assert row["split"] in ("", "train", "validation", "test")
            assert not (path and path[0] == "unlabeled" and row["class"])
