"""Documentation that cannot rot: CONTRIBUTING's method is installed and run, README's names exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_method_in_contributing_runs_with_nothing_in_the_core_touched(cli, tmp_path):
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


def test_every_command_of_the_readme_exists(cli):
    text = (ROOT / "README.md").read_text()
    commands = set(re.findall(r"sslbench (list|show|run|study|data|plugin|doctor|export)\b", text))
    assert commands == {"list", "show", "run", "study", "data", "plugin", "doctor", "export"}
    offered = cli("--help").stdout
    assert all(command in offered for command in commands)


def test_every_component_named_in_the_readme_is_installed(cli):
    listed = cli("list").stdout
    for name in re.findall(r"--(?:method|dataset|backbone) ([a-z0-9-]+)", (ROOT / "README.md").read_text()):
        assert f"  {name} " in listed or name in ("resnet18", "my-method"), name
