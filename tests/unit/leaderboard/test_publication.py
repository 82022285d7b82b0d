"""A submission publishes listed fields only: no paths, no messages, no facts about the machine."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image

import sslbench
from sslbench import environment
from sslbench.convert import to_plain
from sslbench.leaderboard.submission.publication import publish
from sslbench.results.record import Record

SECRET = "/home/a-person/private"


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> Record:
    """Run on a folder with an unreadable file, whose message quotes the whole path."""
    root = tmp_path_factory.mktemp("home-of-a-person") / "cells"
    for number in range(24):
        path = root / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16), number, np.uint8)).save(path)
    (root / "a/broken.png").write_bytes(b"")
    settings = {
        "data.root": str(root), "seeds": [0], "baselines": "none", "protocols": ["knn"], "backbone.name": "micro-cnn",
        "prepare.unreadable": 0.5,
    }  # fmt: skip
    found = sslbench.run("random-init", "image-folder", out=root.parent / "runs", settings=settings).records[0]
    assert found.status == "done", found.reason
    assert "home-of-a-person" in json.dumps(to_plain(found))
    return found


def test_a_submission_has_no_paths_and_no_machine_facts(record):
    text = json.dumps(to_plain(publish(record)))
    assert "home-of-a-person" not in text
    host = environment.describe_host()
    assert f'"{host["node"]}"' not in text
    assert str(host["system"]) not in text
    assert publish(record).evaluated_on[0]["unreadable"][0].startswith("a/broken.png: ")
    assert publish(record).request["data"]["root"] == "PATH/cells"
    assert publish(record).scores == record.scores


def test_a_submission_names_what_a_method_uses_without_its_files(record):
    teacher = {
        "name": "pretrained", "version": 2, "from": "theirs 1", "settings": {"weights": f"{SECRET}/w.safetensors"}, "size": 64,
        "dependencies": {"backbone": {"name": "micro-cnn", "version": 1, "from": "theirs 1", "settings": {}}},
    }  # fmt: skip
    used = {"dependencies": {"teacher": teacher}, "files": ["weights"]}
    published = publish(replace(record, method={**record.method, **used}, protocols=[{**record.protocols[0], **used}]))
    expected = {**teacher, "settings": {"weights": "PATH/w.safetensors"}}
    assert published.method["dependencies"] == published.protocols[0]["dependencies"] == {"teacher": expected}
    noisy = {"dependencies": {"teacher": {**teacher, "notes": f"read {SECRET}"}}}
    assert SECRET not in json.dumps(to_plain(publish(replace(record, method={**record.method, **noisy}))))


MESSAGE = f"read {SECRET}/x.png: permission denied"
OPEN = ("method", "backbones", "protocols", "pretrained_on", "evaluated_on", "training", "cost", "host", "keys", "reason",
        "warnings")  # fmt: skip
"""Fields of a record in which a later version may add a message."""
CLOSED = {"run", "status", "schema", "baseline", "augmentations", "recipe", "pool", "seeds", "folds", "test_share", "settings",
          "request", "versions", "varied", "scores", "classes", "labels", "clock"}  # fmt: skip
"""Fields of names, numbers and settings."""


def with_message(value):
    """Add a message to the value of a field of any form."""
    if isinstance(value, str):
        return MESSAGE
    if isinstance(value, (list, tuple)):
        return [with_message(one) for one in value] or [MESSAGE]
    nested = {name: with_message(one) for name, one in value.items() if name == "image"}
    return {**value, **nested, "found": MESSAGE, "notes": {"weights": [MESSAGE]}}


@pytest.mark.parametrize("field", OPEN)
def test_a_message_in_any_field_is_not_published(record, field):
    """A field that a later version adds to a record is not published before it is listed."""
    changed = replace(record, **{field: with_message(getattr(record, field))})
    assert SECRET in json.dumps(to_plain(changed))
    if field == "backbones":
        changed = replace(changed, backbones={"image": changed.backbones["image"]})
    assert SECRET not in json.dumps(to_plain(publish(changed)))


def test_every_field_of_a_record_is_known_to_these_tests():
    assert {one.name for one in fields(Record)} == {*OPEN, *CLOSED}


def test_settings_that_hold_files_are_masked_at_any_depth(record):
    method = {**record.method, "files": ["weights"], "settings": {"weights": "../private/weights.pt", "scale": 0.5}}
    request = {
        **record.request, "method": {"weights": "../private/weights.pt"}, "data": {"members": {"sea": {"root": "private/sea"}}},
        "augmentation": {"images": ["~/private/a", "C:\\private\\b"]},
        "splits": {"label_lists": ["private/few.txt"]},
    }  # fmt: skip
    found = publish(replace(record, method=method, request=request))
    assert found.method["settings"] == {"weights": "PATH/weights.pt", "scale": 0.5}
    assert "private" not in json.dumps(found.request)
    assert found.request["splits"] == {"label_lists": ["PATH/few.txt"]}


@pytest.mark.parametrize(
    ("table", "published"),
    [("../private/labels.csv", "PATH/labels.csv"), ("private\\labels.csv", "PATH/labels.csv"), ("labels.csv", "labels.csv"),
     ("auto", "auto"), ({"a": "/home/a"}, {"a": "PATH/a"})],
)  # fmt: skip
def test_a_text_that_names_a_file_is_published_without_its_folder(record, table, published):
    found = publish(
        replace(record, request={**record.request, "data": {"table": table, "members": {"a": {"table": table}}}})
    )
    assert found.request["data"] == {"table": published, "members": {"a": {"table": published}}}


def test_a_component_states_which_of_its_settings_hold_files(record):
    assert record.evaluated_on[0]["files"] == ["root"]
    assert record.evaluated_on[0]["text_files"] == ["table"]
    assert "files" not in record.backbones["image"]


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("a/b: c.png: OSError: /home/x is broken", "a/b: c.png: OSError"),
        (f"{SECRET}/x.png: OSError: broken", "unreadable"),
        ("no error is named", "unreadable"),
    ],
)
def test_an_unreadable_sample_is_listed_by_its_id_and_the_type_of_the_error(record, text, published):
    data = [{**record.evaluated_on[0], "unreadable": [text]}]
    assert publish(replace(record, evaluated_on=data)).evaluated_on[0]["unreadable"] == [published]
