"""Read the YAML file of a study, and check it. All problems are reported at once.

name: masking
summary: fraction of masked patches
base: {method: NAME, data: NAME, seeds: [0, 1, 2]}     # a request
axes:
  method.mask: [0.25, 0.5, 0.75]                         # any setting and its values
  train.epochs: {from: 10, to: 40, step: 10}             # a range with both ends
  encoder:                                               # named groups: settings that change together
    narrow: {backbone.width: 32, backbone.heads: 2}
    wide: {backbone.width: 128}                          # (null removes a setting of the base)
tables: [{name: accuracy, rows: [encoder, method.mask], columns: [protocol, metric]}]
figures: [{name: mask, x: method.mask, hue: encoder, where: {protocol: knn, metric: macro_accuracy}}]
hypotheses: [{claim: masking helps, greater: {method.mask: 0.75}, lesser: {method.mask: 0.25}, where: {protocol: knn, …}}]
class_effects: [{axis: method.mask, protocol: knn}]      # how an axis changes every class
published: ${folder}/published.csv        # published numbers: columns metric, value, spread, source, scale, facts and axes
scales:
  smoke: {cost: a minute on two cores, base: {train.epochs: 1, seeds: [0]}, axes: {method.mask: [0.5]}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sslbench.analysis.tables.hypotheses import Hypothesis, Place
from sslbench.analysis.tables.selection import SCORE_FACTS
from sslbench.analysis.tables.study_frames import CLASS_METRICS
from sslbench.api.errors import RequestError
from sslbench.api.ranges import AnyFloat, NonNegativeFloat
from sslbench.api.settings import setting, setting_from
from sslbench.api.specs import Setting
from sslbench.api.suggestions import did_you_mean
from sslbench.api.targets import KINDS
from sslbench.catalog.facts import Catalog
from sslbench.catalog.suites import list_study_files
from sslbench.config.request_schema import COMPONENTS
from sslbench.convert import convert
from sslbench.study.output_settings import FigureSettings, TableSettings
from sslbench.yaml_values import parse_numbers, read_yaml

RANGE = frozenset({"from", "to", "step"})
DATASET = "dataset"
TARGET_UNITS = tuple(kind.unit for kind in KINDS.values() if kind.each)
"""What class effects compare by the kind of target: class, label or number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassEffectSettings:
    """Settings of one analysis of how an axis changes the scores of classes."""

    axis: str = setting("", "Axis: trends along numbers are tested, and the classes of names are compared.")
    by: str = setting(
        "",
        "What is compared: class, label or number ('': that of the target), dataset, or a column of the dataset, such as "
        "plate: the overall score of the test samples with each of its values.",
        old_names=("source", "of"),
    )
    reference: str = setting("", "Value that all others of an axis of names are compared with ('': the first).")
    protocol: str = setting("linear", "Protocol whose answers are tested.")
    compare_protocol: str = setting(
        "", "Second protocol whose trends are compared with the first ('': none).", old_names=("beside",)
    )
    metric: str = setting("", "Score of a class, label or number ('': recall, average precision or R2).")
    overall: str = setting(
        "", "Metric of the score over all samples, and of datasets ('': the first mean over samples, mAP or R2)."
    )
    basis: Literal["means", "all", "ranks", "seeds"] = setting(
        "seeds",
        "Test of trends: Pearson over seed means, Pearson over all scores, Spearman over seed means, or t of slopes by seed.",
    )
    correction: Literal["raw", "bh", "holm"] = setting(
        "bh", "Correction for several tests: none, Benjamini-Hochberg, or Holm."
    )

    def __post_init__(self) -> None:
        if self.metric and self.metric not in CLASS_METRICS:
            raise ValueError(f"metric={self.metric}: must be one of {', '.join(CLASS_METRICS)}")
        if self.metric and self.by and self.by not in TARGET_UNITS:
            unit = "dataset" if self.by == DATASET else f"value of {self.by}"
            raise ValueError(
                f"metric={self.metric}: by={self.by} tests the overall score of each {unit}. Remove metric"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A number that the report compares with the mean of scores."""

    where: Place = setting_from(dict, "Facts or axes and the values of the scores to average.")
    value: AnyFloat = setting(0.0, "Expected mean.")
    within: NonNegativeFloat = setting(0.0, "Largest difference from `value` that counts as expected.")
    source: str = setting("", "Source of the expectation, such as a paper.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A variant of a study: its changes to the base and the axes, and its additional outputs."""

    cost: str = setting("", "Duration and hardware, such as 'a minute on two cores'.")
    base: Mapping[str, Any] = setting_from(dict, "Settings that replace those of the study's base.")
    axes: Mapping[str, Any] = setting_from(dict, "Axes that replace those of the study; null removes an axis.")
    tables: tuple[TableSettings, ...] = setting((), "Additional tables.")
    figures: tuple[FigureSettings, ...] = setting((), "Additional figures.")
    hypotheses: tuple[Hypothesis, ...] = setting((), "Additional hypotheses.", old_names=("directions",))
    class_effects: tuple[ClassEffectSettings, ...] = setting(
        (), "Additional analyses of class effects.", old_names=("bias",)
    )
    expect: tuple[Expected, ...] = setting((), "Expected numbers.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The keys of a study's file."""

    name: str = setting("", "Name of the study ('': the file name).")
    summary: str = setting("", "One line that describes the study.")
    base: Mapping[str, Any] = setting_from(dict, "Request that all runs share.")
    axes: Mapping[str, Any] = setting_from(dict, "Settings that vary, each with a list, a range or named groups.")
    tables: tuple[TableSettings, ...] = setting((), "Tables of the report.")
    figures: tuple[FigureSettings, ...] = setting((), "Figures of the report.")
    hypotheses: tuple[Hypothesis, ...] = setting((), "Claims that the report tests.", old_names=("directions",))
    class_effects: tuple[ClassEffectSettings, ...] = setting(
        (), "Analyses of how axes change the scores of classes.", old_names=("bias",)
    )
    published: Path | None = setting(None, "CSV file of published numbers, shown next to the study's own.")
    scales: Mapping[str, Scale | None] = setting_from(dict, "Variants of the study by name, such as smoke.")
    ranked_by: str = setting("", "Metric that orders the study's leaderboard ('': macro accuracy).")
    executor: Mapping[str, Any] = setting_from(dict, "Executor and its settings.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis: the settings of each label, by dotted path."""

    name: str
    values: Mapping[Setting, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study at one scale; `dropped` are axes of other scales, which tables omit."""

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
    ranked_by: str = ""


def find_study(catalog: Catalog, name: str) -> Path:
    """Find a study's file by name or path. Raises RequestError with similar names."""
    if Path(name).is_file():
        return Path(name)
    if local := [path for path in list_study_files() if path.stem == name]:
        return local[0]
    found = catalog.find("study", name)
    if isinstance(found, str):
        if catalog.find_renamed("study", name):
            raise RequestError([found])
        known = [*(path.stem for path in list_study_files()), *(c.name for c in catalog.all("study"))]
        raise RequestError([f"study {name!r}: neither a file nor an installed study{did_you_mean(name, known)}"])
    file: Path = found[0].spec.file
    return file


def read_study(file: Path, scale: str) -> Study:
    """Read a study at a scale ('': no scale). Raises RequestError with every problem."""
    try:
        loaded = read_yaml(file)
    except ValueError as error:
        raise RequestError([str(error)]) from error
    if not isinstance(loaded, Mapping):
        raise RequestError([f"{file}: has no settings. Write 'name: …', 'base: …', 'axes: …'"])
    problems: list[str] = []
    content = convert(_insert_folder(loaded, file.parent), Content, "", problems)
    variants = {name: variant or Scale() for name, variant in content.scales.items()}
    if scale and scale not in variants:
        problems.append(f"--scale {scale}: {file.name} has no such scale{did_you_mean(scale, variants)}")
    variant = variants.get(scale, Scale())
    combined = {**content.axes, **variant.axes}
    axes = tuple(_axis(str(name), values, problems) for name, values in combined.items() if values is not None)
    every = [*content.axes, *(name for one in variants.values() for name in one.axes)]
    study = Study(
        name=content.name or file.stem,
        summary=content.summary,
        scale=scale,
        cost=variant.cost,
        base={**flatten(content.base), **flatten(variant.base)},
        axes=axes,
        dropped=tuple(dict.fromkeys(n for n in every if n not in {*(axis.name for axis in axes), *SCORE_FACTS})),
        tables=(*content.tables, *variant.tables),
        figures=(*content.figures, *variant.figures),
        hypotheses=(*content.hypotheses, *variant.hypotheses),
        class_effects=(*content.class_effects, *variant.class_effects),
        published=content.published,
        expect=variant.expect,
        executor=content.executor,
        ranked_by=content.ranked_by,
    )
    if problems:
        raise RequestError([f"{file.name}: {problem}" for problem in problems])
    return study


def list_scales(file: Path) -> tuple[str, ...]:
    """List the names of a study's scales. Raises RequestError for a file that is not a study."""
    try:
        loaded = read_yaml(file)
    except ValueError as error:
        raise RequestError([str(error)]) from error
    scales = loaded.get("scales") if isinstance(loaded, Mapping) else None
    return tuple(map(str, scales)) if isinstance(scales, Mapping) else ()


def _insert_folder(tree: Any, folder: Path) -> Any:
    """Replace ${folder} in the texts of a tree by the study's folder."""
    if isinstance(tree, Mapping):
        return {name: _insert_folder(value, folder) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_insert_folder(value, folder) for value in tree]
    return tree.replace("${folder}", str(folder.absolute())) if isinstance(tree, str) else tree


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
        problems.append(f"{path}: a list may have numbers and texts only. Use named groups for {values!r:.60}")
        return Axis(name=name, values={})
    labels = [tuple(value) if isinstance(value, list) else value for value in parse_numbers(values)]
    if len(set(labels)) != len(labels):
        problems.append(f"{path}: has a value twice: {values!r:.60}")
    return Axis(name=name, values={label: flatten({name: value}) for label, value in zip(labels, values, strict=True)})


def _is_own_label(value: Any) -> bool:
    """Return whether a value of a list is its own label: a number or text, or a list of those."""
    return not any(isinstance(one, (Mapping, list)) for one in (value if isinstance(value, list) else [value]))


def _range(values: Mapping[str, Any], path: str, problems: list[str]) -> list[Any]:
    """Return the values of a range with both ends; steps are multiplied so that 3 * 0.1 is 0.3."""
    numbers = parse_numbers([values.get(key) for key in ("from", "to", "step")])
    if set(values) != RANGE or not all(type(number) in (int, float) for number in numbers):
        problems.append(f"{path}: a range needs the numbers from, to and step, got {dict(values)!r:.80}")
        return [0]
    first, last, step = (float(str(number)) for number in numbers)
    if step <= 0 or last < first:
        problems.append(f"{path}: a range needs a step above 0 and to >= from, got {dict(values)!r:.80}")
        return [0]
    steps = int(round((last - first) / step, 9))
    found = [round(first + place * step, 9) for place in range(steps + 1)]
    return [int(value) for value in found] if all(type(number) is int for number in numbers) else found


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Convert a tree of settings to dotted paths; `method: NAME` becomes `method.name`."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            found |= flatten(value, f"{path}.")
        else:
            found[f"{path}.name" if path in COMPONENTS and isinstance(value, str) else path] = value
    return found
