"""Half precision where the hardware gains by it, in training, attention, neighbors and probes: results do not change."""

from __future__ import annotations

import pytest

import sslbench
from sslbench import environment
from tests.conftest import TINY

TOLERANCE = {"random-init": 0.015, "mae": 0.04}
"""Of accuracies, with 360 test samples: an untrained encoder differs by its features' rounding, a trained one by its path, too."""


def test_every_fast_path_on_and_off_gives_the_same_table(tmp_path, monkeypatch):
    settings = {**TINY, "train.epochs": 6, "train.precision": "auto", "protocol_settings.linear.epochs": 15,
                "protocols": ["knn", "linear"], "baselines": ["random-init"], "threads": 1}  # fmt: skip
    found = {}
    for precision in ("bfloat16", "float32"):
        for module, name in (
            (environment, "best_precision"),
            (environment, "cpu_precision"),
        ):
            monkeypatch.setattr(module, name, lambda precision=precision: precision)
        results = sslbench.run("mae", "digits", out=tmp_path / precision, settings=settings)
        assert len(results.records) == 2
        for record in results.records:
            assert (record.settings["train"]["precision"], record.settings["cpu_matmul_dtype"]) == (
                precision,
                precision,
            )
        scores = results.scores
        chosen = scores[scores["metric"].isin(["micro_accuracy", "macro_accuracy"])]
        found[precision] = chosen.set_index(["method", "protocol", "metric", "chosen_on"])["value"].sort_index()
    apart = (found["bfloat16"] - found["float32"]).abs()
    assert len(apart) >= 8
    for method, tolerance in TOLERANCE.items():
        assert apart[method].max() <= tolerance, apart[method]


@pytest.mark.parametrize(("flags", "precision"), [("sse avx512_bf16", "bfloat16"), ("sse avx2", "float32")])
def test_the_processor_decides_which_path_is_taken(monkeypatch, flags, precision):
    monkeypatch.setattr(environment.Path, "read_text", lambda self: f"flags: {flags}")
    monkeypatch.setattr(environment.Path, "exists", lambda self: True)
    assert environment.cpu_precision() == precision
