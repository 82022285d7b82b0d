"""Execute the commands of the documentation, run CONTRIBUTING's method, and compare counts and links with the project.

A line of a `bash` block is executed. If its comment says `takes`, it is parsed (and planned in a slow test); if its comment
says `needs`, it is only parsed.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import typer
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from sslbench.cli import app, main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EVERY_PAGE = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*/*.md"))]
EVERY_PAGE += sorted((ROOT / "plugins").glob("*/README.md"))

SLOW_TO_IMPORT = {"run", "compare", "export", "study", "class-effects", "plugin"}
"""Commands that import torch. Tests run them in their own process; other files of tests start programs."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a `bash` block: the page, the command, and its comment."""

    page: str
    command: str
    comment: str

    @property
    def kind(self) -> str:
        """Return what the comment announces: needs, takes or nothing."""
        return next((word for word in ("needs", "takes") if word in self.comment.split()), "")

    @property
    def words(self) -> list[str]:
        """Return the command as the shell splits it."""
        return shlex.split(self.command)


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def lines_of(path: Path) -> list[Line]:
    lines = [line for block in fenced(path.read_text(), "bash") for line in block.splitlines() if line.strip()]
    split = [re.split(r"\s+#\s+", line, maxsplit=1) for line in lines]
    return [Line(page=path.name, command=one[0].strip(), comment=" ".join(one[1:])) for one in split]


LINES = [line for path in PAGES for line in lines_of(path)]
PAGES_WITH_COMMANDS = sorted({line.page for line in LINES})


def parse(words: list[str]) -> Mapping[str, Any]:
    """Parse a command line of sslbench without running it."""
    command, context, name, rest = typer.main.get_command(app), None, "sslbench", words
    while True:
        context = command.make_context(name, list(rest), parent=context)
        if not hasattr(command, "resolve_command"):
            return context.params
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """Make a folder in which a reader may have typed the commands: the repository's files and two folders of images."""
    folder = tmp_path_factory.mktemp("reader")
    for name in ("benchmarks", "leaderboard", "Makefile"):
        (folder / name).symlink_to(ROOT / name)
    scans = load_digits()
    for place, (scan, label) in enumerate(zip(scans.images[:90], scans.target, strict=False)):
        if label < 3:
            image = Image.fromarray((scan * 15).astype("uint8"))
            camera = ("ISIIS", "SPC")[place % 2]
            for path in (
                f"path/to/images/class-{label}/{place}.png",
                f"path/to/tree/{camera}/class-{label}/{place}.png",
            ):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                image.save(folder / path)
    program = folder / "bin/sslbench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from sslbench.cli import main; main()" "$@"\n')
    program.chmod(0o755)
    return folder


def shell(command: str, workspace: Path) -> None:
    """Run a line as a reader does, and fail with its output."""
    path = f"{workspace / 'bin'}{os.pathsep}{os.environ['PATH']}"
    made = subprocess.run(
        ["bash", "-euc", command],
        cwd=workspace,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, f"{command}\n{made.stdout[-2000:]}\n{made.stderr[-2000:]}"


def call(words: list[str], workspace: Path) -> None:
    """Run a command of sslbench in this process, which has imported the slow modules, and fail with its output."""
    expanded = [
        path
        for word in words
        for path in (sorted(str(p.relative_to(workspace)) for p in workspace.glob(word)) if "*" in word else [word])
    ]
    output = io.StringIO()
    with (
        mock.patch.dict(os.environ),
        mock.patch.object(sys, "argv", ["sslbench", *expanded]),
        contextlib.chdir(workspace),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
        pytest.raises(SystemExit) as end,
    ):
        main()
    assert not end.value.code, f"{words}\n{output.getvalue()[-4000:]}"


def test_every_subject_has_a_page_with_commands():
    names = {path.stem for path in PAGES}
    assert {
        "README",
        "own-images",
        "studies",
        "class-effects",
        "leaderboard",
        "clusters",
        "plugins",
        "numbers",
    } <= names
    assert len(PAGES_WITH_COMMANDS) >= 10
    assert {line.kind for line in LINES} == {"", "takes", "needs"}


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS)
def test_commands_of_a_page_run(page, workspace):
    for line in LINES:
        if line.page != page or line.kind:
            continue
        if line.words[0] == "sslbench" and line.words[1] in SLOW_TO_IMPORT and "--help" not in line.words:
            call(line.words[1:], workspace)
        else:
            shell(line.command, workspace)


@pytest.mark.parametrize(
    "line",
    [line for line in LINES if line.words[0] == "sslbench" and "--help" not in line.words],
    ids=lambda line: line.command[:60],
)
def test_a_command_parses(line):
    assert parse(line.words[1:]) is not None


def test_a_misspelt_command_does_not_parse():
    with pytest.raises(Exception, match="No such option"):
        parse(["study", "run", "masking", "--scal", "smoke"])


def test_targets_of_make_exist():
    targets = {line.words[1] for line in LINES if line.words[0] == "make"}
    assert targets
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_every_command_is_of_sslbench_or_make():
    assert {line.words[0] for line in LINES} == {"sslbench", "make"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [line for line in LINES if line.kind == "takes" and "run" in line.words],
    ids=lambda line: line.command[9:70],
)
def test_a_long_command_can_be_planned(line, workspace):
    shell(f"{line.command} --plan", workspace)


@pytest.mark.parametrize(
    "page", [path for path in PAGES if fenced(path.read_text(), "python")], ids=lambda path: path.stem
)
def test_python_of_a_page_runs(page, workspace):
    for block in fenced(page.read_text(), "python"):
        program = workspace / "example.py"
        program.write_text(
            f"if __name__ == '__main__':\n{''.join(f'    {line}' for line in block.splitlines(keepends=True))}"
        )
        with contextlib.chdir(workspace), mock.patch.dict(os.environ):
            runpy.run_path(program.name, run_name="__main__")


def test_the_study_of_the_page_can_be_planned(workspace):
    study, outputs = map(yaml.safe_load, fenced((ROOT / "docs/studies.md").read_text(), "yaml"))
    (workspace / "mine.yaml").write_text(yaml.safe_dump({**study, **outputs}))
    shell("sslbench study run ./mine.yaml --plan", workspace)


def test_counts_of_the_readme_are_those_of_the_catalog(cli):
    listed = dict(re.findall(r"^(\w+) \((\d+)\)$", cli("list").stdout, flags=re.MULTILINE))
    listed["studies"] = str(len(re.findall(r"^  \S.*\[sslbench-", cli("list", "studies").stdout, flags=re.MULTILINE)))
    stated = dict(re.findall(r"^\| (\w+) \| (\d+) \|", (ROOT / "README.md").read_text(), flags=re.MULTILINE))
    assert set(stated) == {"methods", "backbones", "augmentations", "datasets", "protocols", "metrics", "studies"}
    assert stated == {kind: listed[kind] for kind in stated}


def test_components_named_in_commands_are_installed(cli):
    listed = cli("list").stdout
    named = re.findall(r"--(?:method|dataset|backbone) ([a-z0-9-]+)", "\n".join(line.command for line in LINES))
    named += [line.words[3] for line in LINES if line.words[1:3] == ["study", "run"]]
    assert len(set(named)) > 10
    for name in named:
        assert f"  {name} " in listed, name


def test_every_command_is_documented(cli):
    text = (ROOT / "docs/commands.md").read_text()
    offered = [
        name for name, one in typer.main.get_command(app).commands.items() if name != "version" and not one.hidden
    ]
    assert len(offered) > 8
    for name in offered:
        assert f"`sslbench {name}" in text, name


def test_links_between_pages_exist():
    links = [(path, link) for path in EVERY_PAGE for link in re.findall(r"\]\(([^)#]+)\)", path.read_text())]
    inside = [(path, link) for path, link in links if not link.startswith("https://")]
    assert len(inside) > 20
    for path, link in inside:
        assert (path.parent / link).exists(), (path, link)
    linked = {(path.parent / link).resolve() for path, link in inside if path.name in ("README.md", "CONTRIBUTING.md")}
    for page in EVERY_PAGE:
        assert page in linked or page.parent in (ROOT, *(ROOT / "plugins").iterdir()), f"no link leads to {page}"


def test_front_pages_are_short_and_images_small():
    assert (ROOT / "README.md").read_text().count("\n") <= 130
    assert (ROOT / "CONTRIBUTING.md").read_text().count("\n") <= 150
    images = list((ROOT / "docs/images").iterdir())
    assert images
    assert all(path.stat().st_size < 200_000 for path in images)


def test_the_method_in_contributing_runs_without_a_change_of_the_core(cli, tmp_path):
    text = (ROOT / "CONTRIBUTING.md").read_text()
    spec, model, points = re.findall(r"```(?:python|toml)\n(.*?)```", text, flags=re.DOTALL)[:3]
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tiny.py").write_text(spec)
    (package / "tiny_model.py").write_text(model)
    facts = tmp_path / "my_package-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        points.replace("project.entry-points.sslbench", "sslbench").replace('"', "")
    )
    answer = cli(
        "run", "--method", "tiny", "--dataset", "digits", "--backbone", "micro-cnn", "--augmentation", "crop", "--seeds", "0",
        "--protocols", "knn,diagnostics", "--baselines", "none", "train.epochs=1", "--out", str(tmp_path / "runs"),
        env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "tiny" in answer.stdout
    checked = cli("plugin", "check", "my-package", env={"PYTHONPATH": str(tmp_path)})
    assert checked.returncode == 0, checked.stdout
    assert "1 component(s)" in checked.stdout
    assert "method.noise = 0.1" in cli("show", "method", "tiny", env={"PYTHONPATH": str(tmp_path)}).stdout


def test_the_reference_page_lists_the_settings_as_they_are(cli):
    assert cli("show", "settings", "--markdown").stdout == (ROOT / "docs/settings.md").read_text()
