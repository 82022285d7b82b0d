"""Rules of the code base: which package imports which, lengths of files and functions, what the core may not name."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import sslbench
from sslbench.api import hooks

ROOT = Path(__file__).parents[2]
CORE = sorted((ROOT / "sslbench").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").glob("*/src/**/*.py"))
NAMED = (
    "mae",
    "simclr",
    "byol",
    "vicreg",
    "moco",
    "swav",
    "dino",
    "daplankton",
    "plankton",
    "cifar",
    "cifar10",
    "mnist",
    "ray",
    "submitit",
)


def test_there_are_files_to_check():
    assert len(CORE) > 200
    assert {path.relative_to(ROOT / "plugins").parts[0] for path in PLUGINS} == {
        path.parent.name for path in (ROOT / "plugins").glob("*/pyproject.toml")
    }


def test_import_rules_cover_every_package():
    """The import linter checks only what its contracts list: each plugin, and each package and module of the core.

    Nothing may import the built-in protocols, which import only what any plugin may import.
    """
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    plugins = {path.parent.name for path in (ROOT / "plugins").glob("*/src/*/__init__.py")}
    assert len(plugins) >= 5
    assert set(contracts["root_packages"]) == {"sslbench"} | plugins
    (layers,) = [one for one in contracts["contracts"] if one.get("containers") == ["sslbench"]]
    of_plugins, of_protocols = [one for one in contracts["contracts"] if one["type"] == "forbidden"]
    names = {path.stem for path in (ROOT / "sslbench").glob("*.py") if not path.stem.startswith("__")}
    names |= {path.parent.name for path in (ROOT / "sslbench").glob("*/__init__.py")}
    assert set(layers["layers"]) == names
    assert layers["layers"][0] == "protocols"
    assert set(of_plugins["source_modules"]) == plugins
    assert set(of_plugins["forbidden_modules"]) == {f"sslbench.{name}" for name in names - {"api", "testing"}}
    assert of_protocols["source_modules"] == ["sslbench.protocols"]
    assert set(of_protocols["forbidden_modules"]) == {f"sslbench.{name}" for name in names - {"api", "protocols"}}


def used_names(source: str) -> set[str]:
    """Dotted names that a file imports, that it takes from the package `sslbench`, and that its texts consist of."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sslbench":
            found.add(f"sslbench.{node.attr}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value} if re.fullmatch(r"sslbench(\.\w+)+", node.value) else set()
    return found


def internal_names(source: str) -> set[str]:
    """Names in a plugin's file of what plugins and their tests may not use."""
    allowed = {"api", "testing", *sslbench.__all__}
    parts = [name.split(".") for name in used_names(source)]
    return {".".join(name) for name in parts if name[0] == "sslbench" and len(name) > 1 and name[1] not in allowed}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from sslbench import pipeline", {"sslbench.pipeline"}),
        ("from sslbench.pipeline import stages", {"sslbench.pipeline.stages"}),
        ("import sslbench.pipeline.stages as s", {"sslbench.pipeline.stages"}),
        ("def f():\n    from sslbench.study.grid import make_grid", {"sslbench.study.grid.make_grid"}),
        ("from sslbench import *", {"sslbench.*"}),
        ("import sslbench\nsslbench.pipeline.stages.make_stages()", {"sslbench.pipeline"}),
        ("patch('sslbench.pipeline.stages.draw')", {"sslbench.pipeline.stages.draw"}),
        ("import sslbench\nsslbench.run('simclr', 'digits')", set()),
        ("from sslbench import load_results, testing\nfrom sslbench.api import Batch", set()),
        ("from sslbench.testing.plans import plan_run", set()),
        ("import sslbench_vision.pipeline", set()),
    ],
)
def test_an_import_of_the_harness_is_found(line, found):
    assert internal_names(line) == found


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_plugins_and_their_tests_use_the_contract_the_kit_and_the_public_functions(folder):
    plugins = {path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml")}
    assert len(plugins) >= 5
    for plugin in plugins:
        files = sorted((plugin / folder).rglob("*.py"))
        assert files, f"{plugin.name} has no {folder}"
        for path in files:
            assert not internal_names(path.read_text()), path


def test_tests_of_a_plugin_need_no_other_plugin():
    """They import the core, their plugin and the plugins that it declares; a module of another folder of tests is not there."""
    for plugin in sorted((ROOT / "plugins").glob("*/pyproject.toml")):
        declared = tomllib.loads(plugin.read_text())["project"]
        allowed = {
            re.split(r"[<>=\[]", name)[0].replace("-", "_") for name in [declared["name"], *declared["dependencies"]]
        }
        files = sorted((plugin.parent / "tests").rglob("*.py"))
        assert any(path.name.startswith("test_") for path in files), f"{plugin.parent.name} has no tests of its own"
        assert (plugin.parent / "tests/conftest.py") in files, plugin.parent.name
        for path in files:
            packages = {name.split(".")[0] for name in used_names(path.read_text())}
            imported = {name for name in packages if name.startswith("sslbench_") or name == "tests"}
            assert imported <= allowed, (path, imported - allowed)


def test_tests_of_plugins_have_different_names():
    names = Counter(path.name for path in (ROOT / "plugins").glob("*/tests/*.py") if path.name != "conftest.py")
    assert not [name for name, count in names.items() if count > 1]


def test_analysis_needs_no_torch():
    paths = sorted((ROOT / "sslbench/analysis").rglob("*.py"))
    assert len(paths) > 20
    for path in paths:
        assert "import torch" not in path.read_text(), path


def test_the_core_names_no_component():
    for path in CORE:
        text = re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL)
        words = set(re.findall(r"[a-z0-9]+", text.lower()))
        assert not words & set(NAMED), (path, words & set(NAMED))


def test_files_and_functions_are_short():
    for path in [*CORE, *PLUGINS]:
        text = path.read_text()
        assert text.count("\n") <= 350, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert (node.end_lineno or 0) - node.lineno < 60, (path, node.name)


def test_every_public_object_has_a_docstring():
    for path in [*CORE, *PLUGINS]:
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), path
        for node in tree.body:
            public = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
            if public and not getattr(node, "name", "").startswith("sslbench_"):
                assert ast.get_docstring(node), (path, node.name)


def test_every_class_has_a_name_of_its_own():
    names = [
        node.name
        for path in [*CORE, *PLUGINS]
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    ]
    assert len(names) > 300
    assert not [name for name, count in Counter(names).items() if count > 1]


def test_there_are_few_names_at_the_top():
    names = {p.name for p in (ROOT / "sslbench").iterdir() if not p.name.startswith(("_", ".", "py.typed"))}
    assert len(names) <= 24, names


@pytest.mark.parametrize("module", ["sslbench", "sslbench.api", "sslbench.cli", "sslbench.catalog.discovery"])
def test_light_modules_load_no_library_of_numbers(module):
    program = f"import {module}, sys; assert not {{'torch', 'scipy', 'sklearn', 'numpy'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_hook_is_documented():
    text = (ROOT / "docs/plugins.md").read_text()
    names = [name for name in vars(hooks) if name.startswith("sslbench_")]
    assert len(names) > 5
    for name in names:
        assert f"`{name}" in text, name


def test_no_machine_path_and_no_registry_is_committed():
    pattern = re.compile("/wo" + "rk/|pyp" + "i\\.org|python" + "hosted|registry\\.np" + "mjs")
    suffixes = {".py", ".toml", ".md", ".txt", ".yaml", ".yml"}
    paths = [path for path in ROOT.rglob("*") if path.suffix in suffixes and ".venv" not in path.parts]
    assert len(paths) > 500
    for path in paths:
        assert not pattern.search(path.read_text(errors="ignore")), path
