"""The evaluate stage loads encoders only for protocols that ask for them, and seeds torch equally for every method."""

from __future__ import annotations

import pytest
import torch

from sslbench.catalog.metrics import core_metrics
from sslbench.evaluation import stage as evaluation
from sslbench.pipeline.stages import make_run
from sslbench.progress import NoDisplay
from sslbench.protocols.knn_evaluator import Knn
from sslbench.results.store import Store
from sslbench.stages.graph import distinct_stages
from tests.stage_plans import planned

SMALL = ("backbone.name=micro-cnn", "backbone.widths=[8,8,8,8]", "prepare.samples=200", "augmentation.name=digits")
FINETUNE = ("protocol_settings.finetune.epochs=1", "protocol_settings.finetune.min_steps=0")


def evaluate(folder, *overrides, method="random-init"):
    plan = planned(*SMALL, *overrides, method=method)
    run = make_run(plan, Store(root=folder, prepared=folder / "prepared"), core_metrics())
    for stage in distinct_stages([run]).values():
        stage.folder.mkdir(parents=True)
        with NoDisplay().stage(stage.title) as progress:
            stage.make(stage.folder, progress)


@pytest.mark.parametrize(("overrides", "count"), [(("protocols=[knn]",), 0), (("protocols=[finetune]", *FINETUNE), 1)])
def test_encoders_are_loaded_only_where_a_protocol_asks_for_them(tmp_path, monkeypatch, overrides, count):
    loaded = []
    load = evaluation.load_pretrained

    def record(*arguments):
        loaded.append(arguments)
        return load(*arguments)

    monkeypatch.setattr(evaluation, "load_pretrained", record)
    evaluate(tmp_path, *overrides)
    assert len(loaded) - 1 == count  # the extract stage loads them once


def test_heads_of_all_methods_start_with_the_same_weights(tmp_path, monkeypatch):
    """A head that a protocol makes before a fit takes its weights from torch's generator."""
    drawn = []
    measure = Knn.measure

    def draw(self, trial):
        drawn.append(torch.rand(3).tolist())
        return measure(self, trial)

    monkeypatch.setattr(Knn, "measure", draw)
    evaluate(tmp_path / "untrained", "protocols=[knn]")
    evaluate(tmp_path / "trained", "protocols=[knn]", "train.epochs=1", "recipe=none", method="simclr")
    assert drawn[0] == drawn[1]
