"""Make a small leaderboard once: a study on digits, its suite and submissions. Tests change copies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from sslbench.api import Citation, Published, ReferenceSpec
from sslbench.leaderboard.site.load import InstalledContext
from sslbench.leaderboard.submission.bundle import MANIFEST, sha256

STUDY = """
name: small
summary: one method on digits
base:
  data: digits
  augmentation: digits
  recipe: quick
  baselines: [random-init, raw-features, supervised]
  protocols: [knn, linear, clustering, diagnostics]
  protocol_settings.linear: {epochs: 2, min_steps: 0, seeds: 2, lrs: [0.1, 1.0], weight_decays: [0.0]}
  protocol_settings.clustering: {restarts: 1, seeds: 2, permutations: 5}
  splits.label_fractions: [0.2, 1.0]
  train.epochs: 1
  backbone: {name: micro-cnn, widths: [8, 8, 16, 16]}
  seeds: [0, 1, 2]
  threads: 1
axes:
  arm: {simclr: {method: simclr}}
"""

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
REFERENCE = ReferenceSpec(
    name="somewhere",
    version=1,
    summary="a table of somebody's",
    citation=Citation(title="T", authors="A", year=2020, url="https://example.org/paper"),
    recipe="quick",
    rows=(Published(method="simclr", dataset="digits", protocol="knn", metric="micro_accuracy", value=0.99),),
    differences=("their digits are larger",),
)
INSTALLED = InstalledContext(references=[REFERENCE], recipes={("simclr", "quick"): {"train.epochs": 300}})
NO_PLUGINS = InstalledContext(references=[], recipes={})


def make_board(cli: Any, folder: Path) -> Path:
    """Run the study, make its suite, submit its runs, and return the leaderboard's folder."""
    (folder / "small.yaml").write_text(STUDY)
    for command in (
        ("leaderboard", "suite", "small.yaml"),
        ("study", "run", "small.yaml"),
    ):
        answer = cli(*command, cwd=folder)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    runs = sorted(str(path) for path in (folder / "runs").glob("*digits*"))
    answer = cli("leaderboard", "submit", *runs, "--by", "the tests", cwd=folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder / "leaderboard"


def bundle_of(board: Path, method: str) -> Path:
    """Return the folder of a method's bundle."""
    return next((board / "results" / "small").glob(f"{method}-*"))


def edit_json(path: Path, change: Callable[[Any], Any]) -> None:
    """Change a JSON file in place; a returned value replaces the content."""
    tree = json.loads(path.read_text())
    path.write_text(json.dumps(change(tree) or tree))


def edit_table(path: Path, change: Callable[[Any], Any]) -> None:
    """Change the rows of a Parquet file and keep its schema."""
    table = parquet.read_table(path)
    frame = change(table.to_pandas())
    parquet.write_table(table.from_pandas(frame, schema=table.schema, preserve_index=False), path)


def rehash(bundle: Path) -> None:
    """Write a manifest that fits the current files, as a careful forger would."""
    tree = json.loads((bundle / MANIFEST).read_text())
    names = sorted(path.name for path in bundle.iterdir() if path.name not in (MANIFEST, "verified.json"))
    tree["files"] = {name: sha256((bundle / name).read_bytes()) for name in names}
    (bundle / MANIFEST).write_text(json.dumps(tree))
