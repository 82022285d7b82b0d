"""Define checks: functions that test one rule of the contract.

A check yields one sentence per violation; any other exception that it raises is a violation too. It receives a subject:
one component, and the catalog for planning runs with it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from sslbench.api.errors import Unavailable
from sslbench.api.specs import Kind
from sslbench.catalog.facts import KINDS, Catalog, Component

Tier = Literal["required", "advised"]
State = Literal["passed", "failed", "not applicable", "not run"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A component under test; `results` stores the results of its checks by name, `cache` shared objects."""

    component: Component
    catalog: Catalog
    results: dict[str, CheckResult] = field(default_factory=dict)
    cache: dict[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> Any:
        """Return the component's spec."""
        return self.component.spec

    @property
    def name(self) -> str:
        """Return KIND/NAME."""
        return f"{self.component.kind}/{self.component.name}"

    def cached(self, name: str, make: Callable[[], Any]) -> Any:
        """Return an object that several checks share; the first call makes it."""
        if name not in self.cache:
            self.cache[name] = make()
        return self.cache[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule; `why` states why it matters, `change` how to fix a violation.

    `needs` names checks that must pass first.
    """

    name: str
    kinds: frozenset[Kind]
    tier: Tier
    why: str
    change: str
    needs: tuple[str, ...]
    findings: Findings


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """Result of a check: passed, failed, not applicable to this component, or not run because a check that it needs
    failed.
    """

    check: Check
    state: State
    finding: str = ""


Findings = Callable[[Subject], "Iterator[str] | None"]


class NotApplicable(Exception):
    """Raised by a check that does not apply to a component, with the reason."""


CHECKS: dict[str, Check] = {}


def check(
    *kinds: Kind, change: str, needs: tuple[str, ...] = (), tier: Tier = "required"
) -> Callable[[Findings], Findings]:
    """Register a function as a check; the first paragraph of its docstring states why it matters.

    Without kinds the check applies to every kind.
    """

    def register(function: Findings) -> Findings:
        why = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
        name = function.__name__
        CHECKS[name] = Check(name=name, kinds=frozenset(kinds or KINDS), tier=tier, why=why, change=change, needs=needs,
                             findings=function)  # fmt: skip
        return function

    return register


def run_check(subject: Subject, one: Check) -> CheckResult:
    """Run a check on a subject once, after the checks that it needs."""
    if one.name not in subject.results:
        subject.results[one.name] = _run(subject, one)
    return subject.results[one.name]


def _run(subject: Subject, one: Check) -> CheckResult:
    for needed in one.needs:
        if run_check(subject, CHECKS[needed]).state in ("failed", "not run"):
            return CheckResult(check=one, state="not run", finding=f"needs {needed}, which failed")
    try:
        with _one_thread():
            found = list(one.findings(subject) or ())
    except (NotApplicable, Unavailable) as reason:
        return CheckResult(check=one, state="not applicable", finding=str(reason))
    except Exception as error:  # a plugin may raise anything, which is a finding
        found = [f"raised {type(error).__name__}: {' '.join(str(error).split())}"]
    return CheckResult(check=one, state="failed" if found else "passed", finding="; ".join(found))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit torch to one thread: on the tiny tensors of checks, threads only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def checks_of(kind: Kind) -> tuple[Check, ...]:
    """List every check of a kind, in definition order."""
    return tuple(one for one in CHECKS.values() if kind in one.kinds)
