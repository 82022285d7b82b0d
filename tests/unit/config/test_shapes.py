"""Shapes of pretraining data, evaluation data and encoders are compared before anything runs."""

from __future__ import annotations

import pytest

from sslbench.api.errors import RequestError
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import make_plan
from sslbench.config.request import read_request
from sslbench.environment import places
from tests.contract.test_contract import CATALOG, MACHINE

DEFAULTS = {"modality": "spectrum", "layout": "vector", "shape": [4], "sequence_of": ""}
"""Settings of the pretraining data, which otherwise has those of the evaluation data."""


def plan(*settings: str, method: str = "random-init", learned: dict | None = None, **measured):
    """Plan an evaluation on the data `measured` of encoders of the data `learned`."""
    own = {"name": "toy-shaped", **measured}
    pool = {} if learned is None else {"pretrain": {"pool": "toy-shaped", "settings": {**DEFAULTS, **learned}}}
    tree = {"method": {"name": method}, "data": own, "protocols": ["knn"], **pool}
    return make_plan(read_request(None, tree, list(settings)), CATALOG, DatasetCache(places()), MACHINE)


def problems(*settings: str, **data) -> list[str]:
    with pytest.raises(RequestError) as raised:
        plan(*settings, **data)
    return list(raised.value.problems)


MLP, MEAN = "backbone.name=vector-mlp", "backbone.name=toy-mean"
SERIES = {"modality": "series", "layout": "sequence", "sequence_of": "spectrum"}


@pytest.mark.parametrize("shape", [[0, 4], [7, 4]])
def test_series_of_the_steps_that_are_learned_fit(shape):
    assert plan(MLP, learned={}, shape=shape, **SERIES).modalities.keys() == {"spectrum"}


def test_steps_of_another_shape_name_both_datasets_settings_and_shapes():
    assert problems(MLP, learned={}, shape=[0, 5], **SERIES) == [
        "data: 'series' of toy-shaped has steps of shape (5,), but the encoder takes 'spectrum' of toy-shaped "
        "(pretrain.pool) with layout vector and shape (4,): the numbers of values differ. Choose data of one shape"
    ]


def test_vectors_of_another_length_are_refused():
    (said,) = problems(MLP, learned={"shape": [7]}, shape=[4])
    assert "'spectrum' of toy-shaped has layout vector and shape (4,), but the encoder takes 'spectrum'" in said
    assert "with layout vector and shape (7,): the numbers of values differ. Choose data of one shape" in said


def test_sequences_of_other_lengths_need_an_encoder_of_any_size():
    learned, measured = {"layout": "sequence", "shape": [5, 2]}, {"layout": "sequence", "shape": [0, 2]}
    assert plan(MEAN, learned=learned, **measured)
    (said,) = problems(method="raw-features", learned=learned, **measured)
    assert "the numbers of steps differ. Choose data of one shape, or a backbone that provides any-size" in said
    (said,) = problems(MEAN, learned=learned, layout="sequence", shape=[5, 3])
    assert "the numbers of channels differ. Choose data of one shape" in said


def test_images_of_other_sizes_fit_but_not_of_other_channels():
    learned = {"layout": "image", "shape": [1, 8, 8]}
    assert plan(MEAN, learned=learned, layout="image", shape=[1, 0, 0])
    (said,) = problems(MEAN, learned=learned, layout="image", shape=[3, 8, 8])
    assert "the numbers of channels differ. Set data.channels=gray" in said


def test_another_layout_is_refused():
    (said,) = problems(MLP, learned={}, layout="sequence", shape=[4, 1])
    assert "has layout sequence and shape (4, 1), but the encoder takes 'spectrum'" in said
    assert said.endswith("the axes differ. Choose data of the same layout")


def test_data_without_an_encoder_are_refused():
    (said,) = problems(MLP, learned={}, modality="series", layout="sequence", shape=[0, 4], sequence_of="spectra")
    assert said == (
        "data: toy-shaped has 'series' (a sequence of 'spectra'), but the encoders take 'spectrum' of toy-shaped "
        "(pretrain.pool). Choose data with such samples, or with sequences of them"
    )


def test_evaluate_is_named_as_the_setting():
    said = problems(MLP, "evaluate=toy-series", shape=[3])
    assert said == [
        "evaluate: 'series' of toy-series has steps of shape (4,), but the encoder takes 'spectrum' of toy-shaped (data) with "
        "layout vector and shape (3,): the numbers of values differ. Choose data of one shape"
    ]


def test_pooled_parts_of_other_modalities_or_facts_are_refused():
    said = problems(MLP, "data.name=toy-spectra+toy-series")
    assert said == [
        "data: toy-series has no 'spectrum', which toy-spectra has. Pretrain on parts with the same modalities and facts, "
        "with --dataset NAME/PART and pretrain.pool=NAME/PART"
    ]


def test_pooled_sequences_need_lengths_in_all_parts_or_in_none():
    from sslbench.config.compatibility import find_pool_errors

    parts = [plan(MEAN, layout="sequence", shape=shape).pretrain_parts[0] for shape in ([0, 2], [5, 2], [6, 2])]
    (said,) = find_pool_errors(parts[:2], "data")
    assert said.endswith(
        "but of toy-shaped layout sequence and shape (0, 2): only one states lengths. Choose data of one shape"
    )
    (said,) = find_pool_errors(parts[1:], "data")
    assert "the numbers of steps differ" in said
    assert find_pool_errors([parts[0], parts[0]], "data") == []


def test_facts_that_the_data_does_not_announce_are_refused():
    assert plan(MLP, "modalities.spectrum.facts=[day]", facts=["day"]).modalities["spectrum"].facts == ("day",)
    assert problems(MLP, "modalities.spectrum.facts=[days]", facts=["day"]) == [
        "modalities.spectrum.facts: the data has no fact 'days'. Did you mean 'day'? Available: day"
    ]
