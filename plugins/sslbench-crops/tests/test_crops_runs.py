"""Runs: pretraining on steps of one or two sensors, and evaluation on steps or on series."""

from __future__ import annotations

import pytest

import sslbench

SETTINGS = {
    "data.fields": 3, "data.dates": 6, "train.epochs": 1, "train.batch_size": 64, "seeds": [0], "protocols": ["knn"],
    "baselines": "none", "recipe": "none", "threads": 1, "backbones.step-a.name": "res-mlp", "backbones.step-a.blocks": 1,
}  # fmt: skip


def run(out, method: str, part: str, augmentation: str, **more):
    settings = {**SETTINGS, "augmentation.name": augmentation, **more}
    record = sslbench.run(method, f"synthetic-crops/{part}", out=out, settings=settings).records[0]
    assert record.status in ("done", "collapsed"), record.reason
    return record


@pytest.mark.parametrize("form", ["printed", "released"])
def test_pairs_are_learned_and_series_of_one_sensor_evaluated(tmp_path, form):
    second = {"backbones.step-b.name": "res-mlp", "backbones.step-b.blocks": 1}
    pool = {"pretrain.pool": "synthetic-crops/pairs", "method.form": form}
    record = run(tmp_path, "bimodal-nt-xent", "area-1", "batch-corruption", **second, **pool)
    assert set(record.backbones) == {"step-a", "step-b"}
    assert {score.dataset for score in record.scores} == {"synthetic-crops/area-1"}


@pytest.mark.parametrize("method", ["scarf", "scarf-released", "simclr", "vicreg", "barlow-twins"])
def test_methods_for_one_modality_learn_single_spectra_and_are_evaluated_on_series(tmp_path, method):
    small = {"method.hidden": 16, "method.out": 16, "pretrain.pool": "synthetic-crops/pairs"}
    record = run(tmp_path, method, "area-1", "feature-corruption", **small)
    assert set(record.backbones) == {"step-a"}
