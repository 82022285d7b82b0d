"""Subjects and their checks, for pytest and for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sslbench.api.errors import RequestError
from sslbench.catalog.discovery import Entry, discover
from sslbench.catalog.facts import KINDS, Catalog, Origin, did_you_mean
from sslbench.testing import (  # noqa: F401 - importing them registers their checks
    backbone_checks,
    component_checks,
    dataset_checks,
    method_checks,
    props,
    protocol_checks,
    study_checks,
    view_checks,
)
from sslbench.testing.check import CHECKS, Check, CheckResult, Subject, checks_of, run_check

KIT = Origin(plugin="sslbench-kit", distribution="sslbench", version="kit")


def with_kit(entries: Iterable[Entry]) -> Catalog:
    """What is installed, and the kit's own components beside it."""
    return discover([*entries, Entry(origin=KIT, load=lambda: props)])


def subjects_of(name: str, catalog: Catalog) -> list[Subject]:
    """Every component of a distribution, of a plugin, or of that very name (`NAME` or `KIND/NAME`).

    Raises RequestError with what there is, or with what is wrong where the plugin could not be loaded.
    """
    kind, _, bare = name.rpartition("/")
    everything = [c for kind in KINDS for c in catalog.all(kind) if c.origin != KIT]
    found = [c for c in everything if name in (c.origin.distribution, c.origin.plugin)]
    found = found or [c for c in everything if c.name == bare and kind in ("", c.kind)]
    broken = [str(p) for p in catalog.problems
              if p.kind != "advice" and name in (p.origin.distribution, p.origin.plugin)]  # fmt: skip
    if broken:
        raise RequestError(broken)
    if not found:
        known = {c.origin.distribution for c in everything} | {c.name for c in everything}
        raise RequestError([f"{name!r} is no installed distribution, plugin or component{did_you_mean(name, known)}"])
    return [Subject(component=component, catalog=catalog) for component in found]


def cases(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, Check]]:
    """Every check that concerns each subject."""
    for subject in subjects:
        yield from ((subject, one) for one in checks_of(subject.component.kind))


def case_id(subject: Subject, one: Check) -> str:
    """`KIND/NAME-CHECK`, as a test's id and as `expected` names it."""
    return f"{subject.name}-{one.name}"


def as_test(subjects: Sequence[Subject], expected: Mapping[str, str]) -> Callable[..., None]:
    """One parametrised test; see `sslbench.testing.conformance`. Raises RequestError for an expectation of no check."""
    import pytest

    known = {case_id(subject, one): (subject, one) for subject, one in cases(subjects)}
    if unknown := [f"expected: no check {name!r}{did_you_mean(name, known)}" for name in expected if name not in known]:
        raise RequestError(unknown)

    def marks(name: str) -> Any:
        return [pytest.mark.xfail(reason=expected[name], strict=True)] if name in expected else []

    parameters = [pytest.param(*case, id=name, marks=marks(name)) for name, case in known.items()]

    @pytest.mark.parametrize(("subject", "one"), parameters)
    def test_conformance(subject: Subject, one: Check) -> None:
        said = run_check(subject, one)
        if said.state in ("not asked", "not tried"):
            pytest.skip(said.finding)
        if said.state == "broken" and one.tier == "advised":
            pytest.xfail(explain(said))
        if said.state == "broken":
            pytest.fail(explain(said), pytrace=False)

    return test_conformance


def explain(said: CheckResult) -> str:
    """What was found, why it matters, and what to change."""
    return f"{said.finding}. {said.check.why} To mend it: {said.check.change}."


def table(subjects: Sequence[Subject]) -> tuple[list[str], bool]:
    """Lines for the terminal, and whether every required check is kept."""
    lines, good = [], True
    for subject in subjects:
        lines += ["", f"{subject.name} (version {subject.spec.version}, {subject.component.origin})"]
        for _, one in cases([subject]):
            said = run_check(subject, one)
            advice = said.state == "broken" and one.tier == "advised"
            good = good and (said.state != "broken" or advice)
            lines.append(
                f"  {'advice' if advice else said.state:<9}  {one.name}" + (f": {said.finding}" if said.finding else "")
            )
            if said.state == "broken":
                lines += [f"             why: {one.why}", f"             to mend it: {one.change}"]
    return lines[1:], good


def summary(subjects: Sequence[Subject]) -> str:
    """How many checks came out how."""
    states = [run_check(subject, one).state for subject, one in cases(subjects)]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states)))
    return f"{len(subjects)} component(s), {len(CHECKS)} checks known: {counts}"
