"""Collect subjects and their checks, for pytest and for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sslbench.api.errors import RequestError
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.discovery import PluginEntry, discover
from sslbench.catalog.facts import KINDS, Catalog, Origin
from sslbench.testing import (  # noqa: F401 - importing them registers their checks
    backbone_checks,
    component_checks,
    dataset_checks,
    dependency_checks,
    executor_checks,
    layout_checks,
    method_checks,
    method_loss_checks,
    metric_checks,
    output_checks,
    place_checks,
    props,
    protocol_checks,
    protocol_selection_checks,
    study_checks,
    view_checks,
)
from sslbench.testing.check import CHECKS, Check, CheckResult, Subject, checks_of, run_check

KIT = Origin(plugin="sslbench-kit", distribution="sslbench", version="kit")


def with_kit(entries: Iterable[PluginEntry]) -> Catalog:
    """Return a catalog of the installed components and the kit's own."""
    return discover([*entries, PluginEntry(origin=KIT, load=lambda: props)])


def subjects_of(name: str, catalog: Catalog) -> list[Subject]:
    """Find every component of a distribution, of a plugin, or with that name (`NAME` or `KIND/NAME`).

    Raises RequestError if there is none, or if the plugin could not be loaded.
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
        raise RequestError(
            [f"{name!r} is not an installed distribution, plugin or component{did_you_mean(name, known)}"]
        )
    return [Subject(component=component, catalog=catalog) for component in found]


def cases(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, Check]]:
    """Yield every check that applies to each subject."""
    for subject in subjects:
        yield from ((subject, one) for one in checks_of(subject.component.kind))


def case_id(subject: Subject, one: Check) -> str:
    """Return `KIND/NAME-CHECK`, the id of a test and the name in `expected`."""
    return f"{subject.name}-{one.name}"


def as_test(subjects: Sequence[Subject], expected: Mapping[str, str]) -> Callable[..., None]:
    """Return one parametrized test; see `sslbench.testing.conformance`.

    Raises RequestError if `expected` names an unknown check.
    """
    import pytest

    known = {case_id(subject, one): (subject, one) for subject, one in cases(subjects)}
    if unknown := [
        f"expected: unknown check {name!r}{did_you_mean(name, known)}" for name in expected if name not in known
    ]:
        raise RequestError(unknown)

    def marks(name: str) -> Any:
        return [pytest.mark.xfail(reason=expected[name], strict=True)] if name in expected else []

    parameters = [pytest.param(*case, id=name, marks=marks(name)) for name, case in known.items()]

    @pytest.mark.parametrize(("subject", "one"), parameters)
    def test_conformance(subject: Subject, one: Check) -> None:
        result = run_check(subject, one)
        if result.state in ("not applicable", "not run"):
            pytest.skip(result.finding)
        if result.state == "failed" and one.tier == "advised":
            pytest.xfail(explain(result))
        if result.state == "failed":
            pytest.fail(explain(result), pytrace=False)

    return test_conformance


def explain(result: CheckResult) -> str:
    """State the finding, why it matters, and how to fix it."""
    return f"{result.finding}. {result.check.why} To fix it: {result.check.change}."


def table(subjects: Sequence[Subject]) -> tuple[list[str], bool]:
    """Return lines for the terminal, and whether every required check passes."""
    lines, passed = [], True
    for subject in subjects:
        lines += ["", f"{subject.name} (version {subject.spec.version}, {subject.component.origin})"]
        for _, one in cases([subject]):
            result = run_check(subject, one)
            is_advice = result.state == "failed" and one.tier == "advised"
            passed = passed and (result.state != "failed" or is_advice)
            lines.append(
                f"  {'advice' if is_advice else result.state:<14}  {one.name}"
                + (f": {result.finding}" if result.finding else "")
            )
            if result.state == "failed":
                lines += [f"{'':18}why: {one.why}", f"{'':18}to fix it: {one.change}"]
    return lines[1:], passed


def summary(subjects: Sequence[Subject]) -> str:
    """Count the checks by result."""
    states = [run_check(subject, one).state for subject, one in cases(subjects)]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states)))
    return f"{len(subjects)} component(s), {len(CHECKS)} checks in the kit: {counts}"
