"""Records of schema 1: settings of components that were renamed get new names, those of other components stay."""

from __future__ import annotations

import json

import pytest

from sslbench.results.record import Record, decode


def old_values(**fields) -> dict:
    """Return the tree of a record of schema 1 that has these fields."""
    component = {"name": "own", "version": 1, "from": "other 1.0", "settings": {}}
    values = {
        "schema": 1, "run": "r", "status": "done", "reason": "", "method": {**component, "takes_target": False},
        "backbones": {}, "augmentations": [], "pool": "train", "pretrained_on": [], "evaluated_on": [], "protocols": [],
        "settings": {"train": {"batch": 64, "warmup": 2}}, "request": {}, "scores": [], "classes": [], "recipe": "none",
        "seeds": [0], "folds": [0], "test_share": 0.2, "versions": {},
    }  # fmt: skip
    return {**values, **fields}


def old_record(**fields) -> Record:
    """Read a record of schema 1 that has these fields."""
    return decode(json.dumps(old_values(**fields)).encode())


def component(name: str, **settings) -> dict:
    return {"name": name, "version": 1, "from": "some 1.0", "settings": settings}


def test_settings_of_renamed_methods_get_their_new_names():
    record = old_record(
        method=component("dino", warmup=3, centre_momentum=0.9),
        request={"method": {"name": "dino", "warmup": 3}, "train": {"warmup": 2}, "measure": ["knn"]},
    )
    assert record.method["settings"] == {"teacher_warmup_epochs": 3, "center_momentum": 0.9}
    assert record.request == {
        "method": {"name": "dino", "teacher_warmup_epochs": 3}, "train": {"warmup_epochs": 2}, "protocols": ["knn"],
    }  # fmt: skip
    assert record.settings["train"] == {"batch_size": 64, "warmup_epochs": 2}


@pytest.mark.parametrize("name", ["theirs", "supervised-theirs"])
def test_settings_of_other_methods_stay(name):
    own = {"warmup": 3, "smoothing": 0.1, "bias_rate": 1.0}
    record = old_record(method=component(name, **own), request={"method": {"name": name, **own}})
    assert record.method["settings"] == own
    assert record.request["method"] == {"name": name, **own}


def test_one_of_this_projects_methods_has_only_its_own_old_names():
    record = old_record(method=component("supervised", warmup=3, smoothing=0.1))
    assert record.method["settings"] == {"warmup": 3, "label_smoothing": 0.1}


def test_settings_and_values_of_datasets():
    own = {"minimum": 3, "channels": "grey"}
    record = old_record(
        pretrained_on=[component("image-folder", **own)], evaluated_on=[component("theirs", **own)],
        request={"data": {"name": "image-folder/a", **own}, "pretrain": {"pool": "pool", "settings": {"as_many_as_without": ["a"]}}},
    )  # fmt: skip
    assert record.pretrained_on[0]["settings"] == {"min_class_samples": 3, "channels": "gray"}
    assert record.evaluated_on[0]["settings"] == own
    assert record.request["data"] == {"name": "image-folder/a", "min_class_samples": 3, "channels": "gray"}
    assert record.request["pretrain"]["settings"] == {"match_size_without": ["a"]}


def test_settings_and_values_of_protocols():
    record = old_record(
        protocols=[
            component("gallery", exhausted="spare", neighbours=5),
            component("theirs", exhausted="spare", batch=4),
        ],
        request={"protocols": {"finetune": {"smoothing": 0.1}, "theirs": {"smoothing": 0.1}}},
    )
    assert [one["settings"] for one in record.protocols] == [
        {"small_classes": "keep_one_query", "neighbors": 5},
        {"exhausted": "spare", "batch": 4},
    ]
    assert record.request == {"protocol_settings": {"finetune": {"label_smoothing": 0.1}, "theirs": {"smoothing": 0.1}}}


def test_operations_are_renamed_and_other_components_of_their_names_are_not():
    operations = [
        {"kind": "operation", "name": name, "config": {"most": 2}, "p": [1.0], "uses": {}, "version": 1}
        for name in ("grey", "band-drop", "theirs")
    ]
    augmentation = {"name": "grey", "version": 1, "weight": 1.0, "roles": {"view": operations}}
    record = old_record(
        method=component("grey"), augmentations=[augmentation],
        request={"method": {"name": "grey"}, "augmentation": {"name": "strangers"}, "data": {"name": "strangers"}},
    )  # fmt: skip
    (found,) = record.augmentations
    assert found["name"] == record.method["name"] == "grey"
    assert [(one["name"], one["config"]) for one in found["roles"]["view"]] == [
        ("grayscale", {"most": 2}), ("band-drop", {"max_bands": 2}), ("theirs", {"most": 2}),
    ]  # fmt: skip
    assert record.request["method"] == {"name": "grey"}
    assert record.request["augmentation"] == {"name": "mismatched-pairs"}
    assert record.request["data"] == {"name": "strangers"}
