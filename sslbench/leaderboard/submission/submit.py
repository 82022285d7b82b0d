"""Make a bundle from the folder of a finished run, and check it before it is written."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet

from sslbench.api.errors import RequestError
from sslbench.api.metrics import Derivation
from sslbench.catalog.metrics import MetricTable
from sslbench.convert import to_plain
from sslbench.leaderboard.submission.bundle import (
    ANSWERS,
    COLUMNS,
    LISTS,
    MANIFEST,
    MAX_BYTES,
    RECORD,
    SCORE_KINDS,
    VARIANTS,
    Manifest,
    kind_of,
    sha256,
)
from sslbench.leaderboard.submission.check import check_bundle
from sslbench.leaderboard.submission.publication import publish
from sslbench.leaderboard.submission.recompute import PLACE_COLUMNS, answers_of, recompute
from sslbench.leaderboard.submission.suite import NAME, Suite
from sslbench.results.find import find_run
from sslbench.results.frames import read_record
from sslbench.results.record import Record
from sslbench.results.store import ASSIGNMENTS, CHOICES, PREDICTIONS, VECTORS

SUBMITTED = ("done", "collapsed")


def submit(
    board: Path, suite: Suite, run: Path, metrics: MetricTable, *, entry: str, by: str, note: str
) -> tuple[Path, bool]:
    """Write results/SUITE/RUN of a leaderboard; return its path, and whether class scores are left out for its size.

    Raises RequestError with every problem of the run.
    """
    record = read_record(find_run(str(run), run.parent) / RECORD)
    if not NAME.fullmatch(record.run):
        problem = f"{run}: its run name {record.run!r:.60} has characters other than letters, digits and . _ + -"
        raise RequestError([f"{problem}. Set another data.title, and run it again"])
    if record.status not in SUBMITTED:
        raise RequestError([f"{run} has status {record.status}: {record.reason}. Only finished runs can be submitted"])
    predicted = [name for name in (PREDICTIONS, VECTORS) if (run / name).is_file()] or [PREDICTIONS]
    if missing := [name for name in (*predicted, CHOICES) if not (run / name).is_file()]:
        raise RequestError(
            [f"{run} has no {missing[0]}: the run has no predictions or was made by an older version. Run it again"]
        )
    record = publish(record)
    target = board / "results" / suite.name / record.run
    name = (
        entry or f"{record.method['name']} ({'+'.join(b['name'] for b in record.backbones.values()) or 'no backbone'})"
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / suite.name / record.run
        folder.mkdir(parents=True)
        manifest = Manifest(suite=suite.name, run=record.run, entry=name, by=by, note=note)
        _write_bundle(folder, suite, run, record, manifest, metrics, has_scores=True)
        size = sum(file.stat().st_size for file in folder.iterdir())
        is_too_large = size > MAX_BYTES
        if is_too_large and metrics.find(suite.ranked_by).derived_from is Derivation.RANKED_SCORES:
            problem = f"has {size:,} bytes with the scores of classes; at most {MAX_BYTES:,} are allowed"
            ranking = f"suite {suite.name!r} is ranked by {suite.ranked_by}, which follows from them"
            raise RequestError([f"{run}: {problem}, and {ranking}. Run it with fewer seeds, folds or protocols"])
        if is_too_large:
            kept = [
                one for one in record.scores if metrics.find(one.metric).derived_from is not Derivation.RANKED_SCORES
            ]
            record = replace(record, scores=tuple(kept))
            _write_bundle(folder, suite, run, record, manifest, metrics, has_scores=False)
        if problems := check_bundle(suite, folder, metrics).problems:
            raise RequestError([f"{run}: {problem}" for problem in problems])
        if target.exists():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, target)
    return target, is_too_large


def _write_bundle(
    folder: Path, suite: Suite, run: Path, record: Record, manifest: Manifest, metrics: MetricTable, *, has_scores: bool
) -> None:
    predictions = _copy_table(run / PREDICTIONS, folder, has_scores=has_scores)
    assignments, vectors = (
        _copy_table(run / name, folder) if (run / name).is_file() else None for name in (ASSIGNMENTS, VECTORS)
    )
    choices = [one for one in json.loads((run / CHOICES).read_text()) if one.pop("epoch") is None]
    found = recompute(suite, predictions, assignments, vectors, metrics)
    _write_json(folder / CHOICES, choices)
    _write_json(folder / ANSWERS, to_plain(answers_of(found, record)))
    _write_json(folder / RECORD, to_plain(record))
    digests = {path.name: sha256(path.read_bytes()) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    _write_json(folder / MANIFEST, to_plain(replace(manifest, files=digests)))


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":")) + "\n")


def _copy_table(path: Path, folder: Path, *, has_scores: bool = True) -> pd.DataFrame:
    """Write a run's table without earlier epochs, sorted and compressed, and return it; an empty one if there is none.

    Columns of class scores are left out without `has_scores`.
    """
    columns = dict(COLUMNS[path.name])
    frame = pd.read_parquet(path) if path.is_file() else pd.DataFrame(columns=[*columns, "epoch"])
    stored = {one.name: kind_of(one.type) for one in parquet.read_schema(path)} if path.is_file() else {}
    for variant in VARIANTS.get(path.name, ()):
        if variant.items() <= stored.items() and (has_scores or variant is not SCORE_KINDS):
            columns |= variant
    kept = frame[frame["epoch"].isna()][list(columns)].sort_values(
        [*PLACE_COLUMNS, *(["fit"] if "fit" in columns else []), "id"]
    )
    schema = arrow.schema([(name, LISTS.get(kind) or arrow.type_for_alias(kind)) for name, kind in columns.items()])
    table = arrow.Table.from_pandas(kept, schema=schema, preserve_index=False).replace_schema_metadata(None)
    flat = [name for name, kind in columns.items() if kind not in LISTS]  # numbers in lists hardly repeat
    parquet.write_table(table, folder / path.name, compression="zstd", compression_level=19, use_dictionary=flat)
    return kept
