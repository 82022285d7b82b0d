"""Descriptors: sizes, closed forms, and values of other libraries."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from skimage.feature import hog as hog_of_skimage
from sslbench_mvmr.descriptors.hog import HogConfig
from sslbench_mvmr.descriptors.hog_model import Hog, gradients, oriented_histograms
from sslbench_mvmr.descriptors.local_deviation import LocalDeviationConfig
from sslbench_mvmr.descriptors.local_deviation_model import LocalDeviation, local_deviation
from sslbench_mvmr.descriptors.pixels import PixelsConfig
from sslbench_mvmr.descriptors.pixels_model import Pixels
from sslbench_mvmr.descriptors.scattering import ScatteringConfig
from sslbench_mvmr.descriptors.scattering_model import Scattering, make_filters, scatter

from sslbench.api import Modality, RequestError
from sslbench.api.modules import Backbone
from sslbench.testing.plans import plan_run

STL10 = Modality(layout="image", shape=(3, 96, 96))


def photograph(side: int) -> torch.Tensor:
    """Return a gray photograph [side, side] in [0, 1]."""
    image = torch.from_numpy(astronaut().copy()).permute(2, 0, 1).float().mean(0) / 255
    return torch.nn.functional.interpolate(image[None, None], (side, side), mode="area")[0, 0]


@pytest.mark.parametrize(
    ("encoder", "width"),
    [
        (Pixels(PixelsConfig(), STL10), 27_648),
        (Scattering(ScatteringConfig(), STL10), 139_968),
        (Hog(HogConfig(), STL10), 10_368),
        (LocalDeviation(LocalDeviationConfig(), STL10), 27_648),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Backbone) else str(value),
)
def test_descriptors_have_the_published_sizes_and_no_parameters(encoder, width):
    assert encoder(torch.rand(2, 3, 96, 96)).shape == (2, width)
    assert encoder.width == width
    assert not list(encoder.parameters())


def test_pixels_are_normalized():
    modality = Modality(layout="image", shape=(2, 2, 2), mean=(0.5, 0.25), std=(0.5, 0.125))
    assert Pixels(PixelsConfig(), modality)(torch.full((1, 2, 2, 2), 0.5)).tolist() == [[0] * 4 + [2] * 4]


def test_the_local_deviation_is_numpys():
    image = torch.rand(1, 1, 6, 7, generator=torch.Generator().manual_seed(0))
    padded = np.pad(image[0, 0].numpy(), 1, mode="reflect")
    expected = [[padded[y : y + 3, x : x + 3].std() for x in range(7)] for y in range(6)]
    assert np.allclose(local_deviation(image, 1)[0, 0], expected, atol=1e-4)
    assert local_deviation(torch.full((1, 1, 5, 5), 0.3), 1).max() < 5e-4  # 1e-4, and rounding in float32


@pytest.mark.parametrize("angle", [0, 10, 52.5, 90, 91, 179])
def test_a_ramp_is_shared_by_the_two_bins_next_to_its_angle(angle):
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    radians = math.radians(angle)
    ramp = (x * math.cos(radians) + y * math.sin(radians))[None, None]
    found = oriented_histograms(*gradients(ramp, "central"), bins=24, cell=4, binning="linear")[0, 0, :, 1, 1]
    position = angle / 7.5
    expected = torch.zeros(24)
    expected[int(position)] += 2 * (1 - position % 1)
    expected[(int(position) + 1) % 24] += 2 * (position % 1)
    assert torch.allclose(found, expected, atol=1e-4)
    opposite = oriented_histograms(*gradients(-ramp, "central"), bins=24, cell=4, binning="linear")[0, 0, :, 1, 1]
    assert torch.allclose(opposite, expected, atol=1e-4)


def test_histograms_of_a_photograph_are_those_of_scikit_image():
    """scikit-image does not share a gradient between bins, so its bins are a hundredth of ours, and are shared afterwards."""
    image, fine, bins = photograph(64), 100, 24
    theirs = hog_of_skimage(
        image.numpy(), orientations=bins * fine, pixels_per_cell=(8, 8), cells_per_block=(1, 1), feature_vector=False,
        block_norm="L1",
    )[:, :, 0, 0]  # fmt: skip
    position = (np.arange(bins * fine) + 0.5) / fine
    share = position % 1
    shares = np.zeros((bins * fine, bins))
    rows = np.arange(bins * fine)
    np.add.at(shares, (rows, position.astype(int)), 1 - share)
    np.add.at(shares, (rows, (position.astype(int) + 1) % bins), share)
    ours = oriented_histograms(*gradients(image[None, None], "central"), bins, 8, "linear")[0, 0].permute(1, 2, 0)
    inner = ours[1:-1, 1:-1]  # gradients differ at the border of the image only
    expected = (theirs @ shares)[1:-1, 1:-1]
    assert np.abs(expected - (inner / inner.sum(-1, keepdim=True)).numpy()).max() < 0.01


def test_the_released_binning_gives_the_upper_bin_the_rest_to_one():
    x = torch.arange(16.0).expand(16, 16)[None, None] * 0.1
    found = oriented_histograms(*gradients(x, "central"), bins=24, cell=4, binning="released")[0, 0, :, 1, 1]
    assert found[0].item() == pytest.approx(0.2)
    assert found[1].item() == pytest.approx(0.8)


def test_a_constant_image_has_an_average_and_no_waves():
    filters = make_filters((16, 16), 2, 8)
    found = scatter(torch.full((1, 16, 16), 0.7), filters.wavelets, filters.average)
    assert found.shape == (1, 81, 4, 4)
    assert torch.allclose(found[:, 0], torch.tensor(0.7), atol=1e-4)
    assert found[:, 1:].abs().max() < 1e-5


def test_a_wave_answers_in_its_own_direction_and_scale():
    """|x * psi| of a wave is half the filter's spectrum at its frequency, at every place."""
    filters = make_filters((32, 32), 2, 8)
    down = 6  # the center frequency 3 pi / 8 of scale 1
    wave = torch.cos(2 * math.pi * down / 32 * torch.arange(32.0))[:, None].expand(32, 32)
    found = scatter(wave[None], filters.wavelets, filters.average)[0, 1:17].mean((1, 2)).view(2, 8)
    spectrum = filters.wavelets[:, :, down, 0].abs()
    assert found.argmax() == spectrum.argmax()
    assert found.argmax() == 8 + 3, "scale 1, and the direction down"
    assert torch.allclose(found[1], spectrum[1] / 2, atol=1e-3)


def test_a_shift_by_one_position_shifts_the_coefficients():
    filters = make_filters((32, 32), 2, 4)
    image = photograph(32)[None]
    one = scatter(image, filters.wavelets, filters.average)
    two = scatter(image.roll((4, -8), (1, 2)), filters.wavelets, filters.average)
    assert torch.allclose(two, one.roll((1, -2), (2, 3)), atol=1e-5)


def test_the_energy_of_the_coefficients_is_at_most_that_of_the_image():
    filters = make_filters((32, 32), 2, 8)
    power = filters.wavelets.square()
    mirrored = power.flip((2, 3)).roll((1, 1), (2, 3))
    frame = filters.average.square() + (power + mirrored).sum((0, 1)) / 2
    image = photograph(32)[None]
    coefficients = scatter(image, filters.wavelets, filters.average)
    # each coefficient stands for 4 x 4 pixels
    assert 16 * coefficients.square().sum() <= frame.max() ** 2 * image.square().sum()
    assert 16 * coefficients.square().sum() >= 0.5 * image.square().sum()


def test_scattering_has_kymatios_values():
    stored = json.loads((Path(__file__).parent / "scattering_of_kymatio.json").read_text())
    for case in stored["cases"]:
        height, width = case["size"]
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        image = ((7 * rows * rows + 3 * columns + rows * columns) % 11).float()[None, None] / 10
        modality = Modality(layout="image", shape=(1, height, width))
        encoder = Scattering(ScatteringConfig(scales=case["scales"], angles=case["angles"]), modality)
        found = encoder(image).view(encoder.coefficients, -1)
        assert list(found.shape) == case["shape"]
        assert torch.allclose(found[:, case["places"]], torch.tensor(case["values"]), atol=1e-4)


@pytest.mark.parametrize(
    ("backbone", "side", "problem"),
    [
        ("hog", 4, "cell=8: images of 4 px have no whole cell. Lower cell, or raise view.size"),
        ("scattering", 4, "scales=2: images of 4 px cannot be reflected by 4 px. Lower scales, or raise view.size"),
    ],
)
def test_images_that_are_too_small_are_refused(backbone, side, problem):
    with pytest.raises(RequestError) as refused:
        plan_run("random-init", "digits", f"backbone.name={backbone}", f"view.size={side}", "protocols=[knn]")
    assert any(problem in one for one in refused.value.problems), refused.value.problems
