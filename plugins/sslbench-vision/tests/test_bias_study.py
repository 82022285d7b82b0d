"""The study of augmentations as it is planned at every scale, without the data that the published ones need."""

from __future__ import annotations

from pathlib import Path

import pytest
import sslbench_vision.studies
import yaml

from sslbench.testing.plans import plan_study

STUDY = Path(sslbench_vision.studies.__file__).parent / "augmentation_bias.yaml"


@pytest.mark.parametrize(
    ("scale", "runs"),
    [
        ("paper-hue-probability", 13 * 21),
        ("paper-hue", 5 * 11),
        ("paper-jitter", 5 * 21),
        ("paper-crop", 5 * 8),
        ("paper-flip", 5 * 21),
        ("paper-fine-tuned", 3 * 11),
        ("paper-imagenet", 4 * 3 * 11),
        ("laptop", 5 * 6 * 2),
        ("laptop-rotation", 5 * 3 * 2),
        ("laptop-size", 5 * 3 * 2),
        ("laptop-blur", 5 * 3 * 2),
    ],
)
def test_every_sweep_can_be_planned_without_the_data(scale, runs, monkeypatch):
    monkeypatch.setenv("SSLBENCH_SOURCES", "")
    rows = plan_study(STUDY, scale).rows
    plans = [row.plan for row in rows]
    assert len(plans) == runs
    requested = {effect["axis"] for effect in yaml.safe_load(STUDY.read_text())["scales"][scale]["class_effects"]}
    assert requested
    assert requested <= set(rows[0].points[0])
    if scale.startswith("paper"):
        assert "torchvision-resnet18" in {plan.backbones["image"].name for plan in plans}
        assert {plan.train.epochs for plan in plans} == ({400} if scale == "paper-imagenet" else {1000})
        assert len(plans[0].seeds) == (3 if scale == "paper-imagenet" else 5)


def test_what_a_hue_probability_leaves_alone(monkeypatch):
    """The sweep moves the hue's probability alone: each method's own views, and the other three changes, are as published."""
    monkeypatch.setenv("SSLBENCH_SOURCES", "")
    plans = [row.plan for row in plan_study(STUDY, "paper-hue-probability").rows]
    jitters = {
        plan.method.name: next(o.choice.config for o in operations if o.name == "jitter")
        for plan in plans
        for role, operations in plan.augmentations[0].roles.items()
    }
    assert len(jitters) == 13
    for config in jitters.values():
        assert (config.brightness, config.contrast, config.saturation, config.hue) == (0.4, 0.4, 0.2, 0.5)
        assert (config.brightness_p, config.contrast_p, config.saturation_p) == (0.8, 0.8, 0.8)
