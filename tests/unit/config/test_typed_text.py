"""A value is taken as it was typed: whether `2024` or `no` is a number, a truth value or a name depends on the setting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from sslbench.api.errors import RequestError
from sslbench.app.data import locate
from sslbench.config.request import read_request
from sslbench.convert import convert
from sslbench.study.definition import read_study
from sslbench.yaml_values import parse_override, parse_scalar, read_yaml
from tests.unit.config.test_config import CATALOG

NAMES = (
    "2024",
    "2023_08_23",
    "no",
    "yes",
    "on",
    "true",
    "1e3",
    "010",
    "0x10",
    "1:30",
    "1.50",
    "plate #2",
    "a: b",
    "-",
    "~t",
)


@dataclass(frozen=True)
class Settings:
    """One setting of each type."""

    name: str = "default"
    folder: Path = Path("default")
    maybe: Path | None = None
    names: tuple[str, ...] = ()
    epochs: int = 1
    rate: float = 1.0
    flag: bool = False
    option: str | int | float = ""
    by_name: Any = None


def settings_of(*overrides: str, file: Path | None = None) -> tuple[Settings, list[str]]:
    problems: list[str] = []
    tree = read_request(file, {}, [f"x.{one}" for one in overrides])
    return convert(tree.get("x", {}), Settings, "x", problems), problems


@pytest.mark.parametrize("name", NAMES)
def test_text_and_paths_are_what_was_typed(name):
    found, problems = settings_of(f"name={name}", f"folder=/data/{name}", f"maybe=/data/{name}")
    assert not problems
    assert (found.name, found.folder, found.maybe) == (name, Path(f"/data/{name}"), Path(f"/data/{name}"))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("plate #2", "a: b", "-")])
def test_names_in_lists_and_files_are_what_was_typed(name, tmp_path):
    (tmp_path / "request.yaml").write_text(f"x:\n  name: {name}\n  names: [{name}, b]\n")
    for found, problems in (
        settings_of(f"names=[{name}, b]", f"name={name}"),
        settings_of(file=tmp_path / "request.yaml"),
    ):
        assert not problems
        assert (found.name, found.names) == (name, (name, "b"))


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("epochs=010", 10), ("epochs=7", 7), ("epochs=-0", 0), ("rate=1e-3", 0.001), ("rate=010", 10.0), ("rate=.5", 0.5),
        ("rate=3", 3.0), ("flag=true", True), ("flag=no", False), ("flag=Yes", True), ("maybe=null", None),
        ("option=5", 5), ("option=05", "05"), ("name='5'", "5"), ('names=["1", "2 #3"]', ("1", "2 #3")),
        ("names=[[a], b", None), ("folder=[old] images", Path("[old] images")),
    ],
)  # fmt: skip
def test_numbers_and_truth_values_are_read_in_decimal(override, value):
    found, problems = settings_of(override)
    if value is None and "null" not in override:
        assert problems
    else:
        assert not problems
        assert getattr(found, override.partition("=")[0]) == value


@pytest.mark.parametrize(
    "override", ["epochs=1:30", "epochs=0x10", "epochs='5'", "rate=nan", "rate='0.5'", "flag=1", "epochs=1e1"]
)
def test_what_writes_no_such_value_is_refused(override):
    name, _, text = override.partition("=")
    _, problems = settings_of(override)
    text = text.strip("'")
    assert len(problems) == 1
    assert problems[0].startswith(f"x.{name}=")
    assert text in problems[0]


def test_what_is_stored_of_a_request_is_read_as_the_same_request(tmp_path):
    overrides = [f"x.{one}" for one in ("name=1e3", "names=[010, no, 5]", "epochs=010", "rate=1e-3", "flag=no")]
    tree = read_request(None, {}, overrides)
    (tmp_path / "stored.yaml").write_text(yaml.safe_dump(tree))
    assert settings_of(file=tmp_path / "stored.yaml") == settings_of(*(one[2:] for one in overrides))


def test_a_number_is_read_as_one_only_where_it_is_its_usual_form():
    assert [parse_scalar(text) for text in ("7", "-3", "0.5", "007", "0.50", "1e3", "", "true")] == [
        7, -3, 0.5, "007", "0.50", "1e3", None, True,
    ]  # fmt: skip
    assert parse_override("{a: 010, b: [x, 2]}") == {"a": "010", "b": ["x", 2]}


@pytest.mark.parametrize("name", ["2024", "no", "1e3", "plate #2"])
def test_folders_of_such_names_are_the_data(name, tmp_path, monkeypatch):
    for folder, count in ((name.partition(" ")[0], 5), (name, 3)):
        for place in range(2 * count):
            path = tmp_path / folder / "ab"[place % 2] / f"{place}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((9, 9), 20 * place, np.uint8)).save(path)
    monkeypatch.chdir(tmp_path)
    found = locate(CATALOG, "image-folder", [f"data.root={name}"])
    assert any(f": {6 if ' ' in name else 10} samples" in line for line in found)


def test_files_of_any_encoding_and_depth_are_read_or_refused_by_name(tmp_path):
    text = "train:\n  epochs: 7\n"
    wide, narrow, deep, twice = (tmp_path / f"{name}.yaml" for name in ("utf16", "latin1", "deep", "twice"))
    wide.write_bytes(text.encode("utf-16"))
    narrow.write_bytes("data:\n  name: caf\xe9\n".encode("latin-1"))
    deep.write_text("a: " + "[" * 3000 + "]" * 3000)
    twice.write_text("train: {epochs: 7, epochs: 8}")
    assert read_yaml(wide) == {"train": {"epochs": 7}}
    for file, sentence in (
        (narrow, r"latin1.yaml: is not UTF-8 text .*Save it in UTF-8"),
        (deep, "deep.yaml: cannot be read as YAML: it is nested deeper than 50 levels"),
        (twice, "twice.yaml: cannot be read as YAML: line 1: 'epochs' is written twice"),
    ):
        with pytest.raises(RequestError, match=sentence):
            read_request(file, {}, [])
        with pytest.raises(RequestError, match=sentence):
            read_study(file, "")


def test_axes_of_a_study_hold_names_as_they_were_typed(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("name: s\nbase: {method: simclr}\naxes:\n  data.title: [2024, no, 010]\n  train.lr: [1e-3, 0.01]\n")
    axes = {axis.name: axis for axis in read_study(file, "").axes}
    assert list(axes["data.title"].values) == [2024, "no", "010"]
    assert list(axes["train.lr"].values) == [0.001, 0.01]
