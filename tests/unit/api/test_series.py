"""Series are encoded step by step: only true steps, with their facts, and in one pass while training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sslbench.api import Modality
from sslbench.api.modules import Backbone, Method
from sslbench.api.series import STEPS_AT_ONCE, average_steps, embed_view, encode_samples, encode_view, take_steps

SPECTRUM = Modality(layout="vector", shape=(4,))
MODALITIES = {
    "series": Modality(layout="sequence", shape=(0, 4), sequence_of="spectrum"),
    "place": Modality(layout="vector", shape=(2,)),
    "other": Modality(layout="sequence", shape=(0, 9), sequence_of="unknown"),
}
LENGTHS = torch.tensor([3, 1, 5])


class Normed(Backbone):
    """A layer with batch norm, whose statistics show which steps it has seen."""

    width = 6

    def __init__(self, modality: Modality = SPECTRUM) -> None:
        super().__init__(modality)
        self.layers = nn.Sequential(nn.Linear(modality.shape[0], 6), nn.BatchNorm1d(6))

    def forward(self, x, length=None):
        return self.layers(self.normalize(x))


class Projected(Method):
    """An encoder with a space of its own; a view without its modality is an error."""

    def __init__(self, encoder: Backbone) -> None:
        super().__init__()
        self.encoder, self.project = encoder, nn.Linear(6, 3)

    @property
    def encoders(self):
        return {"spectrum": self.encoder}

    def embed(self, view):
        feature = self.encoder(view["spectrum"])
        return {"spectrum": feature, "spectrum.joint": self.project(feature)}


@pytest.fixture
def view() -> dict[str, torch.Tensor]:
    """Three series; what pads them is far from every true step."""
    series = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    series[torch.arange(5) >= LENGTHS.unsqueeze(1)] = 1e6
    time = torch.arange(15.0).view(3, 5)
    return {"series": series, "series.length": LENGTHS, "series.time": time, "series.height": torch.tensor([7.0, 8, 9])}


def true_steps(view: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([row[:length] for row, length in zip(view["series"], LENGTHS, strict=True)])


def test_every_true_step_is_encoded_and_zeros_follow_it(view):
    encoder = Normed().eval()
    found = encode_view({"spectrum": encoder}, view, MODALITIES)
    assert set(found) == {"series"}
    expected = encoder(true_steps(view)).split(LENGTHS.tolist())
    for row, steps in zip(found["series"], expected, strict=True):
        assert torch.equal(row[: len(steps)], steps)
        assert not row[len(steps) :].any()


def test_batch_statistics_are_those_of_true_steps(view):
    encoder, reference = Normed().train(), Normed().train()
    reference.load_state_dict(encoder.state_dict())
    encode_view({"spectrum": encoder}, view, MODALITIES)
    reference(true_steps(view))
    for name, value in reference.state_dict().items():
        assert torch.equal(encoder.state_dict()[name], value), name


def test_gradients_reach_the_encoder_from_true_steps_alone(view):
    encoder = Normed().eval()
    view["series"].requires_grad_()
    encode_view({"spectrum": encoder}, view, MODALITIES)["series"].pow(2).sum().backward()
    inside = torch.arange(5) < LENGTHS.unsqueeze(1)
    assert view["series"].grad[inside].any(1).all()
    assert not view["series"].grad[~inside].any()
    assert encoder.layers[0].weight.grad.any()


def test_a_sample_is_the_mean_of_its_steps_next_to_its_other_modalities(view):
    encoders = {"spectrum": Normed().eval(), "place": Normed(MODALITIES["place"]).eval()}
    view["place"] = torch.randn(3, 2)
    found = encode_samples(encoders, view, MODALITIES)
    means = [encoders["spectrum"](steps).mean(0) for steps in true_steps(view).split(LENGTHS.tolist())]
    assert torch.allclose(found, torch.cat([encoders["place"](view["place"]), torch.stack(means)], 1), atol=1e-6)


def test_a_method_embeds_series_in_all_of_its_spaces(view):
    method = Projected(Normed()).eval()
    found = embed_view(method, view, MODALITIES)
    assert {name: tuple(x.shape) for name, x in found.items()} == {"series": (3, 5, 6), "series.joint": (3, 5, 3)}
    assert torch.allclose(found["series.joint"][0, 2], method.project(found["series"][0, 2]), atol=1e-6)
    assert not found["series.joint"][1, 1:].any()


def test_a_view_of_single_samples_is_embedded_as_before(view):
    method = Projected(Normed()).eval()
    single = {"spectrum": true_steps(view)}
    found = embed_view(method, single, {"spectrum": SPECTRUM})
    assert found.keys() == method.embed(single).keys()
    assert all(torch.equal(x, method.embed(single)[name]) for name, x in found.items())


def test_many_steps_are_encoded_in_pieces_without_gradients():
    rows: list[int] = []
    encoder = Normed().eval()
    encoder.register_forward_hook(lambda module, given, answer: rows.append(len(given[0])))
    view = {"series": torch.randn(3, STEPS_AT_ONCE // 2, 4)}
    whole = encode_view({"spectrum": encoder}, view, MODALITIES)["series"]
    with torch.no_grad():
        pieces = encode_view({"spectrum": encoder}, view, MODALITIES)["series"]
    assert rows == [3 * STEPS_AT_ONCE // 2, STEPS_AT_ONCE, STEPS_AT_ONCE // 2]
    assert torch.allclose(whole, pieces, atol=1e-5)


def test_steps_keep_their_facts_and_those_of_their_series(view):
    steps = take_steps(view, "series", "spectrum")
    assert set(steps) == {"spectrum", "spectrum.time", "spectrum.height"}
    assert torch.equal(steps["spectrum"], true_steps(view))
    assert steps["spectrum.time"].tolist() == [0, 1, 2, 5, 10, 11, 12, 13, 14]
    assert steps["spectrum.height"].tolist() == [7, 7, 7, 8, 9, 9, 9, 9, 9]


def test_a_fact_that_an_operation_left_behind_is_an_error(view):
    cropped = {**view, "series": view["series"][:, :3], "series.length": LENGTHS.clamp(max=3)}
    with pytest.raises(ValueError, match=r"'series.time' has 5 steps, but 'series' has 3\. Change `step_facts`"):
        take_steps(cropped, "series", "spectrum")


def test_the_mean_of_steps_leaves_out_padding(view):
    assert torch.allclose(average_steps(view["series"], LENGTHS)[1], view["series"][1, 0])
    assert torch.allclose(average_steps(view["series"], None), view["series"].mean(1))
