"""Inputs of stages: what a stage cannot read is not in its key, and what it is given is the value of its key."""

from __future__ import annotations

from dataclasses import replace

import pytest

import sslbench
from sslbench.api.values import Target
from sslbench.config.plan_stages import split_plan
from sslbench.config.stage_inputs import PretrainInputs
from sslbench.train.build import make_context
from tests.stage_plans import CATALOG, MACHINE, changed, planned


def pretrain_of(*overrides: str, **options) -> PretrainInputs:
    return split_plan(planned(*overrides, **options)).trainings[0].pretrain


def with_operations(**labels: str):
    """The catalog with one augmentation whose crop and flip have these labels; a crop's old label may key its draws."""
    component = CATALOG.components["augmentation"]["crop-flip"]
    steps = [*component.spec.operations.values()]
    names = [labels["crop"], *list(component.spec.operations)[1:]]
    steps[0] = replace(steps[0], random_key=labels.get("key", ""))
    spec = replace(component.spec, operations=dict(zip(names, steps, strict=True)))
    augmentations = {**CATALOG.components["augmentation"], "crop-flip": replace(component, spec=spec)}
    return replace(CATALOG, components={**CATALOG.components, "augmentation": augmentations})


def test_the_label_that_keys_an_operations_draws_is_part_of_the_key():
    asked = ("augmentation.name=crop-flip", "recipe=none", "backbone.name=micro-cnn", "protocols=[knn]")
    first, other, kept = (
        pretrain_of(*asked, method="simclr", catalog=with_operations(**labels)).key
        for labels in ({"crop": "one"}, {"crop": "two"}, {"crop": "two", "key": "one"})
    )
    assert first != other, "the two draw different numbers"
    assert first == kept


@pytest.mark.parametrize("setting", ["train.batch_size=64", "train.epochs=7", "train.lr=0.5", "threads=2"])
def test_a_method_without_training_is_told_nothing_of_a_schedule(setting):
    asked = ("backbone.name=micro-cnn", "protocols=[knn]")
    first, other = (pretrain_of(*asked, *more, method="random-init") for more in ((), (setting,)))
    contexts = [make_context(one, one.modalities, Target(kind="none"), 9) for one in (first, other)]
    assert contexts[0] == contexts[1]
    assert first.key == other.key


def test_a_method_without_encoders_has_no_pool_and_no_seed(tmp_path):
    asked = ("protocols=[knn]", "prepare.samples=100")
    others = ("pretrain.pool=all", "seeds=[3]", "folds=[1]", "train.patience=1")
    inputs = [pretrain_of(*asked, *more, method="raw-features") for more in ((), *((one,) for one in others))]
    assert {one.key for one in inputs} == {inputs[0].key}
    assert {(one.pool, one.training, one.seed) for one in inputs} == {(None, None, 0)}
    for pool in ("train", "all"):
        settings = {
            "prepare.samples": 100,
            "protocols": ["knn"],
            "seeds": [0],
            "baselines": "none",
            "pretrain.pool": pool,
        }
        record = sslbench.run("raw-features", "digits", out=tmp_path, settings=settings).records[0]
        assert "samples" not in record.training[0], "the second run reuses the encoders of the first"


def test_inputs_hold_the_values_of_the_key():
    """Settings that another one switches off have their defaults, and names are those of components."""
    asked = ("train.optimizer=adamw", "train.momentum=0.5", "train.checkpoint_seconds=5", "train.holdout_fraction=0.2")
    settings = pretrain_of(*asked).training.settings
    assert (settings.momentum, settings.checkpoint_seconds, settings.holdout_fraction) == (0.9, 60.0, 0.05)
    operations = pretrain_of("augmentation.name=crop-flip").training.augmentations[0].roles["view"]
    assert all(getattr(one.choice.config, "size", 1) for one in operations), "the size of views is filled in"
    protocol = split_plan(planned("protocols=[clustering]", "protocol_settings.clustering.bins=3"))
    assert protocol.trainings[0].evaluations[0].protocols[0].protocol.config.bins == 10


def test_features_are_computed_again_neither_for_scores_nor_for_another_protocol():
    plans = [
        planned("protocols=[knn]"),
        planned("protocols=[linear]", machine=replace(MACHINE, cpu_matmul_dtype="bfloat16")),
    ]
    assert changed(*plans) == {"evaluate"}
