"""One validator serves every kind of input: typed text, JSON files and Python objects, at any depth."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from sslbench.api import Citation, DatasetCard, hookimpl
from sslbench.api.errors import RequestError
from sslbench.api.ranges import PositiveInt
from sslbench.api.references import Published, ReferenceSpec
from sslbench.api.settings import setting
from sslbench.catalog.discovery import PluginEntry, discover, installed_entries
from sslbench.catalog.facts import Origin
from sslbench.catalog.rules import broken_rules
from sslbench.convert import convert, list_type_errors, to_plain
from sslbench.leaderboard.submission.suite import read_suite
from sslbench.study.definition import read_study

CITATION = Citation(title="t", authors="a", year=2020, url="u")


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    ids: str = ""
    labels: tuple[PositiveInt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    name: str
    kind: Literal["image", "vector"]
    share: float = 1.0
    splits: Mapping[str, Split] = field(default_factory=dict)
    rows: tuple[Split, ...] = ()
    names: Sequence[str] = ()
    tags: frozenset[str] = frozenset()
    build: Callable[[], int] | None = None
    main: Split | None = None


def converted(values: Any, source: Any) -> tuple[Any, list[str]]:
    problems: list[str] = []
    return convert(values, Data, "x", problems, source=source), problems


def test_dataclasses_in_mappings_lists_and_unions_are_converted():
    values = {
        "name": "n", "kind": "image", "splits": {"0": {"labels": [1, 2]}}, "rows": [{"ids": "a"}, {}],
        "names": ["b"], "tags": ["c", "c"], "main": {"ids": "m"},
    }  # fmt: skip
    expected = Data(
        name="n", kind="image", splits={"0": Split(labels=(1, 2))}, rows=(Split(ids="a"), Split()), names=("b",),
        tags=frozenset("c"), main=Split(ids="m"),
    )  # fmt: skip
    for source in ("text", "json"):
        assert converted(values, source) == (expected, [])
    again = json.loads(json.dumps(to_plain(expected)))
    assert converted({name: value for name, value in again.items() if name != "build"}, "json") == (expected, [])


def test_every_problem_at_any_depth_is_reported_at_once_with_its_path():
    values = {
        "kind": "imag", "share": True, "splits": {"0": {"label": [1]}, "1": {"labels": [0]}}, "rows": [{}, {"ids": [1]}],
        "main": {"ids": None},
    }  # fmt: skip
    made, problems = converted(values, "json")
    assert made is None
    assert problems == [
        "x.kind=imag: must be one of 'image', 'vector'. Did you mean 'image'?",
        "x.share=true: must be a number",
        "x.splits.0.label: no such setting. Did you mean 'x.splits.0.labels'? Available: ids, labels",
        "x.splits.1.labels=[0]: 0 must be 1 or more",
        "x.rows[1].ids=[1]: must be text",
        "x.main.ids=null: must be text",
        "x.name: is required",
    ]


@pytest.mark.parametrize(
    ("setting", "value", "typed"),
    [("name", 5, "5"), ("share", "010", 10.0), ("names", [2024], ("2024",)), ("name", True, "true")],
)
def test_json_is_taken_as_it_is_and_typed_text_by_the_type_of_its_setting(setting, value, typed):
    values = {"name": "n", "kind": "image", setting: value}
    made, problems = converted(values, "text")
    assert (getattr(made, setting), problems) == (typed, [])
    _, problems = converted(values, "json")
    assert len(problems) == 1
    assert problems[0].startswith(f"x.{setting}=")


@pytest.mark.parametrize("number", [10**400, -(10**400), float("inf"), float("nan")])
def test_a_number_too_large_is_refused(number):
    _, problems = converted({"name": "n", "kind": "image", "share": number}, "json")
    assert len(problems) == 1
    assert "must be a finite number" in problems[0]


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[2J", "\ud800", "x" * 500])
@pytest.mark.parametrize("place", ["setting", "entry", "value"])
def test_any_text_as_a_name_gives_one_short_line(name, place):
    wrong = {"setting": {name: 1}, "entry": {"splits": {name: 1}}, "value": {"names": {name: 1}}}[place]
    _, (problem,) = converted({"name": "n", "kind": "image", **wrong}, "json")
    assert problem.isprintable()
    assert len(problem) < 250


def test_a_python_object_needs_objects_of_the_stated_types():
    good = Data(name="n", kind="image", splits={"0": Split()}, build=lambda: 1, tags=frozenset("a"))
    assert list_type_errors(good) == []
    wrong = dataclasses.replace(good, splits={"0": {"ids": "a"}}, build=3, main=Split(labels=("1",)), share="1")
    assert list_type_errors(wrong) == [
        "share='1': must be a number",
        "splits.0={ids: a}: must be Split",
        "build=3: must be a function",
        "main.labels=['1']: '1' must be a whole number",
    ]


# ---- its users -------------------------------------------------------------------------------------------------------


def test_every_wrong_field_of_a_spec_is_named():
    row = Published(method="m", dataset="d", protocol="knn", metric="micro_accuracy", value=1.5)
    spec = ReferenceSpec(
        name="a-table", version="1", summary="s", citation="someone", recipe="r", rows=(row,), differences="none"
    )
    assert list(broken_rules("reference", spec)) == [
        "'a-table': version='1': must be a whole number",
        "'a-table': citation=someone: must be Citation",
        "'a-table': differences=none: must be a list. Write [none]",
    ]


def test_types_that_specs_import_for_type_checkers_only_are_not_checked():
    (method,) = [one for one in discover(installed_entries()).all("method") if one.name == "simclr"]
    assert list(broken_rules("method", method.spec)) == []
    changed = dataclasses.replace(method.spec, views=3, recipes=("r",), baseline="no")
    assert list(broken_rules("method", changed)) == [
        "'simclr': views=3: must be a function",
        "'simclr': baseline=no: must be true or false",
        "'simclr': recipes=[r]: r must be Recipe",
    ]


@pytest.mark.parametrize("old_names", ["depth", ("depth", "width")])
def test_old_names_of_a_setting_are_a_tuple_of_names_that_no_setting_has(old_names):
    @dataclasses.dataclass(frozen=True)
    class Config:
        height: int = setting(1, "Height.", old_names=old_names)
        width: int = setting(1, "Width.", old_names=("breadth",))

    (method,) = [one for one in discover(installed_entries()).all("method") if one.name == "simclr"]
    spec = dataclasses.replace(method.spec, config=Config, smoke=Config())
    assert list(broken_rules("method", spec)) == [
        f"'simclr': old_names={old_names!r} of setting 'height' is not a tuple of names that no setting has"
    ]


def test_a_plugin_with_a_wrong_dataset_card_is_excluded():
    spec = next(one.spec for one in discover(installed_entries()).all("dataset") if one.name == "digits")
    modality = dataclasses.replace(spec.card.modalities["image"], layout="photo")
    unknown = dataclasses.replace(spec, card=dataclasses.replace(spec.card, modalities={"image": modality}))
    assert list(broken_rules("dataset", unknown)) == []  # the conformance kit reports it
    wrong = dataclasses.replace(spec, card=dataclasses.replace(spec.card, totals={"digits": (1, "ten")}))

    def sslbench_datasets():
        return [wrong]

    module = SimpleNamespace(__name__="toys", sslbench_datasets=hookimpl(sslbench_datasets))
    entry = PluginEntry(origin=Origin(plugin="p", distribution="d", version="1"), load=lambda: module)
    (problem,) = discover([entry]).problems
    assert problem.error == "'digits': card.totals.digits=[1,ten]: ten must be a whole number"
    assert isinstance(spec.card, DatasetCard)


def test_every_problem_of_a_suite_is_reported_with_its_path(tmp_path):
    (tmp_path / "suites").mkdir()
    tree = {
        "name": "s", "seeds": [0, "1"], "datasets": {"d": {"versoin": 1, "tests": {"0": {"labels": ["a"]}}}},
        "protocols": {"knn": {"metrics": {"m": [0]}}},
    }  # fmt: skip
    (tmp_path / "suites/s.json").write_text(json.dumps(tree))
    with pytest.raises(RequestError) as raised:
        read_suite(tmp_path, "s")
    assert [problem.partition("s.json: ")[2] for problem in raised.value.problems] == [
        "seeds=[0,'1']: '1' must be a whole number",
        "datasets.d.versoin: no such setting. Did you mean 'datasets.d.version'? Available: version, fingerprint, "
        "target, classes, tests",
        "datasets.d.tests.0.labels=[a]: a must be a whole number",
        "protocols.knn.metrics.m=[0]: must be a list of 2 values",
    ]
    (tmp_path / "suites/s.json").write_text("[1]")
    with pytest.raises(RequestError, match=r"s.json: \[1\]: must be settings by name"):
        read_suite(tmp_path, "s")


def test_wrong_tables_of_a_study_and_of_all_its_scales_are_named(tmp_path):
    (tmp_path / "s.yaml").write_text(
        "base: {method: simclr}\ntables: [{}, {colums: [metric]}]\n"
        "scales: {smoke: {expect: [{value: high}]}, full: {figures: [{kind: lines}]}, none: null}\n"
    )
    with pytest.raises(RequestError) as raised:
        read_study(Path(tmp_path / "s.yaml"), "none")
    first, second, third = raised.value.problems
    assert first.startswith("s.yaml: tables[1].colums: no such setting. Did you mean 'tables[1].columns'?")
    assert second.startswith("s.yaml: scales.smoke.expect[0].value=high: must be a number")
    assert third.startswith("s.yaml: scales.full.figures[0].kind=lines: must be one of 'line', 'bar'")
