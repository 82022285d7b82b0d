"""The study of images and profiles: planned at every scale without the published data, and its published numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import sslbench_plankton.studies
import torch
from sslbench_vision.backbones.timm_family import TimmConfig
from sslbench_vision.backbones.timm_model import timm_encoder as build_timm

from sslbench.api import Modality, Unavailable
from sslbench.testing.plans import plan_study

HERE = Path(sslbench_plankton.studies.__file__).parent


def planned(scale: str) -> dict:
    """Plans by arm and transfer."""
    grid = plan_study(HERE / "cross_modal_plankton.yaml", scale)
    return {(p["arm"], p["transfer"]): row.plan for row in grid.rows for p in row.points}


@pytest.mark.parametrize(("scale", "points"), [("smoke", 5 * 2), ("laptop", 7 * 4), ("paper", 12 * 4)])
def test_every_scale_can_be_planned_without_the_data(scale, points, monkeypatch):
    monkeypatch.setenv("SSLBENCH_SOURCES", "")
    assert len(planned(scale)) == points


def test_the_papers_recipe(monkeypatch):
    """Every constant of the paper (arXiv 2603.16427, released code) that is a setting."""
    monkeypatch.setenv("SSLBENCH_SOURCES", "")
    plans = planned("paper")
    clip, dino = plans["convnext and cnn", "LAB to LAB"], plans["dino convnext", "UTO to SEA"]
    train = clip.train
    assert (train.optimizer, train.momentum, train.nesterov) == ("sgd", 0.9, True)
    assert (train.lr, train.weight_decay, train.warmup_epochs, train.warmup_lr, train.min_lr) == (
        5e-3,
        1e-3,
        5,
        5e-5,
        1e-5,
    )
    assert (train.epochs, train.min_epochs, train.patience, train.monitor, train.batch_size) == (
        100,
        30,
        30,
        "validation",
        512,
    )
    assert (clip.view, clip.canvas, clip.folds) == (224, 236, (0, 1, 2, 3, 4))
    assert clip.method.config.columns == "released"
    assert (clip.method.config.out, clip.method.config.dropout, clip.method.config.scale) == (512, 0.2, 1.0)
    own = {o.name: (o.p, o.choice.config) for o in clip.augmentations[0].roles["view"]}
    assert {name: p for name, (p, _) in own.items() if p != (1.0,)} == {
        "turn": (0.5,), "upside-down": (0.5,), "bands": (0.5,), "lost-bands": (0.25,),
    }  # fmt: skip
    assert own["crop"][1].scale == (0.8, 1.0)
    assert (own["jitter"][1].brightness, own["jitter"][1].contrast) == (0.2, 0.2)
    assert (own["bands"][1].factor, own["lost-bands"][1].p_band, own["lost-bands"][1].max_bands) == (
        (0.95, 1.05),
        0.05,
        4,
    )
    assert (own["window"][1].steps, own["window"][1].keep) == (236, 224)
    assert (dino.train.epochs, dino.train.patience, dino.train.monitor, dino.train.lr) == (300, 30, "training", 1e-4)
    assert (dino.train.weight_decay, dino.train.final_weight_decay, dino.train.warmup_epochs) == (0.04, 0.4, 10)
    head = dino.method.config
    assert (head.hidden, head.bottleneck, head.prototypes, head.local) == (256, 64, 512, 6)
    assert plans["dino efficientnet", "UTO to SEA"].train.lr == 5e-3
    local = {o.name: o.choice.config for o in dino.augmentations[0].roles["local"]}
    assert (local["crop"].scale, local["crop"].size) == ((0.1, 0.4), 96)
    assert dino.pool == "cytosense/uto"
    assert clip.backbones["image"].config.published


def test_the_file_holds_the_numbers_of_the_notebook():
    frame = pd.read_csv(HERE / "cross_modal_plankton_published.csv")
    nine = frame.query("arm == 'convnext and cnn' and shots == 16 and transfer == 'LAB to LAB'")
    assert len(nine) == 9 * 4
    place = nine.query("gallery == 'image' and queries == 'profile' and metric == 'micro_accuracy'")
    assert place[["value", "spread"]].astype(float).to_numpy().tolist() == [[0.9155, 0.0115]]
    assert (frame["value"] == "lost").sum() == 7


def test_weights_that_are_unavailable_are_an_error_of_one_line(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    image = Modality(layout="image", shape=(1, 32, 32))
    with pytest.raises(Unavailable, match=r"the published weights of 'resnet10t' are not available .*published=false"):
        build_timm(TimmConfig(model="resnet10t", published=True), image)
    made = build_timm(TimmConfig(model="convnext_atto"), image)
    assert made(torch.rand(2, 1, 32, 32)).shape == (2, 320), "images of one channel"
