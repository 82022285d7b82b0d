"""Facts that a modality announces are stored when data are prepared, and reach views; a missing one is an error."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sslbench.api import DataBroken, Modality, Role, Target
from sslbench.data.prepare import prepare
from sslbench.data.prepare_inputs import PrepareInputs, SampleInputs
from sslbench.data.synthetic import SyntheticDataset
from sslbench.data.table import Pool, open_prepared
from sslbench.data.views import BuiltAugmentation, BuiltOperation, ViewMaker

LENGTHS = [3, 5, 2, 4]
MODALITIES = {
    "series": Modality(layout="sequence", shape=(0, 2), facts=("time", "angles", "height")),
    "image": Modality(layout="image", shape=(1, 4, 4), facts=("pixel",)),
}


class Facts:
    """Series with the time and two angles of every step and one height, and images with the size of a pixel."""

    def __init__(self, changed=None, unreadable=None):
        self.modalities, self.target = MODALITIES, Target(kind="none")
        self.labels, self.columns = np.full(4, -1), {"id": np.array(["w", "x", "y", "z"])}
        self.changed, self.unreadable = changed or {}, unreadable

    def read(self, row, rng):
        steps = LENGTHS[row]
        if self.unreadable == row:
            raise OSError("torn")
        sample = {
            "series": np.full((steps, 2), row, np.float32), "series.time": 10 * row + np.arange(steps),
            "series.angles": np.full((steps, 2), row / 2), "series.height": 100 + row,
            "image": np.zeros((1, 4, 4), np.uint8), "image.pixel": np.array([0.5, row]), "image.more": "not announced",
        }  # fmt: skip
        return {name: value for name, value in {**sample, **self.changed.get(row, {})}.items() if value is not None}


def prepared(folder, dataset):
    part = SimpleNamespace(dataset=dataset, fingerprint=lambda: "facts", key_form=lambda: "facts")
    samples = SampleInputs(part=part, layouts=(), canvas=0, fit="pad", background="as-is", groups=(), decoders={})
    prepare(PrepareInputs(samples=samples, unreadable=0.5), "facts", folder, lambda done, total: None)
    return open_prepared(folder, "facts")


def test_facts_are_stored_and_padded_like_their_steps(tmp_path):
    table = prepared(tmp_path, Facts())
    batch = table.read(np.array([1, 2]))
    assert batch["series.time"].tolist() == [[10, 11, 12, 13, 14], [20, 21, 0, 0, 0]]
    assert batch["series.angles"].shape == (2, 5, 2)
    assert batch["series.angles"][0, 4].tolist() == [0.5, 0.5]
    assert batch["series.height"].tolist() == [101, 102]
    assert batch["image.pixel"].tolist() == [[0.5, 1], [0.5, 2]]
    assert "image.more" not in batch
    assert table.modalities["series"].facts == ("time", "angles", "height", "length")


def test_facts_of_readable_samples_stay_with_them(tmp_path):
    table = prepared(tmp_path, Facts(unreadable=1))
    batch = table.read(np.arange(3))
    assert batch["series.time"][:, 0].tolist() == [0, 20, 30]
    assert batch["series.height"].tolist() == [100, 102, 103]
    assert batch["series"][:, 0, 0].tolist() == [0, 2, 3]


def test_facts_of_several_tables_are_joined(tmp_path):
    tables = [prepared(tmp_path / name, Facts()) for name in "ab" if (tmp_path / name).mkdir() is None]
    pool = Pool(members=[(table, np.arange(4)) for table in tables], modalities=MODALITIES)
    assert pool.read(np.array([6, 1]))["series.time"].tolist() == [[20, 21, 0, 0, 0], [10, 11, 12, 13, 14]]


def test_facts_reach_views_and_follow_a_crop(tmp_path):
    """A window of two steps moves the facts of steps; those of samples stay."""

    def crop(view, draws):
        cropped = {name: x[:, 1:3] for name, x in view.items() if name in ("series", "series.time", "series.angles")}
        return {**view, **cropped, "series.length": view["series.length"] - 1}

    table = prepared(tmp_path, Facts())
    maker = ViewMaker(modalities=table.modalities, sizes={"image": (4, 4)}, seed=0)
    view = maker.natural(table.read(np.array([1, 3])))
    built = BuiltOperation(name="crop", p=(1.0,), operation=crop)
    augmentation = BuiltAugmentation(name="a", weight=1.0, roles={"view": [built]})
    roles = {"view": Role(count=1), "whole": Role(count=1, augment=False)}
    made = maker.make(view, torch.arange(2), 0, augmentation, roles)
    whole, cropped = made["whole"][0], made["view"][0]
    assert whole["series.time"].dtype == torch.float32
    assert whole["series.time"].tolist() == [[10, 11, 12, 13, 14], [30, 31, 32, 33, 0]]
    assert cropped["series.time"].tolist() == [[11, 12], [31, 32]]
    assert cropped["series.height"].tolist() == [101, 103]
    assert cropped["image.pixel"].tolist() == [[0.5, 1], [0.5, 3]]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"series.time": None}, "'series' announces the fact 'time', but read() returns no 'series.time'"),
        ({"series.time": np.arange(4)}, "'series.time' has 4 entries, but 'series' has 2 steps"),
        ({"image.pixel": "wide"}, "'image.pixel' holds <U4, but facts are numbers"),
        ({"series.height": np.zeros(2)}, "'series.height' has a value per step of shape (), but an earlier sample a value of shape ()"),
        ({"image.pixel": np.zeros(3)}, "'image.pixel' has a value of shape (3,), but an earlier sample a value of shape (2,)"),
    ],
)  # fmt: skip
def test_a_fact_that_is_missing_or_wrong_is_an_error_although_samples_may_be_unreadable(changed, said, tmp_path):
    with pytest.raises(DataBroken) as raised:
        prepared(tmp_path, Facts({2: changed}))
    assert f"facts: sample y: {said}. Correct the dataset's reader" in str(raised.value)


def test_generated_samples_for_estimates_have_facts(tmp_path):
    table = prepared(tmp_path, SyntheticDataset(MODALITIES, Target(kind="class", names=("a",)), 4, ()))
    assert table.read(np.arange(4))["series.time"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("modality", "said"),
    [
        (Modality(layout="sequence", shape=(5, 2), facts=("length",)), "announces the fact 'length', which its samples do not"),
        (Modality(layout="vector", shape=(5,), facts=("size",)), "announces the fact 'size', which its samples do not have"),
        (Modality(layout="vector", shape=(5,), facts=("a.b",)), "announces the fact 'a.b'. Use a name without dots"),
        (Modality(layout="vector", shape=(5,), sequence_of="x"), "is a sequence of 'x', but layout 'vector' has no steps"),
    ],
)  # fmt: skip
def test_facts_and_steps_that_a_layout_cannot_have_are_refused(modality, said):
    assert [said in error for error in modality.find_errors()] == [True]


def test_a_series_without_steps_is_unreadable(tmp_path):
    modality = Modality(layout="sequence", shape=(0, 2), sequence_of="step")
    assert list(modality.code.find_sample_errors(np.zeros((0, 2), np.float32), modality)) == ["has no steps"]
