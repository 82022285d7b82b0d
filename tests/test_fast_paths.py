"""Half precision where the hardware gains by it, in training, attention, neighbours and probes: results stay what they are."""

from __future__ import annotations

import pytest

import sslbench
from sslbench import environment
from sslbench.protocols import linear_instrument, neighbours

from .conftest import TINY

TOLERANCE = {"random-init": 0.015, "mae": 0.04}
"""Of accuracies, with 360 test samples: an untrained encoder differs by its features' rounding, a trained one by its path, too."""


def test_every_fast_path_on_and_off_gives_the_same_table(tmp_path, monkeypatch):
    settings = {**TINY, "train.epochs": 6, "train.precision": "auto", "protocols.linear.epochs": 15,
                "measure": ["knn", "linear"], "baselines": ["random-init"], "threads": 1}  # fmt: skip
    found = {}
    for precision in ("bfloat16", "float32"):
        for module in (environment, linear_instrument, neighbours):
            monkeypatch.setattr(module, "best_precision", lambda precision=precision: precision)
        results = sslbench.run("mae", "digits", out=tmp_path / precision, settings=settings)
        assert all(record.settings["train"]["precision"] == precision for record in results.records)
        scores = results.scores
        chosen = scores[scores["metric"].isin(["micro_accuracy", "macro_accuracy"])]
        found[precision] = chosen.set_index(["method", "protocol", "metric", "chosen_on"])["value"].sort_index()
    apart = (found["bfloat16"] - found["float32"]).abs()
    assert len(apart) >= 8
    for method, tolerance in TOLERANCE.items():
        assert 0 < apart[method].max() <= tolerance, apart[method]


def test_the_paths_are_told_apart_by_the_machine(monkeypatch):
    monkeypatch.setattr(environment.Path, "read_text", lambda self: "flags: sse avx512_bf16")
    monkeypatch.setattr(environment.Path, "exists", lambda self: True)
    assert environment.best_precision() == "bfloat16"
    monkeypatch.setattr(environment.Path, "read_text", lambda self: "flags: sse avx2")
    assert environment.best_precision() == "float32" or pytest.importorskip("torch").cuda.is_available()
