"""The synthetic pairs of an image and a pulse: which modality separates which classes, and properties of the stated model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.ensemble import ExtraTreesClassifier
from sslbench_plankton.datasets.pulse_pairs import PulsePairsConfig
from sslbench_plankton.datasets.pulse_pairs_reader import SPECIES, PulsePairs
from sslbench_plankton.pulses import BEAM, STEP, Species, draw_pulse, scale_counts
from sslbench_plankton.resampling import resample

RNG = np.random.default_rng(0)
TRAINING = 960


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Small images [n, 24, 32], pulses of 32 steps [n, 32, 6] and labels [n]."""
    pairs = PulsePairs(PulsePairsConfig(samples=120))
    samples = [pairs.read(row, RNG) for row in range(len(pairs.labels))]
    images = [np.asarray(Image.fromarray(s["image"][0]).resize((32, 24), Image.Resampling.BILINEAR)) for s in samples]
    pulses = [resample(torch.from_numpy(s["profile"])[None], None, 32)[0].numpy() for s in samples]
    return np.stack(images).astype(float), np.stack(pulses), pairs.labels


def answers(values: np.ndarray, labels: np.ndarray, turned: list[np.ndarray]) -> np.ndarray:
    """Return for each sample whether a forest, trained on every training sample in both orientations, is right."""
    seen = np.concatenate([values[:TRAINING], *(other[:TRAINING] for other in turned)])
    known = np.concatenate([labels[:TRAINING]] * (1 + len(turned)))
    forest = ExtraTreesClassifier(100, random_state=0).fit(seen.reshape(len(seen), -1), known)
    return forest.predict(values[TRAINING:].reshape(len(values) - TRAINING, -1)) == labels[TRAINING:]


def test_either_modality_alone_separates_only_its_own_classes(drawn):
    images, pulses, labels = drawn
    group = labels[TRAINING:] // 4
    by_image = answers(images, labels, [images[:, :, ::-1], images[:, ::-1], images[:, ::-1, ::-1]])
    by_pulse = answers(pulses, labels, [pulses[:, ::-1]])
    assert 0.6 <= by_image.mean() <= 0.9
    assert 0.6 <= by_pulse.mean() <= 0.9
    image, light = ([right[group == g].mean() for g in range(3)] for right in (by_image, by_pulse))
    assert image[0] > 0.9, "four classes differ in the image"
    assert light[1] > 0.9, "four in the pulse"
    assert max(image[1], image[2], light[0], light[2]) < 0.7, "neither modality alone separates the others"


def test_twelve_classes_and_the_same_individual_whenever_it_is_read():
    pairs = PulsePairs(PulsePairsConfig(samples=3))
    assert len({species.name for species in SPECIES}) == len(pairs.target.names) == 12
    for row in (0, 35):
        once, twice = pairs.read(row, RNG), pairs.read(row, np.random.default_rng(5))
        assert all((once[name] == twice[name]).all() for name in ("image", "profile"))
    assert PulsePairs(PulsePairsConfig(seed=1)).fingerprint() != PulsePairs(PulsePairsConfig()).fingerprint()
    assert len({len(pairs.read(row, RNG)["profile"]) for row in range(36)}) > 10, "no two particles are of one length"


def test_a_pulse_is_as_long_as_its_particle_and_knows_no_bend():
    made = [
        draw_pulse(Species(name="x", kind="rod", bent=bent), 40.0, 6.0, 1.0, 1.0, np.random.default_rng(1))
        for bent in (0, 1)
    ]
    assert (made[0] == made[1]).all()
    assert len(made[0]) == (40 + 6 * BEAM) / STEP
    longer = draw_pulse(Species(name="x", kind="rod"), 60.0, 6.0, 1.0, 1.0, np.random.default_rng(1))
    above = [int((one[:, 0] > one[:, 0].max() / 2).sum()) * STEP for one in (made[0], longer)]
    assert above == pytest.approx([38, 57], abs=3), "at half its height: less the lower ends"
    quiet, loud = (
        draw_pulse(Species(name="x", kind="rod"), 40.0, 6.0, gain, 0.0, np.random.default_rng(1)) for gain in (1, 4)
    )
    assert loud[:, 0].sum() / quiet[:, 0].sum() == pytest.approx(4, rel=0.1)


def test_scaling_is_the_published_one():
    counts = np.array([0.0, 1.0, np.expm1(8.9211)], np.float32)
    assert scale_counts(counts) == pytest.approx([-1, 2 * np.log(2) / 8.9211 - 1, 1], abs=1e-5)
