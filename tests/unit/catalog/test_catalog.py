"""Each bad plugin gives one line, alone and together with others, and breaks no other. The packages are real."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sslbench.api import Event
from sslbench.api.errors import RequestError
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.catalog.events import EventBus

BAD = Path(__file__).parents[2] / "bad_plugins"
NAMES = sorted(path.name for path in BAD.iterdir() if (path / "pyproject.toml").exists())
EXPECTED = {
    "import-error": ("broken", "import: ModuleNotFoundError: No module named 'a_module_that_does_not_exist'"),
    "system-exit": ("broken", "import: SystemExit: I decide when you stop"),
    "half-way": ("broken", "sslbench_methods: RuntimeError: the second one is broken"),
    "wrong-return": ("broken", "sslbench_methods: returned str, not an iterable of MethodSpec"),
    "wrong-item": ("broken", "sslbench_methods: returned the dict {'name': 'a-dictionary'}, not a MethodSpec"),
    "unknown-field": (
        "broken",
        "sslbench_methods: TypeError: MethodSpec.__init__() got an unexpected keyword argument",
    ),
    "bad-name": ("broken", "sslbench_methods: name 'Bad Name!' is not lower-case words joined by '-'"),
    "duplicate-name": ("contested", "sslbench_methods: method 'mae' is also defined by sslbench-vision 0.1.0"),
    "misspelt-hook": ("broken", "hooks: 'sslbench_method' is not a hook. Available: sslbench_augmentations"),
    "undecorated-hook": ("broken", "hooks: 'sslbench_methods' has no decorator @hookimpl"),
    "default-argument": ("broken", "sslbench_event: argument 'event' has a default, so it would never be passed"),
    "heavy-import": (
        "advice",
        "import: imports torch at discovery. Put the implementation into a module next to the spec and name it as text",
    ),
    "slow-import": ("advice", "import: took 0."),
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every bad package as an installed distribution in a folder of its own."""
    folder = tmp_path_factory.mktemp("bad")
    wheels = folder / "wheels"
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*command, str(wheels), *(str(BAD / name) for name in NAMES)], check=True, capture_output=True)
    for wheel in wheels.iterdir():
        name = wheel.name.split("-")[0].removeprefix("sslbench_bad_").replace("_", "-")
        zipfile.ZipFile(wheel).extractall(folder / name)
    return folder


def with_packages(cli, folder: Path, names: list[str], *args: str):
    path = os.pathsep.join(str(folder / name) for name in names)
    return cli(*args, env={"PYTHONPATH": path})


@pytest.mark.parametrize("name", [n for n in NAMES if n != "failing-listener"])
def test_a_bad_plugin_gives_one_line_and_breaks_no_other(cli, packages, name):
    problems = with_packages(cli, packages, [name], "list", "--problems")
    kind, sentence = EXPECTED[name]
    lines = [line for line in problems.stdout.splitlines() if f"'bad-{name}'" in line]
    assert len(lines) == 1, problems.stdout + problems.stderr
    assert lines[0].startswith(f"{kind}: plugin 'bad-{name}' (sslbench-bad-{name} 1.2.3) at {sentence}")
    listed = with_packages(cli, packages, [name], "list", "methods").stdout
    assert "simclr" in listed
    assert ("heavy-import" in listed) == (name == "heavy-import")


def test_all_bad_plugins_together_leave_every_sound_component(cli, packages):
    listed = with_packages(cli, packages, NAMES, "list")
    assert listed.returncode == 0
    for sound in ("simclr", "random-init", "micro-vit", "daplankton", "digits", "knn", "next-to-a-failing-listener"):
        assert sound in listed.stdout
    for lost in ("half-way", "valid-next-to-a-wrong-item", "undecorated"):
        assert f"  {lost} " not in listed.stdout
    assert "11 problem(s)" not in with_packages(cli, packages, [], "list").stdout
    contested = with_packages(cli, packages, NAMES, "show", "method", "mae")
    assert contested.returncode == 2
    assert "'mae' is defined by" in contested.stderr
    assert "Traceback" not in contested.stderr


def test_a_failing_listener_is_named_once_and_the_run_goes_on(cli, packages, tmp_path):
    run = with_packages(
        cli, packages, ["failing-listener"], "run", "--method", "raw-features", "--dataset", "digits",
        "--protocols", "knn", "--seeds", "0", "--baselines", "none", "--out", str(tmp_path),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("I cannot hear") == 1
    assert (tmp_path / "stages").exists()


def test_disabling_by_plugin_or_distribution(cli, packages):
    for name in ("bad-duplicate-name", "sslbench-bad-duplicate-name"):
        path = {"PYTHONPATH": str(packages / "duplicate-name"), "SSLBENCH_DISABLE": f"no-such-plugin, {name}"}
        assert cli("show", "method", "mae", env=path).returncode == 0
    assert "mae" not in cli("list", "methods", env={"SSLBENCH_DISABLE": "vision-mae"}).stdout


def test_strict_mode_refuses_with_every_problem(cli, packages):
    strict = with_packages(cli, packages, ["import-error", "bad-name"], "list", "--strict-plugins")
    assert strict.returncode == 2
    assert strict.stderr.count("error: plugin") == 2
    advised = with_packages(cli, packages, ["slow-import"], "list", "--strict-plugins")
    assert advised.returncode == 0


def test_a_misspelt_name_suggests_the_nearest(cli):
    answer = cli("show", "method", "mea")
    assert answer.returncode == 2
    assert "method 'mea' is not installed. Did you mean 'mae'?" in answer.stderr


def test_the_projects_own_plugins_have_no_problem_and_load_no_torch(cli):
    program = (
        "import sys; sys.argv = ['sslbench', 'list']\n"
        "from sslbench.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('HEAVY', sorted({'torch', 'timm', 'torchvision', 'lightning_fabric', 'numpy'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "HEAVY []" in answer
    assert cli("list", "--problems").stdout.strip() == "no problems"


def test_a_family_is_one_line_and_resolves_names_of_members():
    catalog = discover(installed_entries())
    assert [c.name for c in catalog.all("backbone")].count("timm") == 1
    component, settings = catalog.find("backbone", "torchvision-resnet18")
    assert (component.name, settings) == ("torchvision", {"model": "resnet18"})
    component, settings = catalog.find("backbone", "vit_tiny_patch16_224")
    assert (component.name, settings) == ("timm", {"model": "vit_tiny_patch16_224"})
    assert "resnet18" in set(component.spec.members())


def test_strict_discovery_raises_from_python():
    from sslbench.catalog.discovery import PluginEntry
    from sslbench.catalog.facts import Origin

    def load():
        raise RuntimeError("no")

    entry = PluginEntry(origin=Origin(plugin="p", distribution="d", version="1"), load=load)
    with pytest.raises(RequestError, match="plugin 'p' \\(d 1\\) at import: RuntimeError: no"):
        discover([entry], strict=True)


def test_events_reach_sound_listeners():
    from sslbench.catalog.facts import Catalog, EventListener, Origin

    heard, said = [], []
    origin = Origin(plugin="ear", distribution="d", version="1")

    def fail(event: Event) -> None:
        raise ValueError("deaf")

    deaf = EventListener(origin=Origin(plugin="deaf", distribution="d", version="1"), callback=fail)
    herald = EventBus(Catalog(listeners=(deaf, EventListener(origin=origin, callback=heard.append))), said.append)
    for _ in range(3):
        herald.emit(Event(kind="started", run="r"))
    assert len(heard) == 3
    assert len(said) == 1
