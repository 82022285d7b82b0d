"""Check the wording of the project: one word per idea, plain docstrings, and a help text for every setting."""

from __future__ import annotations

import ast
import dataclasses
import re
import subprocess
from pathlib import Path

import pytest

from sslbench.api.settings import help_of
from sslbench.cli.options import catalog_of
from sslbench.config.setting_help import SECTIONS

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs/glossary.md"
EXEMPT = {
    "CHANGELOG.md", "docs/glossary.md", "sslbench/api/renamed.py", "sslbench/results/old_records.py",
    "sslbench/api/pictures.py", "tests/unit/api/test_renamed.py", "tests/unit/config/test_old_names.py",
    "tests/unit/results/test_old_records.py", "tests/contract/test_language.py",
}  # fmt: skip
"""Files that name old words on purpose."""
BANNED_NAMES = {
    "told",
    "beside",
    "here",
    "lost",
    "aside",
    "taught",
    "alike",
    "said",
    "meant",
    "asked",
    "apart",
    "whole",
}
TEXT = {".py", ".md", ".yaml", ".yml", ".html", ".toml"}
KINDS_WITH_SETTINGS = ("method", "backbone", "operation", "dataset", "protocol", "executor")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    found = [Path(name) for name in listed if Path(name).suffix in TEXT and not name.startswith("leaderboard/results")]
    return [path for path in found if str(path) not in EXEMPT and (ROOT / path).exists()]


def banned_words() -> dict[str, str]:
    """Return the glossary's words to avoid, each with the word to use."""
    rows = [line.strip().strip("|").split("|") for line in GLOSSARY.read_text().splitlines() if line.startswith("|")]
    banned: dict[str, str] = {}
    for cells in [[cell.strip() for cell in row] for row in rows if len(row) == 3]:
        if cells[2] not in ("do not say", "") and not set(cells[2]) <= {"-", " "}:
            banned |= dict.fromkeys((word.strip() for word in cells[2].split(",")), cells[0])
    return banned


def test_the_text_uses_the_words_of_the_glossary():
    banned, files = banned_words(), tracked()
    assert len(banned) > 20
    assert len(files) > 300
    pattern = re.compile(rf"(?<![\w`])({'|'.join(map(re.escape, banned))})s?(?![\w`])", re.IGNORECASE)
    hits = [
        f"{path}:{number}: {found.group(0)!r}, say {banned[found.group(1).lower()]!r}"
        for path in files
        for number, line in enumerate((ROOT / path).read_text(errors="ignore").splitlines(), 1)
        if not re.search("random_key=|old_names|old_values=", line, re.IGNORECASE)  # random numbers keep their old keys
        for found in pattern.finditer(line)
    ]
    assert not hits, "\n".join(hits[:40])


def test_no_name_is_a_participle_or_an_adverb_that_states_nothing():
    files = [path for path in tracked() if path.suffix == ".py" and path.parts[0] in ("sslbench", "plugins")]
    assert len(files) > 250
    bad = []
    for path in files:
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            name = getattr(node, "name", None) or getattr(node, "arg", None)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                name = node.id
            if name in BANNED_NAMES:
                bad.append(f"{path}:{getattr(node, 'lineno', 0)}: {name}")
    assert not bad, "\n".join(bad)


def test_no_docstring_begins_with_of_what_or_whether():
    files = [
        path for path in tracked() if path.suffix == ".py" and path.parts[0] in ("sslbench", "plugins", "benchmarks")
    ]
    assert len(files) > 250
    bad = []
    for path in files:
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            text = (ast.get_docstring(node) or "") if documented else ""
            if text.split(" ")[0] in ("Of", "What", "Whether"):
                bad.append(f"{path}: {getattr(node, 'name', 'module')}: {text[:60]}")
    assert not bad, "\n".join(bad[:40])


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_every_setting_of_a_section_has_a_help_text(section):
    lacking = [field.name for field in dataclasses.fields(SECTIONS[section]) if not help_of(field)]
    assert not lacking


def test_every_setting_of_a_component_has_a_help_text():
    catalog = catalog_of()
    specs = [component.spec for kind in KINDS_WITH_SETTINGS for component in catalog.all(kind)]
    assert len(specs) > 60
    lacking = [f"{s.name}.{f.name}" for s in specs for f in dataclasses.fields(s.config) if not help_of(f)]
    assert not lacking
