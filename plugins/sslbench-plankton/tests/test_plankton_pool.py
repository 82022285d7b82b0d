"""The pool of the plankton study: its crosswalk of class names, and which images it leaves out."""

from __future__ import annotations

import csv
import fnmatch
from pathlib import Path

import sslbench_plankton.studies

from sslbench.testing.plans import open_dataset

CROSSWALK = Path(sslbench_plankton.studies.__file__).parent / "plankton_mae_crosswalk.csv"


def test_the_crosswalk_of_the_plankton_study_equals_that_of_the_cross_instrument_set(shared):
    with (shared / "cross_instrument_plankton/crosswalk.csv").open() as opened:
        theirs = [(row["instrument"], row["source_class"], row["class"]) for row in csv.DictReader(opened)]
    with CROSSWALK.open() as opened:
        lines = [(row["member"], row["class"], row["name"]) for row in csv.DictReader(opened)]
    ndsb = {path.name for path in (shared / "ndsb_plankton/train").iterdir()}
    ours = {}
    for member, pattern, name in lines:
        if member == "ndsb":
            ours |= {found: name for found in fnmatch.filter(ndsb, pattern) if found not in ours}
    del ours["copepod_calanoid_eggs"]  # its own line takes precedence over the wider one below
    assert ours == {source: name for instrument, source, name in theirs if instrument == "ISIIS"}
    zooscan = {source: name for instrument, source, name in theirs if instrument == "ZooScan"}
    assert {pattern: name for member, pattern, name in lines if member == "zooscan"} == zooscan


def test_the_pool_without_two_instruments_has_no_image_or_class_of_theirs(shared, tmp_path):
    cross = shared / "cross_instrument_plankton"
    members = {"ndsb": {"name": "image-folder", "root": str(shared / "ndsb_plankton/train"), "channels": "gray"}}
    members |= {
        name: {"name": "image-folder", "root": str(cross / name), "channels": "gray"} for name in ("ISIIS", "SPC")
    }
    lines = [line for line in CROSSWALK.read_text().splitlines() if not line.startswith("zooscan,")]
    (tmp_path / "crosswalk.csv").write_text("\n".join(lines))  # only the members of this pool
    settings = {"members": members, "crosswalk": str(tmp_path / "crosswalk.csv"), "same_name": True}

    def opened(**more):
        return open_dataset("pool", {**settings, **more})[0].dataset

    complete = opened()
    assert {row["member"]: row["repeated"] for row in complete.account}["ISIIS"] == 2268
    bare = opened(without=["ISIIS", "SPC"])
    rows = {row["member"]: row for row in bare.account}
    ndsb = rows["ndsb"]
    assert ndsb["same bytes"] + ndsb["same name"] + ndsb["shared class"] == 8137
    assert ndsb["kept"] == len(bare.labels) == 14260 - 8137
    with (cross / "crosswalk.csv").open() as opened_file:
        shared_classes = {row["source_class"] for row in csv.DictReader(opened_file)}
    assert not set(bare.columns["class"]) & shared_classes
    drawn = opened(match_size_without=["ISIIS", "SPC"])
    assert len(drawn.labels) == len(bare.labels)
    assert {row["member"]: row["kept"] for row in drawn.account}["SPC"] > 0
    ids = bare.columns["id"].tolist()
    assert not {identity.split("/")[1] for identity in ids} & shared_classes
    theirs = {path.name for name in ("ISIIS", "SPC") for path in (cross / name).rglob("*.jpg")}
    assert not {identity.rsplit("/", 1)[1] for identity in ids} & theirs
    assert bare.fingerprint() != complete.fingerprint()
