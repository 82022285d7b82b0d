"""Digits on a larger canvas: each scan whole, at a place and in a contrast of its own; and the demo's recipe."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from sslbench_vision.datasets.shifted_digits import ShiftedDigitsConfig
from sslbench_vision.datasets.shifted_digits_drawing import draw_shifted_digits

from sslbench.api.errors import RequestError
from sslbench.testing.plans import plan_run


def knn_accuracy(images: np.ndarray, labels: np.ndarray) -> float:
    flat = images.reshape(len(images), -1).astype(np.float64)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    order = np.random.default_rng(0).permutation(len(flat))
    train, test = order[:1200], order[1200:]
    return KNeighborsClassifier(5, metric="cosine").fit(flat[train], labels[train]).score(flat[test], labels[test])


def test_every_scan_lies_whole_at_a_place_of_its_own():
    scans, images = load_digits().images / 16, draw_shifted_digits(ShiftedDigitsConfig()).images[:, 0]
    assert images.shape == (1797, 16, 16)
    places = set()
    for scan, image in zip(scans, images, strict=True):
        gap = np.abs(scan / scan.max() - np.lib.stride_tricks.sliding_window_view(image / image.max(), (8, 8)))
        worst = gap.max((2, 3))
        assert worst.min() < 0.01
        places.add(np.unravel_index(worst.argmin(), worst.shape))
        assert np.count_nonzero(image) <= np.count_nonzero(scan)
    assert len(places) == 81  # every offset occurs
    contrast = images.max((1, 2)) / 255 / scans.max((1, 2))
    assert contrast.min() == pytest.approx(0.4, abs=0.01)
    assert contrast.max() == pytest.approx(1.0, abs=0.01)


def test_seed_and_settings_give_the_images():
    first = draw_shifted_digits(ShiftedDigitsConfig())
    assert first.fingerprint() == draw_shifted_digits(ShiftedDigitsConfig()).fingerprint()
    assert first.fingerprint() != draw_shifted_digits(ShiftedDigitsConfig(seed=1)).fingerprint()
    unchanged = draw_shifted_digits(ShiftedDigitsConfig(side=8, contrast=1.0)).images[:, 0]
    assert np.array_equal(unchanged, np.round(load_digits().images / 16 * 255))


def test_pixels_tell_little_here_and_nearly_all_of_the_scans_themselves():
    shifted = draw_shifted_digits(ShiftedDigitsConfig())
    assert knn_accuracy(shifted.images, shifted.labels) < 0.75
    assert knn_accuracy(load_digits().images, shifted.labels) > 0.95


@pytest.mark.parametrize("setting", ["data.side=7", "data.contrast=0", "data.contrast=1.5"])
def test_a_canvas_that_shows_no_digit_is_refused(setting):
    with pytest.raises(RequestError, match=r"must be (8 or more|above 0, at most 1)"):
        plan_run("simclr", "shifted-digits", setting)


def test_the_demo_has_a_recipe_of_its_own_and_other_data_keeps_theirs():
    plan = plan_run("simclr", "shifted-digits")
    assert plan.recipe == "shifted-digits"
    assert plan.warnings == ()
    assert plan_run("simclr", "digits").recipe == "quick"
