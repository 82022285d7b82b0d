"""Every setting states which numbers are possible, and a request with another is refused before anything runs."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import pytest

from sslbench.api import Length, NonEmpty, PositiveInt, Range, Share, Span, setting
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.request_schema import RequestSchema
from sslbench.config.settings import TrainSettings, ViewSettings
from sslbench.convert import convert
from sslbench.data.canvas import PrepareSettings
from sslbench.data.splits import SplitSettings
from sslbench.study.definition import Expected
from sslbench.study.output_settings import TableSettings

CATALOG = discover(installed_entries(), disabled=())
KINDS = ("method", "backbone", "operation", "dataset", "protocol", "executor")
HARNESS = (TrainSettings, ViewSettings, PrepareSettings, SplitSettings, RequestSchema, Expected, TableSettings)
CONFIGS = {config.__name__: config for config in HARNESS}
CONFIGS |= {f"{kind}/{one.name}": one.spec.config for kind in KINDS for one in CATALOG.all(kind)}
FREE = {"SlurmConfig.options", "TableSettings.where", "Expected.where"}
"""Settings of other libraries and names of scores: they are passed on, or compared with names."""


@dataclass(frozen=True)
class Number:
    """A number somewhere in a setting's type, its range, and how a value of the setting is written around it."""

    setting: str
    kind: type
    limit: Range | None
    shape: tuple[int, ...]


def numbers_of(config: type) -> Iterator[Number]:
    for name, hint in typing.get_type_hints(config, include_extras=True).items():
        if f"{config.__name__}.{name}" not in FREE:
            yield from numbers_in(name, hint, ())


def numbers_in(name: str, hint: Any, shape: tuple[int, ...]) -> Iterator[Number]:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated and args[0] in (int, float):
        yield Number(name, args[0], next((one for one in args[1:] if isinstance(one, Range)), None), shape)
    elif hint in (int, float):
        yield Number(name, hint, None, shape)
    elif origin is Annotated:
        yield from numbers_in(name, args[0], shape)
    elif origin is tuple:
        count = 1 if args[-1] is Ellipsis else len(args)
        yield from numbers_in(name, args[0], (*shape, count))
    elif origin is not typing.Literal:
        for one in args:
            yield from numbers_in(name, one, shape)


def outside(number: Number) -> list[Any]:
    """Values beyond each end of a range."""
    limit, step = number.limit, 1 if number.kind is int else 0.5
    ends = [limit.at_least, limit.at_most, limit.above, limit.below]
    values = [end + way for end, way in zip(ends, (-step, step, 0, 0), strict=True) if end is not None]
    found = [number.kind(value) for value in values]
    for count in number.shape:
        found = [[value] * count for value in found]
    return found


def test_most_components_have_settings_that_are_numbers():
    counts = [len([value for number in numbers_of(config) for value in outside(number)]) for config in CONFIGS.values()]
    assert sum(count > 0 for count in counts) > len(counts) / 2


@pytest.mark.parametrize("name", CONFIGS)
def test_every_number_states_its_range_and_a_value_outside_it_is_refused(name):
    for number in numbers_of(CONFIGS[name]):
        assert number.limit is not None, f"{name}: {number.setting} states no range"
        for value in outside(number):
            problems: list[str] = []
            convert({number.setting: value}, CONFIGS[name], "path", problems)
            assert any(p.startswith(f"path.{number.setting}=") for p in problems), (number, value)
            assert any(f"must be {number.limit}" in p for p in problems), problems


@pytest.mark.parametrize("name", CONFIGS)
def test_defaults_and_the_small_settings_of_the_kit_are_possible(name):
    config = CONFIGS[name]
    kind, _, component = name.partition("/")
    smoke = [one.spec.smoke for one in CATALOG.all(kind) if one.name == component] if component else []
    for values in (config(), *smoke):
        problems: list[str] = []
        given = {field.name: getattr(values, field.name) for field in dataclasses.fields(config)}
        assert convert(given, config, "", problems) == values
        assert not problems


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        ("protocol/knn", {"neighbors": [0]}), ("protocol/knn", {"neighbors": []}), ("protocol/finetune", {"epochs": 0}),
        ("protocol/clustering", {"clusters": [0]}), ("TrainSettings", {"batch_size": 0}), ("SplitSettings", {"folds": 1}),
        ("protocol/linear", {"lrs": []}), ("protocol/gallery", {"shots": [2, 2]}), ("protocol/matching", {"max_samples": 1}),
        ("operation/random-resized-crop", {"scale": [0.9, 0.1]}), ("dataset/bbbc021", {"compounds": []}),
        ("dataset/cytosense", {"bands": [1, 1]}), ("RequestSchema", {"threads": -1}),
    ],
)  # fmt: skip
def test_what_measures_nothing_is_refused(config, settings):
    (name,) = settings
    problems: list[str] = []
    convert(settings, CONFIGS[config], "", problems)
    assert [problem.split("=")[0] for problem in problems] == [name]
    assert " must be " in problems[0]


@dataclass(frozen=True)
class Plugins:
    """Settings as the author of a plugin states them."""

    count: PositiveInt = setting(1, "Number of views.")
    share: Share | None = None
    exact: Annotated[float, Range(above=-1, at_most=1)] = 0.0
    ends: Span[Share] = (0.0, 1.0)
    names: NonEmpty[str] = ("a",)
    pair: Annotated[tuple[int, ...], Length(at_least=2, different=False)] = (1, 1)


@pytest.mark.parametrize(
    ("settings", "possible"),
    [
        ({"count": 0}, "x.count=0: must be 1 or more (number of views)"),
        ({"share": 1.5}, "x.share=1.5: must be from 0 to 1"),
        ({"exact": -1}, "x.exact=-1: must be above -1, at most 1"),
        ({"ends": [1, 0]}, "x.ends=[1,0]: must be in ascending order"),
        ({"ends": [0, 2]}, "x.ends=[0,2]: 2 must be from 0 to 1"),
        ({"names": []}, "x.names=[]: must be a list of at least 1 value, all different"),
        ({"pair": [1]}, "x.pair=[1]: must be a list of at least 2 values"),
    ],
)
def test_a_range_is_stated_with_the_type_and_prints_as_text(settings, possible):
    problems: list[str] = []
    assert convert(settings, Plugins, "x", problems) == Plugins()
    assert problems == [possible]


def test_a_range_leaves_the_types_of_a_dataclass_as_they_are():
    hints = typing.get_type_hints(Plugins)
    assert (hints["count"], hints["ends"]) == (int, tuple[float, float])
