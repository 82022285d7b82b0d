"""Tables next to a user's images: classes, splits and other columns of each image."""

from __future__ import annotations

import shutil

import pytest
from image_folders import labels_of, open_images, write

from sslbench.api.errors import DataBroken, RequestError, UnexpectedFormat


def test_a_manifest_gives_classes_splits_and_groups(tmp_path):
    root = write(tmp_path / "set", *(f"images/{n}.png" for n in range(6)), "images/extra.png")
    rows = [f"images/{n}.png,{'ab'[n % 2]},{'train' if n < 4 else 'val'},camera {n % 3}" for n in range(6)]
    (root / "manifest.csv").write_text("\n".join(["path,label,subset,camera", *rows, "images/lost.png,a,train,x"]))
    found = open_images(root)
    assert found.target.names == ("a", "b")
    assert found.columns["camera"][0] == "camera 0"
    assert sorted(set(found.columns["split"])) == ["", "test", "train"]
    answer = found.describe()
    assert answer.facts["layout"] == (
        "table manifest.csv: files from column 'path', class from column 'label', split from column 'subset'"
    )
    notes = ("1 of 7 images are not in manifest.csv", "1 of 7 rows of manifest.csv have no image", "test set")
    assert all(any(note in line for line in answer.notes) for note in notes)
    before = found.fingerprint()
    (root / "manifest.csv").write_text("\n".join(["path,label,subset,camera", *rows]))
    assert open_images(root).fingerprint() != before
    with pytest.raises(UnexpectedFormat, match="in one folder, 'images'"):
        open_images(root, table="none")


def test_a_table_elsewhere_counts_for_the_fingerprint(tmp_path):
    root = write(tmp_path / "set", "1.png", "2.png")
    table = tmp_path / "labels.csv"
    table.write_text("path,class\n1.png,a\n2.png,b\n")
    before = open_images(root, table=str(table)).fingerprint()
    table.write_text("path,class\n1.png,b\n2.png,a\n")
    assert open_images(root, table=str(table)).fingerprint() != before


def test_rows_are_matched_by_their_whole_path_first(tmp_path):
    root = write(tmp_path / "set", "a/1.png", "b/2.png", "c/3.png")
    (root / "manifest.csv").write_text(
        ",path,class\n0,x/1.png,wrong\n1,a/1.png,right\n2,2.png,two\n3,x/3.png,p\n4,y/3.png,q\n"
    )
    assert labels_of(open_images(root)) == {"a/1.png": "right", "b/2.png": "two", "c/3.png": ""}
    (root / "manifest.csv").write_text(",path\n0,a/1.png\n1,b/2.png\n")
    assert open_images(root).target.kind == "none", "a column without a name is no class"


def test_parts_that_are_no_split_are_refused(tmp_path):
    root = write(tmp_path / "set", *(f"{part}/{name}/1.png" for part in ("train", "holdout") for name in "ab"))
    with pytest.raises(
        RequestError, match=r"levels: labeled images are in parts 'holdout', 'train', none of which is a test"
    ):
        open_images(root, levels=("split", "class"))


def test_an_export_of_ecotaxa_is_read(tmp_path):
    root = write(tmp_path / "set", "1.jpg", "2.jpg", "deep/3.jpg")
    head = "object_id\timg_file_name\tobject_annotation_category\tobject_depth_min"
    rows = ["[t]\t[t]\t[t]\t[f]", "o1\t1.jpg\tCopepoda\t10", "o2\t2.jpg\tdetritus\t20", "o3\tx\\3.jpg\tCopepoda\t30"]
    (root / "ecotaxa_export.tsv").write_text("\n".join([head, *rows]))
    found = open_images(root)
    assert labels_of(found) == {"1.jpg": "Copepoda", "2.jpg": "detritus", "deep/3.jpg": "Copepoda"}
    assert found.columns["object_depth_min"].tolist() == ["10", "20", "30"]


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"table": "absent.csv"}, r"table: '.*absent\.csv' is not a file"),
        ({"class_column": "kind"}, r"class_column: manifest\.csv has no column 'kind'\. It has: path, class"),
        (
            {"path_column": "class"},
            r"table: column 'class' of manifest\.csv contains no image of the folder, such as '1\.png'",
        ),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, config, sentence):
    root = write(tmp_path / "set", "1.png", "2.png")
    (root / "manifest.csv").write_text("path,class\n1.png,a\n2.png,b\n")
    with pytest.raises(RequestError, match=sentence):
        open_images(root, **config)
    shutil.copy(root / "manifest.csv", root / "labels.csv")
    with pytest.raises(RequestError, match=r"table: there are several: labels\.csv, manifest\.csv"):
        open_images(root)
    (root / "labels.csv").write_text("path,class\n1.png,a\n1.png,b\n")
    with pytest.raises(DataBroken, match=r"labels\.csv has two different rows for 1\.png"):
        open_images(root, table="labels.csv")
