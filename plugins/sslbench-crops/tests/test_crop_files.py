"""Readers of crop data: small files in the published layouts, and one error message for each kind of bad input."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from crop_trees import write_area, write_breizhcrops, write_pairs
from sslbench_crops.balanced import ClassDraw, draw_rows, number_repeats
from sslbench_crops.datasets.breizhcrops_reader import COLUMNS
from sslbench_crops.parcel_pixels import PixelGrid, find_pixels, rings_of

from sslbench.api import RequestError
from sslbench.api.errors import DataMissing
from sslbench.testing.plans import divide_part, open_dataset

RNG = np.random.default_rng(0)
BANDS = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"]
REGIONS = {"regions": ["frh01"]}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# ---- pairs -----------------------------------------------------------------------------------------------------------


def test_pairs_are_read_as_reflectances_in_the_order_of_the_file(tmp_path):
    path = write_pairs(tmp_path)
    pairs = open_dataset("crop-pairs", {"root": str(tmp_path)})[0].dataset
    assert (len(pairs.labels), pairs.target.kind) == (40, "none")
    assert {name: m.shape for name, m in pairs.modalities.items()} == {"step-a": (12,), "step-b": (36,)}
    with h5py.File(path) as file:
        for row in (0, 17, 39):
            sample = pairs.read(row, RNG)
            assert np.allclose(sample["step-a"], file["sentinel2_data"][row] / 10_000)
            assert np.allclose(sample["step-b"], file["planet_data"][row].ravel() / 10_000)
    assert "not verified" in pairs.describe().notes[0]


def test_bad_files_of_pairs_are_one_message_each(tmp_path):
    def opened(name: str, **settings: object):
        return open_dataset("crop-pairs", {"root": str(tmp_path / name), **settings})[0].dataset

    with pytest.raises(DataMissing, match=r"looked in|no pretraining_point\.h5"):
        opened("nowhere")
    write_pairs(tmp_path / "wide", values=13)
    with pytest.raises(
        DataMissing, match=r"data\.first=sentinel2_data: has 13 values per pixel, not 12\. Name another array"
    ):
        opened("wide")
    with pytest.raises(
        DataMissing, match=r"data\.second=planet: .* has no such array; it has: planet_data, sentinel2_data"
    ):
        opened("wide", values_a=13, second="planet")
    truncate(write_pairs(tmp_path / "cut", rows=4000))
    with pytest.raises(
        DataMissing, match=r"pretraining_point\.h5: is not a complete HDF5 file \(.*truncated.*\)\. Download"
    ):
        opened("cut")
    with h5py.File(write_pairs(tmp_path / "nan"), "a") as file:
        del file["sentinel2_data"]
        values = np.zeros((40, 12), np.float32)
        values[3, 5] = np.nan
        file["sentinel2_data"] = values
    with pytest.raises(Exception, match=r"'sentinel2_data' has nan in value 5\. Remove the pixel"):
        opened("nan").read(3, RNG)
    with h5py.File(write_pairs(tmp_path / "short"), "a") as file:
        del file["planet_data"]
        file["planet_data"] = np.zeros((39, 36), np.uint16)
    with pytest.raises(DataMissing, match=r"'sentinel2_data' has 40 rows and 'planet_data' 39\. Name two arrays"):
        opened("short")


# ---- BreizhCrops -----------------------------------------------------------------------------------------------------


def test_breizhcrops_keeps_long_series_of_six_classes_and_drops_one_band(tmp_path):
    root = write_breizhcrops(tmp_path)
    part = open_dataset("breizhcrops", {"root": str(root)})[0]
    data = part.dataset
    assert data.target.names == ("barley", "corn", "permanent meadows", "rapeseed", "temporary meadows", "wheat")
    assert len(data.labels) == 6 * 3 * 4
    assert set(data.columns["region"].tolist()) == {"frh01", "frh02", "frh03", "frh04"}
    row = 5
    with h5py.File(root / f"2018/L1C/{data.columns['region'][row]}.h5") as file:
        stored = file[f"{data.columns['parcel'][row]}.csv"][:]
    series = data.read(row, RNG)["series-a"]
    assert 142 < len(series) == len(stored)
    assert np.allclose(series, stored[:, [COLUMNS.index(band) for band in BANDS]] / 10_000)
    assert "band B10 of 13 is dropped" in data.describe().notes[0]
    assert open_dataset("breizhcrops", {"root": str(root), "longer_than": 150})[0].dataset.labels.shape == (24,)
    division = divide_part(part)
    assert len(division.query) == 6
    parcels = data.columns["parcel"]
    assert not {*parcels[division.bank]} & {*parcels[division.query]}


def test_breizhcrops_draws_with_and_without_replacement(tmp_path):
    root = write_breizhcrops(tmp_path)
    draws = {"root": str(root), "train_per_class": 20, "test_per_class": 2, "test_share": 0.25}
    few = open_dataset("breizhcrops", {**draws, "train_per_class": 5})[0].dataset
    assert np.bincount(few.labels[few.columns["split"] == "train"]).tolist() == [5] * 6
    assert len({*few.columns["id"]}) == len({*few.columns["parcel"]}) == 6 * 7
    rare = open_dataset("breizhcrops", draws)[0].dataset
    assert np.bincount(rare.labels[rare.columns["split"] == "train"]).tolist() == [9] * 6
    assert "train: 'barley' has 9 of 20 samples to draw; all are used" in rare.describe().notes
    repeated = open_dataset("breizhcrops", {**draws, "replacement": True})[0].dataset
    assert np.bincount(repeated.labels[repeated.columns["split"] == "train"]).tolist() == [20] * 6
    assert len({*repeated.columns["id"]}) == 6 * 22
    assert len({*repeated.columns["parcel"]}) < 6 * 12


def test_bad_files_of_breizhcrops_are_one_message_each(tmp_path):
    def changed(name: str, change) -> Path:
        root = write_breizhcrops(tmp_path / name, ("frh01",))
        change(root / "2018/L1C")
        return root

    def edit(values):
        def change(folder: Path) -> None:
            with h5py.File(folder / "frh01.h5", "a") as file:
                for path in [f"frh01/{key}" for key in file["frh01"]]:
                    stored = file[path][:]
                    del file[path]
                    file[path] = values(stored)

        return change  # fmt: skip

    def opened(root: Path, **settings: object):
        return open_dataset("breizhcrops", {"root": str(root), **REGIONS, **settings})[0].dataset

    def nan(values):
        values[7, COLUMNS.index("B3")] = np.nan
        return values

    wide = changed("wide", edit(lambda values: np.concatenate([values[:, :1], values], axis=1)))
    with pytest.raises(
        Exception, match=r"has 18 columns, not 17 \(B1, B10, .*\)\. Use level L1C, with all of its bands"
    ):
        opened(wide).read(0, RNG)
    late = changed("late", edit(lambda values: values[::-1]))
    with pytest.raises(Exception, match=r"its dates are not in ascending order\. Sort them"):
        opened(late).read(0, RNG)
    with pytest.raises(Exception, match=r"has nan in band B3, date 7"):
        opened(changed("nan", edit(nan))).read(0, RNG)
    cut = changed("cut", lambda folder: truncate(folder / "frh01.h5"))
    with pytest.raises(DataMissing, match=r"frh01\.h5: is not a complete HDF5 file \(.*\)\. Download it again"):
        opened(cut)

    def repeat(folder: Path) -> None:
        lines = (folder / "frh01.csv").read_text().splitlines()
        (folder / "frh01.csv").write_text("\n".join([*lines, lines[2]]))

    with pytest.raises(DataMissing, match=r"lists parcel 'frh01/2' twice, so it could be in two splits\. Remove"):
        opened(changed("twice", repeat))
    with pytest.raises(RequestError, match=r"dropped_classes: classmapping\.csv has no class 'rice'; it has: barley"):
        opened(late, dropped_classes=["rice"])
    with pytest.raises(RequestError, match=r"longer_than=400: no parcel of these classes has so many dates\. Lower it"):
        opened(late, longer_than=400)
    with pytest.raises(DataMissing, match=r"has no 2018/L1C/frh02\.csv"):
        open_dataset("breizhcrops", {"root": str(late)})


# ---- DENETHOR --------------------------------------------------------------------------------------------------------


@pytest.fixture
def denethor(tmp_path) -> Path:
    for name in ("train", "test"):
        write_area(tmp_path / name)
    return tmp_path


def test_denethor_divides_parcels_and_draws_pixels_with_replacement(denethor):
    settings = {"root": str(denethor), "train_per_class": 30, "test_per_class": 7}
    first, second = (open_dataset(f"denethor/area-{one}", settings)[0] for one in (1, 2))
    for part, parcels in ((first, 27), (second, 90)):
        data = part.dataset
        is_test = data.columns["split"] == "test"
        assert np.bincount(data.labels[~is_test], minlength=9).max() == 30
        assert set(np.bincount(data.labels[is_test]).tolist()) <= {0, 7}
        own = data.columns["parcel"]
        assert not {*own[is_test]} & {*own[~is_test]}
        assert len({*own}) <= parcels
        assert len({*data.columns["id"]}) == len(data.labels)
        division = divide_part(part)
        assert not {*own[division.bank]} & {*own[division.query]}
    assert len({*second.dataset.columns["parcel"][second.dataset.columns["split"] == "train"]}) == 9 * 7
    bands = np.load(denethor / "train/bands.npy")
    name = first.dataset.columns["id"][4].split("#")[0]
    row, column = map(int, name.split("-")[-2:])
    assert np.allclose(first.dataset.read(4, RNG)["series-a"], bands[:, row, column] / 10_000)


def test_bad_files_of_denethor_are_one_message_each(denethor, tmp_path):
    def opened(**settings: object):
        return open_dataset("denethor/area-1", {"root": str(denethor), **settings})[0].dataset

    folder = denethor / "train"
    grid, labels, bands = (folder / name for name in ("grid.json", "labels.geojson", "bands.npy"))
    rows = [f"{fid},{'train' if fid % 2 else 'test'}" for fid in range(90)]
    (folder / "splits.csv").write_text("\n".join(["parcel,split", *rows, "4,train"]))
    with pytest.raises(DataMissing, match=r"splits\.csv: parcel '4' is in two splits, 'test' and 'train'\. Keep one"):
        opened(splits="splits.csv")
    (folder / "splits.csv").write_text("\n".join(["parcel,split", *rows[1:]]))
    with pytest.raises(DataMissing, match=r"splits\.csv: has no split for parcel '0'\. Add it"):
        opened(splits="splits.csv")
    kept = labels.read_text()
    features = json.loads(kept)["features"]
    labels.write_text(json.dumps({"features": [*features, features[0]]}))
    with pytest.raises(
        DataMissing, match=r"labels\.geojson: has parcel '0' twice, so it could be in two splits\. Remove"
    ):
        opened()
    labels.write_text(kept)
    kept, described = grid.read_text(), json.loads(grid.read_text())
    described["dates"][3:5] = described["dates"][4:2:-1]
    grid.write_text(json.dumps(described))
    with pytest.raises(DataMissing, match=r"grid\.json: date 2018-01-07 follows 2018-01-09\. Sort dates and bands"):
        opened()
    grid.write_text(kept)
    values = np.load(bands).astype(np.float32)
    np.save(bands, values[:100])
    with pytest.raises(DataMissing, match=r"bands\.npy has 100 dates and grid\.json 144, not 144\. Set data\.dates"):
        opened()
    np.save(bands, np.concatenate([values, values[..., :1]], axis=3))
    with pytest.raises(DataMissing, match=r"bands\.npy: has 13 bands, not 12\. Remove bands"):
        opened()
    values[5, :, :, 2] = np.nan
    np.save(bands, values)
    with pytest.raises(Exception, match=r"pixel \d+, \d+ has nan in band 2, date 5\. Leave it out"):
        opened().read(0, RNG)
    grid.write_text("{}")
    with pytest.raises(
        DataMissing, match=r"train: a file is not in the stated format \(KeyError\('bounds'\)\)\. Write it"
    ):
        opened()


def test_pixels_of_a_polygon_are_those_whose_centers_are_inside_and_holes_are_left_out():
    grid = PixelGrid(height=8, width=8, bounds=(0, 0, 80, 80))
    square = [[[10, 10], [70, 10], [70, 70], [10, 70], [10, 10]], [[30, 30], [50, 30], [50, 50], [30, 50], [30, 30]]]
    inside = find_pixels(rings_of({"type": "Polygon", "coordinates": square}), grid)
    assert len(inside) == 6 * 6 - 2 * 2
    triangle = [[[0, 80], [80, 80], [0, 0], [0, 80]]]
    found = find_pixels(rings_of({"type": "MultiPolygon", "coordinates": [triangle]}), grid)
    assert {tuple(place) for place in found.tolist()} >= {
        (row, column) for row in range(8) for column in range(7 - row)
    }
    assert len(find_pixels([np.array([[90.0, 90], [99, 90], [99, 99]])], grid)) == 0
    with pytest.raises(ValueError, match="geometry 'Point' is no Polygon"):
        rings_of({"type": "Point", "coordinates": [0, 0]})


def test_classes_are_drawn_in_equal_numbers():
    labels, parts = np.repeat([0, 1, 2], [50, 5, 20]), np.tile(["train", "train", "train", "train", "test"], 15)
    without = draw_rows(parts, labels, "abc", ClassDraw(train=10, test=1, replacement=False, seed=0))
    is_train = parts[without.rows] == "train"
    assert np.bincount(labels[without.rows][is_train]).tolist() == [10, 4, 10]
    assert np.bincount(labels[without.rows][~is_train]).tolist() == [1, 1, 1]
    assert without.notes == ("train: 'b' has 4 of 10 samples to draw; all are used",)
    repeated = draw_rows(parts, labels, "abc", ClassDraw(train=10, test=3, replacement=True, seed=0))
    assert np.bincount(labels[repeated.rows]).tolist() == [13] * 3
    names = number_repeats(np.array(["a", "a", "b", "c", "c", "c"]))
    assert names.tolist() == ["a", "a#2", "b", "c", "c#2", "c#3"]
