"""What every component promises, whatever its kind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from sslbench.api.errors import ImplementationError
from sslbench.api.protocols import Need
from sslbench.catalog.facts import DATA
from sslbench.convert import convert, plain
from sslbench.environment import isolated_python
from sslbench.testing.check import NotApplicable, Subject, check

LAYOUTS: Mapping[str, int] = {"vector": 1, "sequence": 2, "image": 3}
"""Every layout, and the dimensions of one sample in it."""
TARGETS = ("class", "labels", "none")
DISCOVERY_SCRIPT = """
import json, sys
from sslbench.catalog.discovery import HEAVY, discover, installed_entries
from sslbench.convert import plain
entries = [e for e in installed_entries() if e.origin.distribution == sys.argv[1]]
catalog = discover(entries)
found = [[kind, c.name, c.spec.version, plain(getattr(c.spec, "smoke", None))]
         for kind in catalog.components for c in catalog.all(kind)]
problems = [str(p) for p in catalog.problems if p.kind != "advice"]
problems += [f"discovery loads {name}" for name in HEAVY if name in sys.modules]
print(json.dumps({"found": found, "problems": problems}))
"""


@lru_cache
def discover_in_new_process(distribution: str) -> dict[str, Any]:
    """What a process of its own finds of a distribution: components and problems."""
    run = subprocess.run(
        [*isolated_python(), "-c", DISCOVERY_SCRIPT, distribution], capture_output=True, text=True, check=False
    )
    if run.returncode:
        said = run.stderr.strip().splitlines() or ["nothing"]
        raise RuntimeError(f"a fresh process that looks for it ends with {run.returncode} and says: {said[-1]}")
    content: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    if not content["found"] and not content["problems"]:
        raise NotApplicable("it is not installed, so no other process can find it")
    return content


@check(
    change="move torch, and what needs it, into the module of the implementation, which build='package.module:Name' names"
)
def imports_no_heavy_modules(subject: Subject) -> Iterator[str]:
    """Every command imports every plugin, so one that loads torch slows all of them, for everybody."""
    yield from discover_in_new_process(subject.component.origin.distribution)["problems"]


@check(
    "method",
    "backbone",
    "operation",
    "dataset",
    "protocol",
    "executor",
    change="write build='package.module:Name' with a module that can be imported and a class or function in it",
)
def has_an_implementation(subject: Subject) -> Iterator[str]:
    """The implementation is imported only when it is needed, so a wrong name in `build` ends a run, not the listing."""
    if subject.component.kind == "executor" and (missing := subject.spec.missing()):
        raise NotApplicable(str(missing))
    try:
        subject.component.implementation()
    except ImplementationError as error:
        yield str(error)


@check(
    change="make specs at import from constants only: no clock, environment, random numbers or files",
    needs=("imports_no_heavy_modules", "settings_survive_a_round_trip"),
)
def is_found_by_other_processes(subject: Subject) -> Iterator[str]:
    """Workers of a study find components by themselves, and must find the very same ones."""
    spec = subject.spec
    mine = [subject.component.kind, subject.component.name, spec.version, plain(getattr(spec, "smoke", None))]
    if json.loads(json.dumps(mine)) not in discover_in_new_process(subject.component.origin.distribution)["found"]:
        yield f"a fresh process does not find {subject.name}, version {spec.version}, with the same smoke settings"


@check(change="annotate every field of the config with str, int, float, bool, Path, Literal or tuples of them")
def settings_survive_a_round_trip(subject: Subject) -> Iterator[str]:
    """A record's settings must give the same component again when somebody repeats the run from it."""
    if subject.component.kind in DATA:
        raise NotApplicable("it is data, and has no settings of its own")
    for settings in (subject.spec.config(), subject.spec.smoke):
        problems: list[str] = []
        written = json.loads(json.dumps(plain(settings)))
        again = convert(written, subject.spec.config, "config", problems)
        yield from problems
        if not problems and again != settings:
            yield f"{settings} is {again} after being written and read"


@check(
    "dataset",
    "backbone",
    "operation",
    "protocol",
    change=f"use {', '.join(LAYOUTS)} for layouts, {', '.join(TARGETS)} for targets, and members of Need for needs",
)
def uses_known_names(subject: Subject) -> Iterator[str]:
    """A layout or target that nothing else has fits no other component, so every run refuses it."""
    spec, kind = subject.spec, subject.component.kind
    if kind == "dataset":
        for name, modality in spec.card.modalities.items():
            yield from _unknown(f"the layout of the card's {name!r}", [modality.layout], LAYOUTS)
            if len(modality.shape) != LAYOUTS.get(modality.layout, len(modality.shape)):
                yield f"the shape of the card's {name!r} is {modality.shape}, and its layout {modality.layout}"
    elif kind == "protocol":
        yield from _unknown("targets", spec.targets, TARGETS)
        yield from _unknown("needs", spec.needs, [*Need])
    else:
        yield from _unknown("layouts", spec.layouts, LAYOUTS)


def _unknown(what: str, values: Collection[Any], known: Collection[Any]) -> Iterator[str]:
    if not values:
        yield f"{what}: there is none"
    yield from (f"{what}: {value!r} is known to no run" for value in sorted(map(str, {*values} - {*known})))


@check(change="fill title, authors, year and url of the spec's citation", tier="advised")
def has_a_citation(subject: Subject) -> Iterator[str]:
    """Whoever uses a component in a paper needs to know whom to cite."""
    citation = subject.spec.citation
    yield from (f"citation.{name} is empty" for name in ("title", "authors") if not getattr(citation, name).strip())
    if not 1800 <= citation.year <= 2200:
        yield f"citation.year is {citation.year}"
    if not citation.url.startswith(("http://", "https://")):
        yield f"citation.url is {citation.url!r}"
