"""A check: one promise of the contract, why it matters, and what to change where it is broken. Checks are functions.

A check yields one sentence for each thing that it finds wrong; whatever else it raises is a finding too. What a check
looks at is a subject: one component, and the catalog that it is planned with.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from sslbench.api.errors import Unavailable
from sslbench.api.specs import Kind
from sslbench.catalog.facts import KINDS, Catalog, Component

Tier = Literal["required", "advised"]
State = Literal["kept", "broken", "not asked", "not tried"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """What is looked at; `verdicts` remembers what was found, by check."""

    component: Component
    catalog: Catalog
    results: dict[str, CheckResult] = field(default_factory=dict)
    cache: dict[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> Any:
        """The component's spec."""
        return self.component.spec

    @property
    def name(self) -> str:
        """Kind and name."""
        return f"{self.component.kind}/{self.component.name}"

    def cached(self, name: str, make: Callable[[], Any]) -> Any:
        """What several checks need, made by the first that asks."""
        if name not in self.cache:
            self.cache[name] = make()
        return self.cache[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise. `needs` are checks without which this one says nothing."""

    name: str
    kinds: frozenset[Kind]
    tier: Tier
    why: str
    change: str
    needs: tuple[str, ...]
    findings: Findings


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What came of a check: kept, broken, not asked of this component, or not tried because another check is broken."""

    check: Check
    state: State
    finding: str = ""


Findings = Callable[[Subject], "Iterator[str] | None"]


class NotApplicable(Exception):
    """Raised by a check that does not concern this component, with the reason."""


CHECKS: dict[str, Check] = {}


def check(
    *kinds: Kind, change: str, needs: tuple[str, ...] = (), tier: Tier = "required"
) -> Callable[[Findings], Findings]:
    """Make a check of a function; its docstring's first paragraph says why it matters. No kind means every kind."""

    def register(function: Findings) -> Findings:
        why = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
        name = function.__name__
        CHECKS[name] = Check(name=name, kinds=frozenset(kinds or KINDS), tier=tier, why=why, change=change, needs=needs,
                             findings=function)  # fmt: skip
        return function

    return register


def run_check(subject: Subject, one: Check) -> CheckResult:
    """Try a check on a subject, once, after those that it needs."""
    if one.name not in subject.results:
        subject.results[one.name] = _run(subject, one)
    return subject.results[one.name]


def _run(subject: Subject, one: Check) -> CheckResult:
    for needed in one.needs:
        if run_check(subject, CHECKS[needed]).state in ("broken", "not tried"):
            return CheckResult(check=one, state="not tried", finding=f"needs {needed}, which is broken")
    try:
        found = list(one.findings(subject) or ())
    except (NotApplicable, Unavailable) as reason:
        return CheckResult(check=one, state="not asked", finding=str(reason))
    except Exception as error:  # somebody else's code may raise anything: that is what is looked for
        found = [f"raised {type(error).__name__}: {' '.join(str(error).split())}"]
    return CheckResult(check=one, state="broken" if found else "kept", finding="; ".join(found))


def checks_of(kind: Kind) -> tuple[Check, ...]:
    """Every check of a kind, in the order in which they are written."""
    return tuple(one for one in CHECKS.values() if kind in one.kinds)
