"""List installed components and their problems as text, without importing implementations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sslbench.api.specs import Kind
from sslbench.catalog.facts import DATA_KINDS, Catalog
from sslbench.catalog.suites import list_study_files


def list_lines(catalog: Catalog, kinds: Sequence[Kind], *, expand: bool) -> Iterator[str]:
    """Yield a line per component: name, summary and origin."""
    for kind in kinds:
        components = catalog.all(kind)
        yield f"{plural(kind)} ({len(components)})"
        width = max((len(c.name) for c in components), default=0)
        for component in components:
            yield f"  {component.name:{width}}  {component.spec.summary}  [{component.origin}]"
            if expand and kind not in DATA_KINDS:
                yield from (f"    {member}" for member in sorted(component.spec.members()))
        if kind == "study":
            yield from (
                f"  {path.stem:{width}}  in {path.parent}, found from the current folder" for path in list_study_files()
            )
        yield ""
    serious = sum(problem.kind != "advice" for problem in catalog.problems)
    if serious:
        yield f"{serious} problem(s) with installed plugins: sslbench list --problems"


def plural(kind: Kind) -> str:
    """Return the plural of a kind."""
    return "studies" if kind == "study" else f"{kind}s"


def problem_lines(catalog: Catalog) -> Iterator[str]:
    """Yield a line per problem."""
    for problem in catalog.problems:
        yield f"{problem.kind}: {problem}"
    if not catalog.problems:
        yield "no problems"
