"""Recordings of a watch: real files, steps of eight instants, subjects and official splits, and errors for bad files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from crop_trees import write_motions, write_watch

from sslbench.api.errors import DataMissing, RequestError
from sslbench.testing.plans import divide_part, open_dataset

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def watch(shared) -> dict[str, str]:
    return {"root": str(shared / "watch_exercises")}


@pytest.fixture(scope="module")
def recorded(shared):
    return dict(np.load(shared / "watch_exercises/watch.npz"))


def test_pairs_are_eight_instants_of_both_sensors_of_subjects_that_are_not_held_out(watch, recorded):
    data = open_dataset("watch-exercises/pairs", watch)[0].dataset
    assert {name: m.shape for name, m in data.modalities.items()} == {"step-a": (24,), "step-b": (24,)}
    assert {*data.columns["subject"]} == {"1", "2", "3", "4", "5"}
    assert {*data.columns["side"]} == {"0"}
    first = np.concatenate([[0], np.cumsum(recorded["length"])])
    for row in (0, 1234, len(data.labels) - 1):
        recording, start = map(int, data.columns["id"][row].split("-"))
        instants = recorded["values"][first[recording] + start :][:8]
        sample = data.read(row, RNG)
        assert np.array_equal(sample["step-a"], instants[:, :3].ravel())
        assert np.array_equal(sample["step-b"], instants[:, 3:].ravel())
        assert start + 8 <= recorded["length"][recording]
        assert data.labels[row] == recorded["exercise"][recording]


def test_series_lie_within_one_recording_and_do_not_overlap(watch, recorded):
    pairs = open_dataset("watch-exercises/pairs", watch)[0].dataset
    for side in ("0", "1"):
        data = open_dataset(f"watch-exercises/side-{side}", {**watch, "sensors": "both"})[0].dataset
        assert data.modalities["series-a"].shape == (32, 24)
        assert data.modalities["series-b"].sequence_of == "step-b"
        assert {*data.columns["side"]} == {side}
        assert not {*data.columns["subject"]} & {*pairs.columns["subject"]}
        assert set(data.labels.tolist()) == set(range(7))
        recording, start = map(int, data.columns["id"][9].split("-"))
        first = int(recorded["length"][:recording].sum()) + start
        instants = recorded["values"][first : first + 256]
        assert np.array_equal(data.read(9, RNG)["series-b"][3], instants[24:32, 3:].ravel())
        starts = [int(name.split("-")[1]) for name in data.columns["id"].tolist()]
        assert all(one % 256 == 0 for one in starts)
        ends = recorded["length"][data.columns["recording"].astype(int)]
        assert (np.array(starts) + 256 <= ends).all()


def test_a_subject_is_never_in_two_splits(watch):
    part = open_dataset("watch-exercises/side-1", watch)[0]
    subjects = part.dataset.columns["subject"]
    for fold in range(5):
        division = divide_part(part, {"folds": 5}, fold)
        sides = [{*subjects[rows]} for rows in (division.bank, division.validation, division.query)]
        assert all(sides)
        assert sum(map(len, sides)) == 5


def test_basic_motions_has_its_official_split(shared):
    part = open_dataset("basic-motions/series", {"root": str(shared / "basic_motions")})[0]
    data = part.dataset
    assert data.modalities["series-a"].shape == (12, 24)
    assert data.target.names == ("Badminton", "Running", "Standing", "Walking")
    assert np.bincount(data.labels).tolist() == [20] * 4
    division = divide_part(part)
    assert len(division.query) == 40
    assert len(division.bank) + len(division.validation) == 40
    assert data.read(0, RNG)["series-a"][0, :4] == pytest.approx([0.079106, 0.394032, 0.551444, 0.079106], abs=1e-6)
    pairs = open_dataset("basic-motions/pairs", {"root": str(shared / "basic_motions")})[0].dataset
    assert len(pairs.labels) == 80 * 12
    assert (pairs.columns["split"] == "test").sum() == 40 * 12
    alone = open_dataset("basic-motions/series", {"root": str(shared / "basic_motions"), "sensors": "b"})[0].dataset
    assert np.array_equal(alone.read(70, RNG)["series-b"][5], pairs.read(70 * 12 + 5, RNG)["step-b"])


def test_bad_recordings_are_one_message_each(tmp_path):
    def opened(path: Path, **settings: object):
        return open_dataset("watch-exercises/pairs", {"root": str(path.parent), **settings})[0]

    path = write_watch(tmp_path / "wide", channels=7)
    with pytest.raises(DataMissing, match=r"'values' has 7 channels, not 6 \(ax ay az wx wy wz\)\. Remove the others"):
        opened(path)
    path = write_watch(tmp_path / "watch")
    stored = dict(np.load(path))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataMissing, match=r"watch\.npz: is not a readable npz file \(.*\)\. Fetch it again"):
        opened(path)
    values = stored["values"].copy()
    values[int(stored["length"][0]) + 5, 4] = np.nan
    for change, answer in (
        ({"values": values}, r"recording 1 has nan in channel 'wy'\. Remove the recording"),
        (
            {"length": stored["length"] + 1},
            r"the recordings have [\d,]+ instants, and 'values' [\d,]+\. Fetch it again",
        ),
    ):
        np.savez(path, **{**stored, **change})
        with pytest.raises(DataMissing, match=answer):
            opened(path)
    np.savez(path, **{name: array for name, array in stored.items() if name != "side"})
    with pytest.raises(DataMissing, match=r"has no array 'side'; it has: values"):
        opened(path)
    np.savez(path, **stored)
    with pytest.raises(
        RequestError, match=r"held_out=\[11\]: the subjects are 1, 2, .*\. Name some of them, but not all"
    ):
        opened(path, held_out=[11])
    with pytest.raises(RequestError, match=r"steps=200: no recording has so many steps\. Set it to \d+ or less"):
        open_dataset("watch-exercises/side-0", {"root": str(path.parent), "steps": 200})


def test_bad_motion_files_are_one_message_each(tmp_path):
    def opened(name: str, change=lambda text: text, **settings: object):
        if not (tmp_path / name).exists():
            write_motions(tmp_path / name, dimensions=7 if name == "wide" else 6)
        path = tmp_path / name / "BasicMotions_TEST.ts"
        path.write_text(change(path.read_text()))
        return open_dataset("basic-motions/series", {"root": str(tmp_path / name), **settings})

    with pytest.raises(DataMissing, match=r"TRAIN\.ts, line 5: has 7 dimensions, not 6 \(ax ay az wx wy wz\)\. Fetch"):
        opened("wide")

    def put_nan(text: str) -> str:
        head, _, data = text.partition("@data\n")
        return f"{head}@data\nnan,{data.partition(',')[2]}"

    with pytest.raises(DataMissing, match=r"TEST\.ts, line 5: has a value that is not finite\. Remove the line"):
        opened("nan", put_nan)
    with pytest.raises(DataMissing, match=r"TEST\.ts: has no line @data\. Fetch it again"):
        opened("head", lambda text: text.replace("@data", "@date"))
    with pytest.raises(DataMissing, match=r"has no BasicMotions_TRAIN\.ts"):
        open_dataset("basic-motions/series", {"root": str(tmp_path)})
    with pytest.raises(RequestError, match=r"instants=101: the series have 100 instants\. Lower it"):
        opened("good", instants=101)
