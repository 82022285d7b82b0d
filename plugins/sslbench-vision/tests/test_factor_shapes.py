"""Synthetic classes: every pair differs by its factor and by nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sslbench_vision.datasets.factor_shapes import FACTORS, FactorShapesConfig
from sslbench_vision.datasets.factor_shapes_drawing import Factors, FactorShapes, draw_factors, draw_image, half_axes

CONFIG = FactorShapesConfig(samples=4000)
PLAIN = {"hue": 0.0, "orientation": 0.3, "scale": 0.7, "texture": 0.1, "shape": 0.3, "right": 0.0, "down": 0.0}
RNG = np.random.default_rng


def luminance(images: np.ndarray) -> np.ndarray:
    return np.tensordot(images.astype(float), [0.299, 0.587, 0.114], axes=([-3], [0]))


def images_of(part: str) -> tuple[np.ndarray, np.ndarray]:
    dataset = FactorShapes(CONFIG, part)
    return np.stack([dataset.read(row, RNG(9))["image"] for row in range(len(dataset.labels))]), dataset.labels


def features(images: np.ndarray) -> np.ndarray:
    """Small images, and how much of every direction and fineness there is, of luminance and both chromas."""
    gray = luminance(images)
    spectrum = np.abs(np.fft.rfft2(gray - gray.mean((1, 2), keepdims=True)))[:, :, :14].reshape(len(gray), -1)
    chroma = np.stack([images[:, 0] - gray, images[:, 2] - gray], 1).mean((2, 3))
    small = gray.reshape(len(gray), 8, 4, 8, 4).mean((2, 4)).reshape(len(gray), -1)
    area = (np.abs(images[:, 0] - gray) + np.abs(images[:, 2] - gray)).reshape(len(gray), -1)
    return np.concatenate([small, spectrum, chroma, (area > 12).mean(1, keepdims=True)], 1)


@pytest.mark.parametrize("part", FACTORS)
def test_a_labeled_classifier_tells_every_pair_apart(part):
    images, labels = images_of(part)
    values = features(images)
    forest = RandomForestClassifier(200, random_state=0, n_jobs=1).fit(values[:600], labels[:600])
    assert 0.8 < forest.score(values[600:], labels[600:]) <= 1  # the two of a pair overlap a little


@pytest.mark.parametrize("part", FACTORS)
def test_the_classes_of_a_pair_are_equal_in_all_other_factors(part):
    sides = [[draw_factors(part, label, RNG((label, n))) for n in range(2000)] for label in (0, 1)]
    for name in (*FACTORS, "right", "down"):
        means = [np.mean([getattr(one, name) for one in side]) for side in sides]
        spread = max(np.std([getattr(one, name) for one in sides[0]]), 1e-9)
        if name != part:
            assert abs(means[0] - means[1]) < 0.12 * spread, name
        else:
            assert abs(means[0] - means[1]) > 3 * spread, name


def test_hue_and_shape_change_no_luminance_and_no_area():
    turned = [draw_image(Factors(**{**PLAIN, "hue": hue}), 64, RNG(0)) for hue in np.linspace(0, 6, 7)]
    gray = luminance(np.stack(turned))
    assert np.abs(gray - gray[0]).max() < 1.1  # of 255: rounding
    ticks = np.linspace(-1, 1, 801)
    for hole in (0.0, 0.3, 0.5):
        long, short = half_axes(0.7, hole)
        reach = np.hypot(ticks[:, None] / long, ticks[None] / short)
        assert ((hole < reach) & (reach <= 1)).mean() * 4 == pytest.approx(0.49, rel=0.01)


def test_a_sample_depends_on_its_number_alone():
    dataset = FactorShapes(CONFIG, "hue")
    assert (dataset.read(7, RNG(1))["image"] == dataset.read(7, RNG(2))["image"]).all()
    assert (dataset.read(7, RNG(1))["image"] != dataset.read(9, RNG(1))["image"]).any()
    other = FactorShapes(FactorShapesConfig(samples=4000, seed=1), "hue")
    assert (dataset.read(7, RNG(1))["image"] != other.read(7, RNG(1))["image"]).any()
    assert dataset.fingerprint() != other.fingerprint() != FactorShapes(CONFIG, "scale").fingerprint()
