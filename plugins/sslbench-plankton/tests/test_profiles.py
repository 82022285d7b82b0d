"""Encoders of profiles: the published sizes, and that a profile is encoded alike however it is padded."""

from __future__ import annotations

import pytest
import torch
from sslbench_plankton.backbones.profiles import (
    ProfileCnnConfig,
    ProfileLstmConfig,
    ProfileTransformerConfig,
)
from sslbench_plankton.backbones.profiles_model import ProfileCnn, ProfileLstm, ProfileTransformer
from sslbench_plankton.operations.profiles import (
    BandDropConfig,
    BandScaleConfig,
    MirrorConfig,
    TimeCropConfig,
)
from sslbench_plankton.operations.profiles_operation import band_drop, band_scale, mirror_together, time_crop
from sslbench_plankton.resampling import resample

from sslbench.api import KeyedRandom, Modality, OperationParts
from sslbench.testing.random_numbers import keyed_random

SIX = Modality(layout="sequence", shape=(0, 6))
PARTS = OperationParts(modalities={"image": Modality(layout="image", shape=(1, 8, 8)), "profile": SIX}, reference={})


def draws(rows: int = 3) -> KeyedRandom:
    return keyed_random(torch.arange(rows), 0)


@pytest.mark.parametrize(
    ("build", "config", "parameters", "width"),
    [
        (ProfileCnn, ProfileCnnConfig(), 963_840, 256),
        (ProfileTransformer, ProfileTransformerConfig(), 795_776 + 262_144, 128),
        (ProfileLstm, ProfileLstmConfig(), 264_960, 256),
    ],
)
def test_sizes_are_the_published_ones(build, config, parameters, width):
    encoder = build(config, SIX).eval()
    assert sum(p.numel() for p in encoder.parameters()) == parameters
    assert encoder(torch.rand(2, 50, 6), torch.tensor([50, 20])).shape == (2, encoder.width) == (2, width)


def test_resampling_is_torchs_of_every_profile_alone():
    x, length = torch.rand(3, 30, 2), torch.tensor([30, 7, 1])
    found = resample(x, length, 16)
    for row, count in enumerate(length.tolist()):
        alone = torch.nn.functional.interpolate(x[row : row + 1, :count].transpose(1, 2), 16, mode="linear")
        assert torch.allclose(found[row], alone[0].T, atol=1e-6)
    assert torch.allclose(resample(x, None, 30), x, atol=1e-6)


def test_more_steps_than_positions_are_refused():
    with pytest.raises(ValueError, match=r"steps=224: must be at most positions - 2 = 98\."):
        ProfileTransformerConfig(positions=100)


@pytest.fixture
def pair() -> dict[str, torch.Tensor]:
    """Three particles of 9, 6 and 1 steps with six bands, and their images."""
    length = torch.tensor([9, 6, 1])
    inside = (torch.arange(9) < length.unsqueeze(1)).unsqueeze(-1)
    return {"image": torch.rand(3, 1, 8, 8), "profile": torch.rand(3, 9, 6) * inside, "profile.length": length}


def test_a_turned_particle_is_turned_in_both(pair):
    made = mirror_together(MirrorConfig(), PARTS)(pair, draws())
    assert torch.equal(made["image"], pair["image"].flip(3))
    for row, count in enumerate(pair["profile.length"].tolist()):
        assert torch.equal(made["profile"][row, :count], pair["profile"][row, :count].flip(0))
        assert not made["profile"][row, count:].any()
    again = mirror_together(MirrorConfig(), PARTS)(made, draws())
    assert all(torch.equal(again[name], pair[name]) for name in pair)


def test_bands_are_scaled_and_dropped(pair):
    many = {name: x.repeat(400, *[1] * (x.ndim - 1)) for name, x in pair.items()}
    scaled = band_scale(BandScaleConfig(), PARTS)(many, draws(1200))["profile"] / many["profile"]
    ratio = scaled[0::3]  # of the particle that fills all steps
    assert torch.allclose(ratio, ratio[:, :1], atol=1e-5), "one factor for all steps of a band"
    assert 0.95 <= ratio.min() < 0.952 < 1.048 < ratio.max() <= 1.05001
    kept = band_drop(BandDropConfig(p_band=0.5, max_bands=4), PARTS)(many, draws(1200))["profile"]
    gone = (kept[0::3] == 0).all(1).sum(1)
    assert set(gone.tolist()) == {1, 2, 3, 4}
    rare = (band_drop(BandDropConfig(), PARTS)(many, draws(1200))["profile"][0::3] == 0).all(1).sum(1)
    assert set(rare.tolist()) <= {1, 2, 3}
    assert (rare == 1).float().mean() > 0.7


def test_a_window_of_the_resampled_steps_is_kept(pair):
    made = time_crop(TimeCropConfig(steps=20, keep=16), PARTS)(pair, draws())
    complete = resample(pair["profile"], pair["profile.length"], 20)
    assert made["profile.length"].tolist() == [16, 16, 16]
    for row in range(3):
        assert any(torch.equal(made["profile"][row], complete[row, start : start + 16]) for start in range(5))
    with pytest.raises(ValueError, match="keep=30: must be at most steps=20"):
        TimeCropConfig(steps=20, keep=30)


def test_facts_of_steps_follow_a_crop_and_a_mirror():
    time = torch.arange(20.0).expand(3, 20)
    angles = torch.stack([time, -time], 2)
    view = {
        "profile": torch.stack([time] * 6, 2), "profile.length": torch.tensor([20, 20, 20]), "profile.time": time,
        "profile.angles": angles, "profile.height": torch.tensor([1.0, 2, 3]),
    }  # fmt: skip
    cropped = time_crop(TimeCropConfig(steps=10, keep=4), PARTS)(view, draws())
    assert cropped["profile.time"].shape == (3, 4)
    assert torch.equal(cropped["profile.time"], cropped["profile"][..., 0])
    assert torch.equal(cropped["profile.angles"][..., 1], -cropped["profile.time"])
    assert torch.equal(cropped["profile.height"], view["profile.height"])
    mirrored = mirror_together(MirrorConfig(), PARTS)({**view, "image": torch.rand(3, 1, 8, 8)}, draws())
    assert torch.equal(mirrored["profile.time"], time.flip(1))
