"""Stage keys: what a stage does not depend on is not in its key, so that nothing is computed twice."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from sslbench import environment
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import make_plan
from sslbench.config.plan_stages import split_plan
from sslbench.config.request import read_request
from sslbench.config.run_names import run_id
from sslbench.data.prepare import prepare
from sslbench.testing.plans import STAGE_KINDS, stage_keys
from tests.stage_plans import CATALOG, MACHINE, answers_of, changed, folder, image_tree, planned


@pytest.mark.parametrize("measure", ["[knn,linear,finetune,clustering,diagnostics]"])
def test_another_share_of_labels_leaves_everything_else(measure):
    first = planned(f"protocols={measure}")
    second = planned(f"protocols={measure}", "splits.label_fractions=[0.1,1.0]")
    assert changed(first, second) == {"evaluate"}
    one, other = answers_of(first), answers_of(second)
    assert one.items() <= other.items()
    assert set(other) - set(one) == {("knn", 0.1), ("linear", 0.1), ("finetune", 0.1)}


def test_another_protocol_leaves_everything_else():
    first, second = planned("protocols=[knn,finetune]"), planned("protocols=[knn,finetune,diagnostics]")
    one, other = stage_keys(first), stage_keys(second)
    assert (one["prepare"], one["pretrain"]) == (other["prepare"], other["pretrain"])
    assert (len(other["extract"] - one["extract"]), one["extract"] <= other["extract"]) == (1, True)
    assert answers_of(first).items() <= answers_of(second).items()


def test_a_folder_may_lie_anywhere(tmp_path, monkeypatch):
    here = image_tree(tmp_path / "here/mine")
    there = shutil.copytree(here, tmp_path / "there/mine")
    monkeypatch.chdir(tmp_path / "here")
    plans = [planned(data=folder(root)) for root in (here, there, "mine")]
    for plan in plans[1:]:
        assert changed(plans[0], plan) == set()
        assert run_id(plan) == run_id(plans[0])
    made = []
    for place, plan in enumerate(plans):
        target = tmp_path / f"prepared-{place}"
        target.mkdir()
        prepare(split_plan(plan).tables[0].prepare, "x", target, lambda done, total: None)
        made.append(np.load(target / "image.npy"))
    assert made[0].shape[-1] == made[0].shape[-2]
    assert np.array_equal(made[0], made[1]), "the noise around an image differs"
    assert np.array_equal(made[0], made[2])


def test_the_noise_around_an_image_does_not_depend_on_other_images(tmp_path):
    made = []
    for name, left_out in (("all", 0), ("fewer", 5)):
        root = image_tree(tmp_path / name)
        for path in sorted(root.rglob("*.png"))[:left_out]:
            path.unlink()
        plan = planned("prepare.size=16", data=folder(root))
        part, target = plan.evaluate_parts[0], tmp_path / f"prepared-{name}"
        target.mkdir()
        prepare(split_plan(plan).tables[0].prepare, "x", target, lambda done, total: None)
        made.append(dict(zip(part.dataset.columns["id"].tolist(), np.load(target / "image.npy"), strict=True)))
    assert all(np.array_equal(image, made[0][name]) for name, image in made[1].items())


def test_members_of_a_pool_may_lie_anywhere(tmp_path):
    roots = [image_tree(tmp_path / "here/mine"), tmp_path / "there/mine"]
    shutil.copytree(*roots)
    plans = []
    for root in roots:
        tree = {"pretrain": {"pool": "pool", "settings": {"members": {"mine": folder(root)}}}}
        request = read_request(None, {"method": {"name": "mae"}, "data": folder(root), **tree}, ["seeds=[0]"])
        plans.append(make_plan(request, CATALOG, DatasetCache(environment.places()), MACHINE))
    assert changed(*plans) == set()
    assert plans[0].pool == plans[1].pool


@pytest.mark.parametrize(
    "setting",
    [
        "protocol_settings.knn.memory=64",
        "protocol_settings.gallery.memory=64",
        "train.checkpoint_seconds=5",
        "prepare.unreadable=0.2",
    ],
)
def test_settings_that_change_no_number_change_no_key(setting):
    asked = ("protocols=[knn,gallery]",)
    assert changed(planned(*asked), planned(*asked, setting)) <= {"prepare"}


ON = "train.optimizer=sgd"
OFF = [
    ((), "train.momentum=0.5"),
    ((), "train.lars_trust_coefficient=0.1"),
    ((), "train.larc=true"),
    ((ON,), "train.betas=[0.5,0.9]"),
    ((ON,), "train.lars_trust_coefficient=0.1"),
    (("train.optimizer=lars",), "train.betas=[0.5,0.9]"),
    (("train.warmup_epochs=0",), "train.warmup_lr=0.1"),
    (("train.schedule=one-cycle",), "train.warmup_epochs=2"),
    (("train.schedule=constant",), "train.min_lr=0.1"),
    ((), "train.min_epochs=2"),
    ((), "train.monitor=training"),
    ((), "train.holdout_fraction=0.3"),
    (("train.patience=3",), "train.holdout_fraction=0.3"),
    (("train.patience=3", "train.monitor=training"), "train.holdout_fraction=0.3"),
    (("train.grad_clip=0",), "train.grad_clip_by=parameter"),
    (("train.weight_decay=0",), "train.decay_norms_and_biases=true"),
    (("train.steps=40", "train.warmup_epochs=0"), "train.epochs=7"),
    ((), "prepare.fit=squash"),
    ((), "prepare.size=128"),
    (("protocols=[knn]", "protocol_settings.knn.vote=inverse"), "protocol_settings.knn.temperature=0.5"),
    (("protocols=[finetune]", "protocol_settings.finetune.head=linear"), "protocol_settings.finetune.bottleneck=16"),
    (("protocols=[clustering]",), "protocol_settings.clustering.bins=3"),
    (("protocols=[gallery]",), "protocol_settings.gallery.small_classes=drop_queries"),
    ((), "splits.official=false"),
    (
        ("augmentation.name=crop", "augmentation.crop.p=0"),
        "augmentation.crop.scale=[0.5,1.0]",
    ),
]
"""A setting that is off, and what switches it off."""


@pytest.mark.parametrize(("base", "setting"), OFF, ids=[setting for _, setting in OFF])
def test_settings_that_are_off_change_no_key(base, setting):
    assert changed(planned(*base), planned(*base, setting)) == set()


SWITCHED_ON = [
    ((ON,), "train.momentum=0.5", "pretrain"),
    (("train.optimizer=lars",), "train.lars_trust_coefficient=0.1", "pretrain"),
    ((), "train.betas=[0.5,0.9]", "pretrain"),
    (("train.warmup_epochs=2",), "train.warmup_lr=0.1", "pretrain"),
    ((), "train.min_lr=0.1", "pretrain"),
    (("train.patience=3",), "train.min_epochs=2", "pretrain"),
    (("train.patience=3",), "train.monitor=training", "pretrain"),
    (("train.patience=3", "pretrain.pool=all"), "train.holdout_fraction=0.3", "pretrain"),
    (("train.grad_clip=1",), "train.grad_clip_by=parameter", "pretrain"),
    ((), "train.decay_norms_and_biases=true", "pretrain"),
    ((), "train.epochs=7", "pretrain"),
    (("train.warmup_epochs=3", "train.steps=40"), "train.epochs=7", "pretrain"),
    ((), "splits.folds=3", "pretrain"),
    ((), "splits.validation=0.3", "pretrain"),
    ((), "prepare.background=dark", "prepare"),
    ((), "prepare.samples=500", "prepare"),
    (("prepare.samples=500",), "prepare.sampling=balanced", "prepare"),
    ((), "view.size=16", "pretrain"),
    (("protocols=[knn]",), "protocol_settings.knn.temperature=0.5", "evaluate"),
    (("protocols=[finetune]",), "protocol_settings.finetune.bottleneck=16", "evaluate"),
    (("protocols=[gallery]", "pretrain.pool=all"), "protocol_settings.gallery.shots=[1]", "evaluate"),
    (("augmentation.name=crop",), "augmentation.crop.scale=[0.5,0.9]", "pretrain"),
]
"""A setting that acts, and the first kind of stage that it changes."""


@pytest.mark.parametrize(("base", "setting", "kind"), SWITCHED_ON, ids=[setting for _, setting, _ in SWITCHED_ON])
def test_settings_that_act_change_the_keys_of_what_they_act_on(base, setting, kind):
    found = changed(planned(*base), planned(*base, setting))
    assert STAGE_KINDS[STAGE_KINDS.index(kind) :] == tuple(one for one in STAGE_KINDS if one in found)


def test_an_official_split_needs_no_folds(tmp_path):
    root = tmp_path / "split"
    for part in ("train", "test"):
        image_tree(root / part)
    data = {"name": "image-folder", "root": str(root)}
    assert changed(planned(data=data), planned("splits.folds=3", data=data)) == set()
    assert "pretrain" in changed(planned(data=data), planned("splits.official=false", data=data))


def test_frozen_weights_are_one_encoder_for_all_seeds():
    more = ("backbone.name=tf_efficientnet_lite0", "method.weights=weights.pt", "view.size=32", "seeds=[0,1,2]")
    keys = stage_keys(planned(*more, "protocols=[knn]", method="pretrained"))
    assert [len(keys[kind]) for kind in STAGE_KINDS] == [1, 1, 1, 3]


METHODS = [
    ("swav", "method.queue=0", "method.queue_from=3"),
    ("dino", "method.teacher_warmup_epochs=0", "method.first_teacher_temperature=0.01"),
    ("simclr", "backbone={name: torchvision-resnet18, stem: standard}", "backbone.stem_padding=2"),
    ("simclr", "backbone={name: torchvision-vgg11}", "backbone.zero_init=true"),
    ("simclr", "backbone={name: resnet10t}", "backbone.any_size=true"),
]
"""A method, a setting that switches another one off, and that other one."""


@pytest.mark.parametrize(("method", "off", "setting"), METHODS, ids=[setting for *_, setting in METHODS])
def test_settings_of_components_that_are_off_change_no_key(method, off, setting):
    assert changed(planned(off, method=method), planned(off, setting, method=method)) == set()


@pytest.mark.parametrize(
    ("method", "on", "setting"),
    [
        ("swav", "method.queue=64", "method.queue_from=3"),
        ("dino", "method.teacher_warmup_epochs=5", "method.first_teacher_temperature=0.01"),
        ("simclr", "backbone={name: torchvision-resnet18, stem: small}", "backbone.stem_padding=2"),
    ],
)
def test_settings_of_components_that_act_change_the_keys(method, on, setting):
    assert "pretrain" in changed(planned(on, method=method), planned(on, setting, method=method))
