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
FILES = {
    "method": "model.py", "backbone": "model.py", "augmentation": "operation.py", "dataset": "reader.py",
    "protocol": "evaluator.py", "metric": "function.py", "layout": "layout.py", "executor": "executor.py",
    "study": "study.yaml",
}  # fmt: skip
"""Kinds with a template, and the file next to the spec: an implementation, or a study."""


def new_plugin(name: str, kind: str, folder: Path, version: str, year: int, catalog: Catalog) -> list[Path]:
    """Write the package `folder/name` and return its files.

    Raises RequestError for an invalid or taken name, an unknown kind, or an existing folder.
    """
    problems = []
    component = name.replace("-", "_") if kind == "metric" else name
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        problems.append(f"{name!r} is not a valid plugin name; use lower-case words joined by '-', such as my-method")
    if kind not in FILES:
        problems.append(f"--kind {kind!r} has no template{did_you_mean(kind, FILES)}")
    elif taken := [one for one in catalog.all(cast(Kind, kind)) if one.name == component]:
        problems.append(f"{kind} {component!r} is already installed, from {taken[0].origin}; choose another name")
    if (folder / name).exists():
        problems.append(f"{folder / name} exists; choose another name, or another --folder")
    if problems:
        raise RequestError(problems)
    environment = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True,
                              autoescape=False)  # noqa: S701  # fmt: skip
    package, second = name.replace("-", "_"), FILES[kind]
    words = {
        "name": name, "component": component, "package": package, "kind": kind,
        "title": "".join(w.capitalize() for w in name.split("-")),
        "article": "an" if kind[0] in "aeiou" else "a", "file": second, "year": year,
        "sslbench": version,
    }  # fmt: skip
    own_test = (TEMPLATES / kind / "test_conformance.py.j2").exists()
    files = {
        "pyproject.toml": "package/pyproject.toml",
        "README.md": "package/README.md",
        f"src/{package}/__init__.py": "package/init.py",
        f"src/{package}/spec.py": f"{kind}/spec.py",
        f"src/{package}/{second}": f"{kind}/{second}",
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
