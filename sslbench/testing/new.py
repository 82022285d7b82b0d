"""Write the package of a new plugin from templates: complete, installable, and passing the kit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sslbench.api.errors import RequestError
from sslbench.api.specs import Kind
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.facts import Catalog

TEMPLATES = Path(__file__).parent / "templates"
IMPLEMENTATION = {
    "method": "model", "backbone": "model", "augmentation": "operation", "dataset": "reader", "protocol": "evaluator",
}  # fmt: skip


def new_plugin(name: str, kind: str, folder: Path, version: str, year: int, catalog: Catalog) -> list[Path]:
    """Write the package `folder/name` and return its files.

    Raises RequestError for an invalid or taken name, an unknown kind, or an existing folder.
    """
    problems = []
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        problems.append(f"{name!r} is not a valid plugin name; use lower-case words joined by '-', such as my-method")
    if kind not in IMPLEMENTATION:
        problems.append(f"--kind {kind!r} has no template{did_you_mean(kind, IMPLEMENTATION)}")
    elif taken := [component for component in catalog.all(cast(Kind, kind)) if component.name == name]:
        problems.append(f"{kind} {name!r} is already installed, from {taken[0].origin}; choose another name")
    if (folder / name).exists():
        problems.append(f"{folder / name} exists; choose another name, or another --folder")
    if problems:
        raise RequestError(problems)
    environment = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True,
                              autoescape=False)  # noqa: S701  # fmt: skip
    package, implementation = name.replace("-", "_"), IMPLEMENTATION[kind]
    words = {
        "name": name, "package": package, "kind": kind, "title": "".join(w.capitalize() for w in name.split("-")),
        "article": "an" if kind[0] in "aeiou" else "a", "implementation": implementation, "year": year,
        "sslbench": version,
    }  # fmt: skip
    own_test = (TEMPLATES / kind / "test_conformance.py.j2").exists()
    files = {
        "pyproject.toml": "package/pyproject.toml",
        "README.md": "package/README.md",
        f"src/{package}/__init__.py": "package/init.py",
        f"src/{package}/spec.py": f"{kind}/spec.py",
        f"src/{package}/{implementation}.py": f"{kind}/{implementation}.py",
        "tests/conftest.py": "package/conftest.py",
        "tests/test_conformance.py": f"{kind if own_test else 'package'}/test_conformance.py",
    }
    written = []
    for path, template in files.items():
        target = folder / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(environment.get_template(f"{template}.j2").render(words))
        written.append(target)
    return written
