"""Find and open the datasets, and the parts of them, that a request names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from sslbench.api.errors import DataBroken, DataMissing, RequestError, UnexpectedFormat
from sslbench.api.files import title_problem
from sslbench.api.specs import Dataset, DatasetSpec, Source
from sslbench.api.suggestions import did_you_mean
from sslbench.api.targets import kind_of
from sslbench.api.values import Modality
from sslbench.catalog.facts import Catalog
from sslbench.config.choices import Choice, choose, parts_of
from sslbench.data.placeholder import PlaceholderDataset
from sslbench.data.subset import Sampling, Subset, subset_fingerprint
from sslbench.environment import Places


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """One opened part of a dataset; `name` is its name in tables. Its fingerprint is computed once."""

    choice: Choice
    part: str
    dataset: Dataset
    fingerprint: Callable[[], str]

    @property
    def name(self) -> str:
        """Return the name in tables, records and files."""
        return part_name(self.choice, self.part)

    def key_form(self) -> dict[str, Any]:
        """Return the content of a stage key: the component, the part, and the fingerprint of its samples."""
        return {"dataset": self.choice.key_form(), "part": self.part, "fingerprint": self.fingerprint()}

    def is_same_data(self, other: Part) -> bool:
        """Return whether another part holds the same samples, read with the same settings."""
        if self.dataset is other.dataset:
            return True
        same_settings = (self.choice.key_form(), self.part) == (other.choice.key_form(), other.part)
        return same_settings and self.fingerprint() == other.fingerprint()

    def subset(self, samples: int, sampling: Sampling = "stratified") -> Part:
        """Return the part with at most `samples` samples (0: all), or one of each class where there are more classes."""
        if not 0 < samples < len(self.dataset.labels):
            return self
        fingerprint = self.fingerprint
        few = Subset(self.dataset, samples, sampling)
        return replace(self, dataset=few, fingerprint=lambda: subset_fingerprint(fingerprint(), samples, sampling))


def part_name(choice: Choice, part: str) -> str:
    """Name a part of a dataset as tables, records and files do."""
    return f"{choice.title}/{part}" if part else choice.title


@dataclass(slots=True)
class DatasetCache:
    """Open every dataset once.

    With `use_placeholders` a missing dataset is replaced by a placeholder with the facts of its card, so that a plan can
    be made without the data. No sample of a placeholder can be read; `placeholders` lists their names.
    """

    places: Places
    use_placeholders: bool = False
    placeholders: list[str] = field(default_factory=list)
    _opened: dict[str, Dataset] = field(default_factory=dict)
    _fingerprints: dict[int, Callable[[], str]] = field(default_factory=dict)

    def part(self, choice: Choice, part: str, *, fetch: bool) -> Part:
        """Open one part; its files are scanned once."""
        dataset = self.open(choice, part, fetch=fetch)
        fingerprint = self._fingerprints.setdefault(id(dataset), cache(dataset.fingerprint))
        return Part(choice=choice, part=part, dataset=dataset, fingerprint=fingerprint)

    def open(self, choice: Choice, part: str, *, fetch: bool) -> Dataset:
        """Open one part, and the datasets that it depends on; raises what the dataset raises."""
        key = json.dumps([choice.requested_settings(), part, fetch], sort_keys=True)
        if key not in self._opened:
            try:
                self._opened[key] = _build(choice, part, self, fetch=fetch)
            except DataMissing:
                if not self.use_placeholders or not choice.spec.card.modalities:
                    raise
                self._opened[key] = PlaceholderDataset(choice.spec.card, part)
                self.placeholders.append(part_name(choice, part))
        return self._opened[key]


def merge_equal_parts(parts: Sequence[Part], path: str, problems: list[str]) -> list[Part]:
    """Remove parts that are named twice; two different parts with one name are a problem."""
    kept: dict[str, Part] = {}
    for part in parts:
        if not kept.setdefault(part.name, part).is_same_data(part):
            problem = f"{path}: two different datasets of this request are called {part.name!r}"
            problems.append(f"{problem}. Set {path} or pretrain.settings.title, or use a run for each")
    return list(kept.values())


@dataclass(slots=True)
class OpenedParts:
    """Opened parts, and messages about problems and missing data."""

    parts: list[Part]
    problems: list[str]
    missing: list[str]


def open_parts(
    catalog: Catalog,
    reference: str,
    settings: Mapping[str, Any],
    datasets: DatasetCache,
    *,
    path: str = "data",
    settings_path: str = "",
    fetch: bool = True,
) -> OpenedParts:
    """Open every part that a reference such as `name`, `name/sea` or `name/sea/ifcb+name/lab` names.

    `path` is the setting that names the dataset, and `settings_path` the section of its settings, if that is another.
    """
    found = OpenedParts([], [], [])
    for item in reference.split("+"):
        name, _, prefix = item.strip().partition("/")
        count = len(found.problems)
        choice = choose(catalog, "dataset", name, settings, path, found.problems)
        if choice is not None and (wrong := title_problem(choice.title)):
            found.problems.append(f"{path}.title: {wrong}")
        if choice is None or len(found.problems) > count:
            continue  # with other settings than the user's the data would not be found
        parts = parts_of(choice, prefix)
        if not parts:
            offered = choice.spec.parts(choice.config)
            found.problems.append(f"{path}: {name!r} has no part {prefix!r}{did_you_mean(prefix, offered)}")
        _open(catalog, choice, parts, datasets, found, path, fetch=fetch)
    if settings_path:
        found.problems = [
            settings_path + one.removeprefix(path) if one.startswith(f"{path}.") else one for one in found.problems
        ]
    return found


def _check_labels(part: Part) -> Part:
    """Return a part; raises DataBroken if its labels do not suit its target."""
    target = part.dataset.target
    if problem := next(iter(kind_of(target).find_errors(part.dataset.labels, target.names)), None):
        raise DataBroken(f"{problem}. Correct the dataset's reader")
    return part


def _open(
    catalog: Catalog,
    choice: Choice,
    parts: Sequence[str],
    datasets: DatasetCache,
    found: OpenedParts,
    path: str,
    *,
    fetch: bool,
) -> None:
    """Open parts; those that are missing for the same reason share one message."""
    missing: dict[str, list[str]] = {}
    for part in parts:
        try:
            opened = _check_labels(datasets.part(choice, part, fetch=fetch))
            wrong = [f"{path}: {opened.name}: {error}" for error in modality_errors(catalog, opened.dataset.modalities)]
            found.problems += wrong
            found.parts += [] if wrong else [opened]
        except DataMissing as error:
            missing.setdefault(str(error), []).append(f"{choice.name}/{part}" if part else choice.name)
        except DataBroken as error:
            readers = _name_readers(catalog, error.format) if isinstance(error, UnexpectedFormat) else ""
            found.missing.append(f"dataset {choice.name!r} cannot be used: {error}{readers}")
        except RequestError as error:
            stated = (f"{path}.{problem}" for problem in error.problems)
            found.problems += [problem for problem in stated if problem not in found.problems]
    for reason, names in missing.items():
        named = [choice.name] if len(names) == len(parts) > 1 else names
        found.missing.append(describe_missing(catalog, choice, ", ".join(named), reason))


def modality_errors(catalog: Catalog, modalities: Mapping[str, Modality]) -> Iterator[str]:
    """Yield what no run can use in the modalities of a dataset: unknown layouts, and shapes that do not fit them."""
    for name, modality in modalities.items():
        layout = catalog.find("layout", modality.layout)
        errors = [f"has an unknown layout: {layout}"] if isinstance(layout, str) else modality.find_errors()
        yield from (f"modality {name!r} {error}" for error in errors)


def _name_readers(catalog: Catalog, name: str) -> str:
    """List the installed datasets that read a format; '' if the format is unknown."""
    if not name:
        return ""
    readers = [component.name for component in catalog.all("dataset") if name in component.spec.card.formats]
    return f". Datasets that read this format: {', '.join(readers) or 'none is installed'}"


def _build(choice: Choice, part: str, datasets: DatasetCache, *, fetch: bool) -> Dataset:
    places = datasets.places
    used = {
        f"{slot}/{name}" if name else slot: _open_dependency(datasets, slot, c, name, fetch=fetch)
        for slot, c in choice.uses.items()
        if c.component.kind == "dataset"
        for name in parts_of(c, c.part)
    }
    source = Source(
        root=_find_root(getattr(choice.config, "root", None), places),
        folders=(*places.sources, places.data),
        work=places.data,
        part=part,
        fetch=fetch,
        dependencies=used,
        versions=choice.library_versions(),
    )
    dataset: Dataset = choice.build(source)
    return dataset


def _find_root(root: Path | None, places: Places) -> Path | None:
    """Return the root; a relative one that does not exist in the working folder is searched for in the data folders."""
    if root is None or root.is_absolute() or root.exists():
        return root
    return next((folder / root for folder in (*places.sources, places.data) if (folder / root).exists()), root)


def _open_dependency(datasets: DatasetCache, slot: str, choice: Choice, part: str, *, fetch: bool) -> Dataset:
    """Open a part of a dataset's dependency; raises DataMissing that names the dependency and how to get its files."""
    try:
        return datasets.open(choice, part, fetch=fetch)
    except DataMissing as error:
        raise DataMissing(f"{slot} ({choice.name}): {error}; {choice.spec.card.obtain}") from error


def describe_missing(catalog: Catalog, choice: Choice, name: str, reason: str) -> str:
    """Return a message that states where a dataset was searched, where to get it, what to set, and what runs without."""
    spec: DatasetSpec[Any] = choice.spec
    embedded = [c for c in catalog.all("dataset") if c.spec.card.embedded]
    several = {*spec.card.modalities} if len(spec.card.modalities) > 1 else set[str]()
    similar = [c for c in embedded if several and several == set(c.spec.card.modalities)]
    instead = f". Needs no download: --dataset {(similar or embedded)[0].name}" if embedded else ""
    how = "set data.root=FOLDER, or add its parent to $SSLBENCH_SOURCES"
    obtain = "" if spec.card.obtain in reason else f"; {spec.card.obtain}"  # a dependency may be obtained the same way
    return f"dataset {name!r} was not found: {reason}{obtain}; {how}{instead}"
