"""A spec names its implementation as text, which is imported when the component is built, and never to list it."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sslbench.api import ExecutorSpec, ImplementationError, Unavailable, hookimpl
from sslbench.catalog.discovery import PluginEntry, discover, installed_entries
from sslbench.catalog.facts import Component, Origin
from sslbench.config.choices import choose
from tests.broken.known import SETTINGS

ROOT = Path(__file__).parents[3]
ORIGIN = Origin(plugin="toys", distribution="toys", version="1")
LISTING = """
import sys
from sslbench.catalog.discovery import discover, installed_entries

catalog = discover(installed_entries())
texts = [c.spec.build for kind in catalog.components for c in catalog.all(kind) if isinstance(getattr(c.spec, "build", 0), str)]
assert len(texts) > 50, texts
loaded = sorted({text.partition(":")[0] for text in texts} & set(sys.modules))
assert not loaded, loaded
print("lazy")
"""


def executor(build):
    return ExecutorSpec(**SETTINGS, build=build)


def component(build) -> Component:
    return Component(kind="executor", spec=executor(build), origin=ORIGIN)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that writes an importable module under a name and returns the name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield write
    for name in [name for name in sys.modules if name.startswith("toy_")]:
        del sys.modules[name]


def test_a_text_gives_the_class_that_it_names(module):
    module(
        "toy_sound",
        "class Outer:\n    class Inner:\n        def __init__(self, config):\n            self.config = config",
    )
    made = component("toy_sound:Outer.Inner").implementation()(3)
    assert (type(made).__qualname__, made.config) == ("Outer.Inner", 3)


def test_a_callable_still_works():
    assert component(lambda config: ("built", config)).implementation()(1) == ("built", 1)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("toy_absent.module:Name", "module 'toy_absent' not found."),
        ("toy_bad.inner:Name", "module 'toy_bad.inner' not found."),
        ("toy_bad:Clas", "module 'toy_bad' has no attribute 'Clas'. Did you mean 'Class'?"),
        ("toy_bad:Class.inner", "has no attribute 'inner'. Correct the name."),
        ("toy_bad:NUMBER", "the int 3 is not callable"),
    ],
)
def test_a_text_that_names_nothing_is_one_line_about_the_component(text, error, module):
    module("toy_bad", "NUMBER = 3\nclass Class: pass")
    with pytest.raises(ImplementationError) as raised:
        component(text).implementation()
    said = str(raised.value)
    assert said.startswith(f"plugin 'toys' (toys 1) at build: executor 'broken': build={text!r}: ")
    assert error in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise ValueError('no such\\n weights')", "module 'toy_raises' raises ValueError: no such weights"),
        ("import toy_library_that_is_absent", "ModuleNotFoundError: No module named 'toy_library_that_is_absent'"),
        ("raise SystemExit('goodbye')", "module 'toy_raises' raises SystemExit: goodbye"),
        ("def (", "module 'toy_raises' raises SyntaxError: "),
    ],
)
def test_a_module_that_raises_keeps_its_own_words(code, error, module):
    module("toy_raises", code)
    with pytest.raises(ImplementationError) as raised:
        component("toy_raises:Name").implementation()
    assert error in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is not None


def test_a_library_that_is_unavailable_stays_unavailable(module):
    module("toy_unavailable", "from sslbench.api import Unavailable\nraise Unavailable('no network')")
    with pytest.raises(Unavailable, match=r"^no network$"):
        component("toy_unavailable:Name").implementation()


@pytest.mark.parametrize(
    ("build", "error"),
    [
        ("toys.module.Name", "'broken': build='toys.module.Name' is not of the form 'package.module:Name'"),
        ("toys:", "'broken': build='toys:' is not of the form 'package.module:Name'"),
        ("toys:Name(3)", "'broken': build='toys:Name(3)' is not of the form 'package.module:Name'"),
        (3, "'broken': build is the int 3, neither a text of the form 'package.module:Name' nor a function"),
    ],
)
def test_a_text_of_another_form_is_refused_at_discovery(build, error):
    (problem,) = discovered(executor(build)).problems
    assert (problem.error, problem.stage) == (error, "sslbench_executors")


def discovered(spec):
    def sslbench_executors():
        return [spec]

    module = SimpleNamespace(__name__="toys", sslbench_executors=hookimpl(sslbench_executors))
    return discover([PluginEntry(origin=ORIGIN, load=lambda: module)])


def test_a_wrong_text_is_listed_and_fails_when_it_is_built():
    catalog = discovered(executor("toy_absent:Name"))
    choice = choose(catalog, "executor", "broken", {}, "executor", [])
    assert not catalog.problems
    with pytest.raises(
        ImplementationError, match=r"plugin 'toys' .*build='toy_absent:Name': module 'toy_absent' not found"
    ):
        choice.build()


def test_the_error_and_a_spec_with_a_text_can_be_sent_to_another_process():
    spec = executor("toys:Name")
    assert pickle.loads(pickle.dumps(spec)) == spec
    error = ImplementationError("build='a:b': module 'a' not found")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_listing_imports_no_implementation():
    run = subprocess.run([sys.executable, "-c", LISTING], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "lazy", run.stderr


def test_a_stage_key_does_not_depend_on_where_the_implementation_is():
    catalog = discover(installed_entries())
    choice = choose(catalog, "protocol", "knn", {}, "knn", [])
    moved = replace(choice, component=replace(choice.component, spec=replace(choice.spec, build="elsewhere:Name")))
    assert choice.key_form() == moved.key_form()
    assert choice.record_facts() == moved.record_facts()


def imported_by(tree: ast.AST, modules: set[str]) -> set[str]:
    """Return the modules that a file imports anywhere, also inside functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & modules


def test_no_spec_imports_a_module_that_imports_it():
    files = {}
    for folder in (ROOT, *sorted((ROOT / "plugins").glob("*/src"))):
        for path in sorted(folder.glob("sslbench*/**/*.py")):
            files[".".join(path.relative_to(folder).with_suffix("").parts)] = ast.parse(path.read_text())
    imports = {name: imported_by(tree, set(files)) for name, tree in files.items()}
    hooks = {
        name for name, tree in files.items()
        if any(isinstance(n, ast.FunctionDef) and n.name.startswith("sslbench_") and n.decorator_list for n in tree.body)
    }  # fmt: skip
    assert len(hooks) > 50
    assert [(spec, other) for spec in sorted(hooks) for other in imports[spec] if spec in imports[other]] == []
    catalog = discover(installed_entries())
    texts = [getattr(c.spec, "build", None) for kind in catalog.components for c in catalog.all(kind)]
    named = {text.partition(":")[0] for text in texts if isinstance(text, str)}
    assert len(named) > 40
    assert {spec: imports[spec] & named for spec in hooks if imports[spec] & named} == {}
