"""Check the rules that apply to components of every kind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any, get_args

from sslbench.api.errors import ImplementationError
from sslbench.api.layouts import ANY_LAYOUT
from sslbench.api.protocols import Need
from sslbench.api.specs import Kind
from sslbench.api.targets import KINDS
from sslbench.catalog.facts import DATA_KINDS
from sslbench.config.datasets import modality_errors
from sslbench.convert import convert, to_plain
from sslbench.environment import isolated_python, versions
from sslbench.testing.check import NotApplicable, Subject, check

DISCOVERY_SCRIPT = """
import json, sys
from sslbench.catalog.discovery import HEAVY, discover, installed_entries
from sslbench.convert import to_plain
entries = [e for e in installed_entries() if e.origin.distribution == sys.argv[1]]
catalog = discover(entries)
components = [[kind, c.name, c.spec.version, to_plain(getattr(c.spec, "smoke", None))]
         for kind in catalog.components for c in catalog.all(kind)]
problems = [str(p) for p in catalog.problems if p.kind != "advice"]
problems += [f"discovery loads {name}" for name in HEAVY if name in sys.modules]
print(json.dumps({"components": components, "problems": problems}))
"""


@lru_cache
def discover_in_new_process(distribution: str) -> dict[str, Any]:
    """Discover a distribution's components and problems in a new process."""
    run = subprocess.run(
        [*isolated_python(), "-c", DISCOVERY_SCRIPT, distribution], capture_output=True, text=True, check=False
    )
    if run.returncode:
        lines = run.stderr.strip().splitlines() or ["no output"]
        raise RuntimeError(f"discovery in a new process ended with exit code {run.returncode}: {lines[-1]}")
    content: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    if not content["components"] and not content["problems"]:
        raise NotApplicable("is not installed, so other processes cannot find it")
    return content


@check(change="import torch and other heavy modules only in the module named by build='package.module:Name'")
def imports_no_heavy_modules(subject: Subject) -> Iterator[str]:
    """Every command imports every plugin, so one that imports torch slows all commands."""
    yield from discover_in_new_process(subject.component.origin.distribution)["problems"]


@check(
    "method",
    "backbone",
    "operation",
    "dataset",
    "protocol",
    "executor",
    "layout",
    change="set build='package.module:Name' to a class or function of an importable module",
)
def has_an_implementation(subject: Subject) -> Iterator[str]:
    """The implementation is imported late, so a wrong name in `build` would stop a run, not the listing."""
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
    """Workers of a study discover components by themselves, and must find the same ones."""
    spec = subject.spec
    mine = [subject.component.kind, subject.component.name, spec.version, to_plain(getattr(spec, "smoke", None))]
    if json.loads(json.dumps(mine)) not in discover_in_new_process(subject.component.origin.distribution)["components"]:
        yield f"a new process does not find {subject.name}, version {spec.version}, with the same smoke settings"


@check(change="annotate every field of the config with str, int, float, bool, Path, Literal or tuples of them")
def settings_survive_a_round_trip(subject: Subject) -> Iterator[str]:
    """A run is repeated from the settings in its record, which must give the same component."""
    if subject.component.kind in DATA_KINDS:
        raise NotApplicable("is data without settings")
    for settings in (subject.spec.config(), subject.spec.smoke):
        problems: list[str] = []
        written = json.loads(json.dumps(to_plain(settings)))
        again = convert(written, subject.spec.config, "config", problems)
        yield from problems
        if not problems and again != settings:
            yield f"{settings} becomes {again} after writing and reading"


@check(
    "method",
    "dataset",
    "backbone",
    "operation",
    "protocol",
    change=f"use installed layouts (sslbench list layouts), {', '.join(KINDS)} for targets, and members of Need for needs",
)
def uses_known_names(subject: Subject) -> Iterator[str]:
    """A layout, target or augmentation that no other component has fits nothing, so every run rejects it."""
    spec, kind = subject.spec, subject.component.kind
    layouts = [component.name for component in subject.catalog.all("layout")]
    if kind == "dataset":
        yield from (f"the card: {error}" for error in modality_errors(subject.catalog, spec.card.modalities))
        found = subject.catalog.find("augmentation", spec.label_preserving) if spec.label_preserving else None
        if isinstance(found, str):
            yield f"label_preserving: {found}"
    elif kind in ("method", "protocol"):
        yield from _unknown("targets", spec.targets, KINDS)
        if kind == "protocol":
            yield from _unknown("needs", spec.needs, [*Need])
    else:
        yield from _unknown("layouts", spec.layouts, [*layouts, *ANY_LAYOUT])


@check(
    "method",
    "backbone",
    "operation",
    "dataset",
    "protocol",
    change="name distributions that are installed with the plugin in libraries, such as 'scikit-learn'",
)
def names_installed_libraries(subject: Subject) -> Iterator[str]:
    """A library that is not found is in no stage key, so results of two of its versions would be mixed."""
    spec = subject.spec
    names = dict.fromkeys(name for settings in (spec.config(), spec.smoke) for name in spec.libraries(settings))
    yield from (f"libraries: {name!r} is not installed" for name in names if not versions((name,)))


def _unknown(what: str, values: Collection[Any], known: Collection[Any]) -> Iterator[str]:
    if not values:
        yield f"{what}: empty"
    yield from (f"{what}: unknown value {value!r}" for value in sorted(map(str, {*values} - {*known})))


@check(
    *(kind for kind in get_args(Kind) if kind != "metric"),
    change="fill title, authors, year and url of the spec's citation",
    tier="advised",
)
def has_a_citation(subject: Subject) -> Iterator[str]:
    """Users of a component need to know what to cite in a paper."""
    citation = subject.spec.citation
    yield from (f"citation.{name} is empty" for name in ("title", "authors") if not getattr(citation, name).strip())
    if not 1800 <= citation.year <= 2200:
        yield f"citation.year is {citation.year}"
    if not citation.url.startswith(("http://", "https://")):
        yield f"citation.url is {citation.url!r}"
