"""A study as its YAML file says it, typed and checked; every problem at once. The grid is made in `grid`.

name: masking
summary: how much to hide
base: {method: NAME, data: NAME, seeds: [0, 1, 2]}     # a request
axes:
  method.mask: [0.25, 0.5, 0.75]                         # any setting, its values
  train.epochs: {from: 10, to: 40, step: 10}             # a range, both ends in it
  encoder:                                               # a name: settings that move together
    narrow: {backbone.width: 32, backbone.heads: 2}
    wide: {backbone.width: 128}                          # (null takes away what the base says)
tables: [{name: accuracy, rows: [encoder, method.mask], columns: [protocol, metric]}]
figures: [{name: mask, x: method.mask, hue: encoder, where: {protocol: knn, metric: macro_accuracy}}]
directions: [{claim: hiding more helps, more: {method.mask: 0.75}, less: {method.mask: 0.25}, where: {protocol: knn, …}}]
bias: [{axis: method.mask, protocol: knn}]               # what every class does along an axis of numbers
published: ${folder}/published.csv        # numbers beside ours: columns metric, value, spread, source, scale, facts and axes
scales:
  smoke: {cost: a minute on two cores, base: {train.epochs: 1, seeds: [0]}, axes: {method.mask: [0.5]}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sslbench.analysis.tables.hypotheses import Hypothesis
from sslbench.analysis.tables.selection import SCORE_FACTS
from sslbench.api.errors import RequestError
from sslbench.api.ranges import AnyFloat, NonNegativeFloat, PositiveInt
from sslbench.api.specs import Setting
from sslbench.catalog.facts import Catalog, did_you_mean
from sslbench.catalog.suites import studies_here
from sslbench.config.request_schema import COMPONENTS
from sslbench.convert import convert
from sslbench.yaml_values import parse_numbers, read_yaml

Where = Mapping[str, "str | int | float | tuple[str | int | float, ...]"]
RANGE = frozenset({"from", "to", "step"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSettings:
    """One table: which of a score's facts or the study's axes run down and across, of which scores.

    With `against`, a method's name, it shows by how much every other method's numbers are above that one's, paired by seed.
    With `spread: deviation` its numbers are mean ± standard deviation over folds and seeds; with `over`, an axis, over that
    axis's values. It may be `of` classes (their recall, precision and f1 are metrics), or tell of samples (what was measured
    on), labels (how many a fraction of them is), pools (what they kept of their members), costs (of trainings), confusions
    (the `most` frequent) or of what was published.
    """

    name: str = "scores"
    title: str = ""
    source: Literal["scores", "classes", "samples", "labels", "pools", "costs", "confusions", "published"] = "scores"
    spread: Literal["interval", "deviation"] = "interval"
    aggregate_over: str = ""
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ("protocol", "metric")
    where: Mapping[str, str | int | float | tuple[str | int | float, ...]] = field(default_factory=dict)
    against: str = ""
    limit: PositiveInt = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureSettings:
    """One figure: the mean over seeds and its 95 % interval against `x`, by `hue`, in a panel for each of `panels`.

    With `spread: deviation` the bars are standard deviations over folds, seeds and draws; with `band` a line has a band in
    place of bars; with `log` x grows by factors. `chance` is
    a metric whose mean in each panel is a dashed line, such as what a score is by chance. It may be `of` classes (their
    recall, precision and f1 are metrics). Of `kind` shown it is a image that a run made: `file` is its name, or a pattern,
    in the figures of the first run that `where` means.
    """

    name: str = "scores"
    title: str = ""
    kind: Literal["line", "bar", "dots", "heat", "shown"] = "line"
    source: Literal["scores", "classes"] = "scores"
    chance: str = ""
    spread: Literal["interval", "deviation"] = "interval"
    log: bool = False
    band: bool = False
    file: str = ""
    x: str = ""
    y: str = ""
    hue: str = ""
    panels: str = ""
    where: Mapping[str, str | int | float | tuple[str | int | float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassEffectSettings:
    """Whose answers to the numbers of an axis are judged: a protocol's, by a score of each class (recall, precision, f1).

    With `of: datasets` the accuracy of each dataset that is measured is judged as a class is. Classes are called rising or
    falling by `basis` and `correction`; all others stand beside them in the files. `beside` is a protocol whose trends are
    set against these.
    """

    axis: str = ""
    protocol: str = "linear"
    source: Literal["classes", "datasets"] = "classes"
    compare_protocol: str = ""
    metric: Literal["recall", "precision", "f1"] = "recall"
    basis: Literal["means", "all", "ranks", "seeds"] = "seeds"
    correction: Literal["raw", "bh", "holm"] = "bh"

    @property
    def name(self) -> str:
        """What its folder is called."""
        rule = "" if (self.basis, self.correction) == ("seeds", "bh") else f"-{self.basis}-{self.correction}"
        return f"{self.axis}-{self.protocol}-{self.score}{rule}"

    def __post_init__(self) -> None:
        if self.source == "datasets" and self.metric != "recall":
            raise ValueError(f"metric {self.metric} is one of classes; of datasets the accuracy is judged")

    @property
    def score(self) -> str:
        """What is judged: a class's metric, or the accuracy of a dataset."""
        return self.metric if self.source == "classes" else "micro_accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A number to expect: the scores it is the mean of, how far off is still as expected, and who says so."""

    where: Mapping[str, str | int | float | tuple[str | int | float, ...]] = field(default_factory=dict)
    value: AnyFloat = 0.0
    within: NonNegativeFloat = 0.0
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A variant: what it changes in the base and the axes (null removes one), costs, shows, judges and expects besides."""

    cost: str = ""
    base: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[Mapping[str, Any], ...] = ()
    figures: tuple[Mapping[str, Any], ...] = ()
    hypotheses: tuple[Mapping[str, Any], ...] = ()
    class_effects: tuple[Mapping[str, Any], ...] = ()
    expect: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The file's own keys."""

    name: str = ""
    summary: str = ""
    base: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[Mapping[str, Any], ...] = ()
    figures: tuple[Mapping[str, Any], ...] = ()
    hypotheses: tuple[Mapping[str, Any], ...] = ()
    class_effects: tuple[Mapping[str, Any], ...] = ()
    published: Path | None = None
    scales: Mapping[str, Any] = field(default_factory=dict)
    executor: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis: label -> the settings that it stands for, by dotted path."""

    name: str
    values: Mapping[Setting, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study at one scale; `dropped` are the axes that only other scales have: tables leave them out, but for facts."""

    name: str
    summary: str
    scale: str
    cost: str
    base: Mapping[str, Any]
    axes: tuple[Axis, ...]
    dropped: tuple[str, ...]
    tables: tuple[TableSettings, ...]
    figures: tuple[FigureSettings, ...]
    hypotheses: tuple[Hypothesis, ...]
    class_effects: tuple[ClassEffectSettings, ...]
    published: Path | None
    expect: tuple[Expected, ...]
    executor: Mapping[str, Any]


def find_study(catalog: Catalog, name: str) -> Path:
    """The file that a name or a path means; raises RequestError with what there is."""
    if Path(name).is_file():
        return Path(name)
    if here := [path for path in studies_here() if path.stem == name]:
        return here[0]
    found = catalog.find("study", name)
    if isinstance(found, str):
        known = [*(path.stem for path in studies_here()), *(c.name for c in catalog.all("study"))]
        raise RequestError([f"study {name!r} is no file, and nobody offers it{did_you_mean(name, known)}"])
    file: Path = found[0].spec.file
    return file


def read_study(file: Path, scale: str) -> Study:
    """Read a study at a scale ('': as it stands); raises RequestError with every problem."""
    try:
        loaded = read_yaml(file)
    except ValueError as error:
        raise RequestError([str(error)]) from error
    if not isinstance(loaded, Mapping):
        raise RequestError([f"{file}: holds no settings; write 'name: …', 'base: …', 'axes: …'"])
    problems: list[str] = []
    content = convert(_insert_folder(loaded, file.parent), Content, "", problems)
    variants = {name: convert(v or {}, Scale, f"scales.{name}", problems) for name, v in content.scales.items()}
    if scale and scale not in variants:
        problems.append(f"--scale {scale}: {file.name} has no such scale{did_you_mean(scale, variants)}")
    variant = variants.get(scale, Scale())
    wanted = {**content.axes, **variant.axes}
    axes = tuple(_axis(str(name), values, problems) for name, values in wanted.items() if values is not None)

    def both(what: str, cls: type[Any]) -> tuple[Any, ...]:
        """What the study shows or judges at every scale, and what it does at this one."""
        own = _convert_all(getattr(variant, what), cls, f"scales.{scale}.{what}", problems)
        return (*_convert_all(getattr(content, what), cls, what, problems), *own)

    every = [*content.axes, *(name for one in variants.values() for name in one.axes)]
    study = Study(
        name=content.name or file.stem,
        summary=content.summary,
        scale=scale,
        cost=variant.cost,
        base={**flatten(content.base), **flatten(variant.base)},
        axes=axes,
        dropped=tuple(dict.fromkeys(n for n in every if n not in {*(axis.name for axis in axes), *SCORE_FACTS})),
        tables=both("tables", TableSettings),
        figures=both("figures", FigureSettings),
        hypotheses=both("hypotheses", Hypothesis),
        class_effects=both("class_effects", ClassEffectSettings),
        published=content.published,
        expect=_convert_all(variant.expect, Expected, f"scales.{scale}.expect", problems),
        executor=content.executor,
    )
    if problems:
        raise RequestError([f"{file.name}: {problem}" for problem in problems])
    return study


def _insert_folder(tree: Any, folder: Path) -> Any:
    """A tree whose texts name the study's own folder where they say ${folder}."""
    if isinstance(tree, Mapping):
        return {name: _insert_folder(value, folder) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_insert_folder(value, folder) for value in tree]
    return tree.replace("${folder}", str(folder.absolute())) if isinstance(tree, str) else tree


def _convert_all(
    values: Sequence[Mapping[str, Any]], cls: type[Any], path: str, problems: list[str]
) -> tuple[Any, ...]:
    return tuple(convert(value, cls, f"{path}[{place}]", problems) for place, value in enumerate(values))


def _axis(name: str, values: Any, problems: list[str]) -> Axis:
    path = f"axes.{name}"
    if isinstance(values, Mapping) and set(values) & RANGE:
        values = _range(values, path, problems)
    if isinstance(values, Mapping):
        wrong = [str(label) for label, group in values.items() if not isinstance(group, Mapping)]
        problems += [f"{path}.{label}: expected settings, such as {{train.epochs: 20}}" for label in wrong]
        return Axis(name=name, values={label: flatten(v) for label, v in values.items() if isinstance(v, Mapping)})
    if not isinstance(values, list) or not values:
        problems.append(f"{path}: expected a list, a range {{from, to, step}} or named groups, got {values!r:.60}")
        return Axis(name=name, values={})
    if not all(_is_own_label(value) for value in values):
        problems.append(f"{path}: what a list holds must have a name; write named groups, got {values!r:.60}")
        return Axis(name=name, values={})
    labels = [tuple(value) if isinstance(value, list) else value for value in parse_numbers(values)]
    if len(set(labels)) != len(labels):
        problems.append(f"{path}: names a value twice: {values!r:.60}")
    return Axis(name=name, values={label: flatten({name: value}) for label, value in zip(labels, values, strict=True)})


def _is_own_label(value: Any) -> bool:
    """Whether a value of a list is its own name: a number or text, or a list of those."""
    return not any(isinstance(one, (Mapping, list)) for one in (value if isinstance(value, list) else [value]))


def _range(values: Mapping[str, Any], path: str, problems: list[str]) -> list[Any]:
    """Both ends belong to it; decimals are counted, not summed, so that 0.1 + 0.1 + 0.1 is 0.3."""
    numbers = parse_numbers([values.get(key) for key in ("from", "to", "step")])
    if set(values) != RANGE or not all(type(number) in (int, float) for number in numbers):
        problems.append(f"{path}: a range has the numbers from, to and step, got {dict(values)!r:.80}")
        return [0]
    first, last, step = (float(str(number)) for number in numbers)
    if step <= 0 or last < first:
        problems.append(f"{path}: a range rises by a step above 0, got {dict(values)!r:.80}")
        return [0]
    steps = int(round((last - first) / step, 9))
    found = [round(first + place * step, 9) for place in range(steps + 1)]
    return [int(value) for value in found] if all(type(number) is int for number in numbers) else found


def flatten(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A tree of settings as dotted paths; `method: NAME` is the component's name."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping):
            found |= flatten(value, f"{path}.")
        else:
            found[f"{path}.name" if path in COMPONENTS and isinstance(value, str) else path] = value
    return found
