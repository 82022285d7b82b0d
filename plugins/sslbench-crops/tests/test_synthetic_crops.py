"""The synthetic crops: labels of what they are, parts, and properties that methods for two sensors need."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sslbench_crops.phenology import CROPS, Area, dates_of_year, draw_wetness, grow_fields, leaf_shares

from sslbench.testing.plans import describe_part, divide_part, open_dataset

DAYS = dates_of_year(36)


def grow(seed: int, noise: float = 1.0, fields: int = 12):
    weather = draw_wetness(DAYS, np.random.default_rng(7))
    return grow_fields(Area(), fields, 2, DAYS, weather, noise, np.random.default_rng(seed))


def test_it_is_labeled_synthetic_everywhere(cli):
    shown = cli("show", "dataset", "synthetic-crops").stdout
    assert "SYNTHETIC: nine crops" in shown
    assert "SYNTHETIC: generated on demand" in " ".join(shown.split())
    part = open_dataset("synthetic-crops/pairs", {"fields": 2})[0]
    assert part.name == "synthetic-crops/pairs"
    assert any("SYNTHETIC: a stated model, no measurements" in line for line in describe_part(part))


def test_parts_have_different_fields_and_a_field_is_never_in_two_splits():
    settings = {"fields": 6, "dates": 12}
    pairs, first, second = (
        open_dataset(f"synthetic-crops/{name}", settings)[0] for name in ("pairs", "area-1", "area-2")
    )
    assert {name: m.shape for name, m in pairs.dataset.modalities.items()} == {"step-a": (12,), "step-b": (36,)}
    assert len(pairs.dataset.labels) == 9 * 6 * 3 * 12
    assert first.dataset.modalities["series-a"].shape == (12, 12)
    owned = [{*part.dataset.columns["parcel"]} for part in (pairs, first, second)]
    assert [len(one) for one in owned] == [54] * 3
    assert not owned[0] & owned[1] & owned[2]
    rng = np.random.default_rng(0)
    row = 5 * 12 + 3
    with_b = open_dataset("synthetic-crops/area-1", {**settings, "sensors": "both"})[0].dataset
    assert with_b.read(0, rng)["series-b"].shape == (12, 36)
    assert pairs.dataset.columns["id"][row] == "5-3"
    parcels = first.dataset.columns["parcel"]
    for fold in range(5):
        division = divide_part(first, fold=fold)
        assert not {*parcels[division.bank]} & {*parcels[division.query]}


def test_green_leaves_follow_each_crops_calendar():
    for crop in CROPS:
        green, dry = leaf_shares(crop, np.arange(365.0), np.zeros(1), np.ones(1))
        assert 0 <= green.min() <= green.max() <= crop.density
        assert green[0, int(crop.green_up) + 45] > 0.8 * crop.density
        assert green[0, 5] < 0.1 * crop.density
        assert dry[0].argmax() > crop.ripening - 10
        for cut in crop.cuts:
            assert green[0, cut + 1] < 0.5 * green[0, cut - 1]


def test_sensors_share_the_field_and_have_independent_disturbances():
    """Without disturbances sensor b is a function of sensor a's bands; with them, what remains is not correlated."""
    clean, noisy = grow(0, noise=0.0), grow(0)
    green_of = clean.a[..., 2].ravel(), clean.b.reshape(*clean.b.shape[:2], 9, 4).mean(2)[..., 1].ravel()
    assert np.corrcoef(*green_of)[0, 1] > 0.99
    disturbance_a = (noisy.a - clean.a).mean(2).ravel()
    disturbance_b = (noisy.b - clean.b).reshape(*clean.b.shape[:2], -1).mean(2).ravel()
    assert disturbance_a.std() > 0.02
    assert disturbance_b.std() > 0.01


def test_crops_can_be_told_from_series_and_hardly_from_single_dates():
    train, test = grow(1), grow(2)
    scores = {}
    for name, of in (("series", lambda x: x.a.reshape(len(x.a), -1)), ("date", lambda x: x.a[:, 16])):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(of(train), train.crop)
        scores[name] = model.score(of(test), test.crop)
    assert scores["series"] > 0.6
    assert scores["series"] > scores["date"] + 0.2


@pytest.mark.parametrize("part", ["pairs", "area-2"])
def test_a_part_is_the_same_whenever_it_is_generated(part):
    first, second = (open_dataset(f"synthetic-crops/{part}", {"fields": 2})[0].dataset for _ in range(2))
    rng = np.random.default_rng(0)
    for name, values in first.read(17, rng).items():
        assert np.array_equal(values, second.read(17, rng)[name])
    other = open_dataset(f"synthetic-crops/{part}", {"fields": 2, "seed": 1})[0].dataset
    assert first.fingerprint() == second.fingerprint() != other.fingerprint()
