"""Every image operation against torchvision's functional counterpart on the same parameters, within 1e-4 on [0, 1]."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import load_sample_images
from sslbench_vision.operations import blur_erase_operation as blur_erase
from sslbench_vision.operations import color_operation as color
from sslbench_vision.operations import crops_operation as crops
from sslbench_vision.operations import geometry_operation as geometry
from sslbench_vision.operations.color import ColorJitterConfig, GrayConfig, InvertConfig, SolarizeConfig
from sslbench_vision.operations.crops import CenterCropConfig, PadConfig, RandomResizedCropConfig
from sslbench_vision.operations.geometry import FlipConfig
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms import functional as tv

from sslbench.api import KeyedRandom, Modality, OperationParts
from sslbench.api.image_boxes import crop_resize
from sslbench.testing.random_numbers import keyed_random

CLOSE = 1e-4


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    """Sixteen 128 px pieces of the photographs that scikit-learn ships, [16, 3, 128, 128]."""
    images = load_sample_images().images
    pieces = [image[y : y + 128, x : x + 128] for image in images for y in (0, 200) for x in (0, 120, 240, 400)]
    return torch.from_numpy(np.stack(pieces)).permute(0, 3, 1, 2).float() / 255


def parts(size: int = 64) -> OperationParts:
    return OperationParts(modalities={"image": Modality(layout="image", shape=(3, size, size))}, reference={})


def draws(n: int = 16) -> KeyedRandom:
    return keyed_random(torch.arange(n), 0, "test")


def distance(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max())


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [32, 64, 200])
def test_crop_and_resize(photos, interpolation, size):
    generator = np.random.default_rng(0)
    boxes = []
    for _ in photos:
        height, width = generator.integers(10, 129, 2)
        boxes.append([generator.integers(0, 129 - height), generator.integers(0, 129 - width), height, width])
    mode = InterpolationMode(interpolation)
    theirs = torch.stack(
        [
            tv.resized_crop(p, *map(int, b), [size, size], mode, antialias=True)
            for p, b in zip(photos, boxes, strict=True)
        ]
    )
    ours = crop_resize(photos, torch.tensor(boxes).float(), (size, size), interpolation)
    assert distance(ours, theirs.clamp(0, 1)) < CLOSE


@pytest.mark.parametrize("fill", [0.0, 0.3])
def test_affine(photos, fill):
    """torchvision's own `fill` weighs a border pixel twice, so the fill is checked as a shift of its zero padding."""
    angle, translate, scale, shear = (draws().uniform(n, *s) for n, s in (("a", ()), ("t", (2,)), ("s", ()), ("h", ())))
    angle, shear = (angle - 0.5) * 360, (shear - 0.5) * 40
    translate, scale = torch.round((translate - 0.5) * 40), 0.7 + scale
    inverse = geometry.inverse_matrices(angle * math.pi / 180, translate, scale, shear * math.pi / 180)
    ours = geometry.apply_affine(photos, inverse, fill)
    for i, photo in enumerate(photos):
        move, lean = [int(t) for t in translate[i]], [float(shear[i]), 0.0]
        mode = InterpolationMode.BILINEAR
        theirs = tv.affine(photo - fill, float(angle[i]), move, float(scale[i]), lean, mode) + fill
        assert distance(ours[i], theirs) < CLOSE


def test_flips(photos):
    view = {"image": photos}
    assert torch.equal(geometry.flip_horizontally(FlipConfig(), parts())(view, draws())["image"], tv.hflip(photos))
    assert torch.equal(geometry.flip_vertically(FlipConfig(), parts())(view, draws())["image"], tv.vflip(photos))


@pytest.mark.parametrize(
    ("ours", "theirs", "low", "high"),
    [
        (color.brightness, tv.adjust_brightness, 0.2, 1.8),
        (color.contrast, tv.adjust_contrast, 0.2, 1.8),
        (color.saturation, tv.adjust_saturation, 0.2, 1.8),
        (color.hue, tv.adjust_hue, -0.5, 0.5),
    ],
)
def test_color(photos, ours, theirs, low, high):
    factors = low + (high - low) * draws().uniform("f")
    expected = torch.stack([theirs(p, float(f)) for p, f in zip(photos, factors, strict=True)])
    assert distance(ours(photos, factors), expected) < CLOSE
    gray = photos[:, :1]
    expected = torch.stack([theirs(p, float(f)) for p, f in zip(gray, factors, strict=True)])
    assert distance(ours(gray, factors), expected) < CLOSE


def test_jitter_applies_every_sample_in_its_own_order(photos):
    config = ColorJitterConfig(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    own = draws().fork("image")
    ours = color.jitter(config, parts())({"image": photos}, draws())["image"]
    names = ("brightness", "contrast", "saturation", "hue")
    order = own.uniform("order", 4).argsort(1)
    assert len({tuple(row) for row in order.tolist()}) > 8
    adjust = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
    bounds = ((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1))
    for i, photo in enumerate(photos):
        expected = photo
        for which in order[i].tolist():
            low, high = bounds[which]
            expected = adjust[which](expected, float(low + (high - low) * own.uniform(names[which])[i]))
        assert distance(ours[i], expected) < CLOSE


def test_jitter_probabilities_are_separate(photos):
    config = ColorJitterConfig(brightness=0.4, contrast=0, saturation=0, hue=0.5, brightness_p=0.0, hue_p=1.0)
    ours = color.jitter(config, parts())({"image": photos}, draws())["image"]
    shift = -0.5 + draws().fork("image").uniform("hue")
    assert distance(ours, color.hue(photos, shift)) < 1e-6


def test_gray_solarize_invert(photos):
    view = {"image": photos}
    gray = color.to_gray(GrayConfig(), parts())(view, draws())["image"]
    assert distance(gray, tv.rgb_to_grayscale(photos, 3)) < CLOSE
    solarized = color.solarize(SolarizeConfig(threshold=0.5), parts())(view, draws())["image"]
    assert distance(solarized, tv.solarize(photos, 0.5)) < CLOSE
    assert distance(color.invert(InvertConfig(), parts())(view, draws())["image"], tv.invert(photos)) < CLOSE


def test_blur(photos):
    sigma = 0.1 + 1.9 * draws().uniform("sigma")
    expected = torch.stack([tv.gaussian_blur(p, [9, 9], [float(s)] * 2) for p, s in zip(photos, sigma, strict=True)])
    assert distance(blur_erase.blur_by(photos, sigma, 9), expected) < CLOSE


def test_erase(photos):
    box = torch.tensor([[5.0, 7.0, 20.0, 30.0]]).expand(len(photos), 4)
    expected = tv.erase(photos, 5, 7, 20, 30, torch.tensor(0.25))
    assert torch.equal(blur_erase.erase_boxes(photos, box, 0.25), expected)


def test_pad_shrinks_into_a_border(photos):
    config = PadConfig(share=(0.25, 0.25), fill=0.5)
    ours = crops.pad_operation(config, parts())({"image": photos}, draws())["image"]
    expected = tv.resize(tv.pad(photos, [32] * 4, fill=0.5), [128, 128], antialias=True)
    assert distance(ours, expected) < CLOSE


def test_center_crop(photos):
    ours = crops.CenterCrop(CenterCropConfig(size=64, share=0.5), parts())({"image": photos}, draws())["image"]
    expected = tv.resize(tv.center_crop(photos, [64, 64]), [64, 64], antialias=True)
    assert distance(ours, expected) < CLOSE


def test_a_crop_scale_above_one_shows_a_border():
    white = torch.ones(64, 1, 32, 32)
    config = RandomResizedCropConfig(size=32, scale=(1.5, 1.6), ratio=(1.0, 1.0))
    modality = {"image": Modality(layout="image", shape=(1, 32, 32))}
    crop = crops.RandomResizedCrop(config, OperationParts(modalities=modality, reference={}))
    seen = crop({"image": white}, keyed_random(torch.arange(64), 0))["image"].mean((1, 2, 3))
    assert (seen < 0.75).all()
    assert (seen > 0.5).all()


def test_boxes_are_drawn_as_torchvision_draws_them():
    n = 4000
    config = RandomResizedCropConfig(scale=(0.08, 1.0))
    ours = crops.random_boxes(keyed_random(torch.arange(n), 0), config, (100, 140), (100, 140), None).numpy()
    torch.manual_seed(0)
    reference = torch.zeros(1, 100, 140)
    theirs = np.array([RandomResizedCrop.get_params(reference, [0.08, 1.0], [0.75, 4 / 3]) for _ in range(n)])
    for place in range(4):
        assert stats.ks_2samp(ours[:, place], theirs[:, place]).pvalue > 1e-3


@settings(max_examples=60)
@given(
    height=st.integers(1, 80),
    width=st.integers(1, 80),
    low=st.floats(0.01, 0.9),
    seed=st.integers(0, 2**31),
    aspect=st.floats(0.2, 5.0),
)
def test_boxes_stay_inside_the_canvas(height, width, low, seed, aspect):
    config = RandomResizedCropConfig(scale=(low, 1.0))
    ratio = torch.full((32,), aspect)
    room = (height, width)
    boxes = crops.random_boxes(keyed_random(torch.arange(32), seed), config, room, room, ratio)
    top, left, rows, columns = boxes.T
    assert (rows >= 1).all() and (columns >= 1).all() and (top >= 0).all() and (left >= 0).all()  # noqa: PT018
    assert (top + rows <= height).all()
    assert (left + columns <= width).all()
    assert torch.isfinite(crop_resize(torch.rand(32, 1, height, width), boxes, (8, 8))).all()
