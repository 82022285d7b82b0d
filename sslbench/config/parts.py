"""Which datasets, and which parts of them, a request means: found, opened, and described before anything is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sslbench.api.errors import DataBroken, DataMissing
from sslbench.api.specs import Dataset, DatasetSpec, Source
from sslbench.catalog.facts import Catalog, did_you_mean
from sslbench.config.choices import Choice, choose
from sslbench.environment import Places


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """One part of a dataset, opened; `name` is what a row of a table calls it."""

    choice: Choice
    part: str
    dataset: Dataset

    @property
    def name(self) -> str:
        return f"{self.choice.name}/{self.part}" if self.part else self.choice.name


@dataclass(slots=True)
class Found:
    """What opening gave: parts, and sentences about what is wrong or missing."""

    parts: list[Part]
    problems: list[str]
    missing: list[str]


def open_parts(
    catalog: Catalog,
    reference: str,
    settings: Mapping[str, Any],
    places: Places,
    *,
    path: str = "data",
    fetch: bool = True,
) -> Found:
    """Open every part that `name`, `name/sea` or `name/sea/ifcb+name/lab` means."""
    found = Found([], [], [])
    for word in reference.split("+"):
        name, _, inside = word.strip().partition("/")
        choice = choose(catalog, "dataset", name, settings, path, found.problems)
        if choice is None:
            continue
        offered = choice.spec.parts(choice.config)
        wanted = [p for p in offered if not inside or p == inside or p.startswith(f"{inside}/")]
        if not wanted:
            found.problems.append(f"{path}: {name!r} has no part {inside!r}{did_you_mean(inside, offered)}")
        _open(catalog, choice, wanted, places, found, fetch=fetch)
    return found


def _open(
    catalog: Catalog, choice: Choice, wanted: Sequence[str], places: Places, found: Found, *, fetch: bool
) -> None:
    """Open parts; those that are missing for the same reason share one sentence."""
    missing: dict[str, list[str]] = {}
    for part in wanted:
        try:
            dataset = build_dataset(choice, part, places, fetch=fetch)
        except DataMissing as error:
            missing.setdefault(str(error), []).append(f"{choice.name}/{part}" if part else choice.name)
        except DataBroken as error:
            found.missing.append(f"dataset {choice.name!r} cannot be used: {error}")
        else:
            found.parts.append(Part(choice=choice, part=part, dataset=dataset))
    for looked, names in missing.items():
        named = [choice.name] if len(names) == len(wanted) > 1 else names
        found.missing.append(missing_sentence(catalog, choice, ", ".join(named), looked))


def build_dataset(choice: Choice, part: str, places: Places, *, fetch: bool) -> Dataset:
    """Open one part, and whatever datasets it uses."""
    used = {
        slot: build_dataset(c, "", places, fetch=fetch)
        for slot, c in choice.uses.items()
        if c.component.kind == "dataset"
    }
    source = Source(
        root=getattr(choice.config, "root", None),
        folders=(*places.sources, places.data),
        work=places.data,
        part=part,
        fetch=fetch,
        used=used,
    )
    dataset: Dataset = choice.spec.build(choice.config, source)
    return dataset


def missing_sentence(catalog: Catalog, choice: Choice, name: str, looked: str) -> str:
    """Say where a dataset was looked for, where to get it, what to set, and what runs right now."""
    spec: DatasetSpec[Any] = choice.spec
    now = [c.name for c in catalog.all("dataset") if c.spec.card.embedded]
    instead = f"; runs right now: --dataset {now[0]}" if now else ""
    how = "set data.root=FOLDER, or add its parent to $SSLBENCH_SOURCES"
    return f"dataset {name!r} is not here: {looked}; {spec.card.obtain}; {how}{instead}"
