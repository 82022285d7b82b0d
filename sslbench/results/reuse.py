"""Check whether a run's folder is up to date, so that it is not written again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sslbench import environment
from sslbench.api.files import write_atomically
from sslbench.api.specs import Dataset
from sslbench.catalog.metrics import MetricTable
from sslbench.config.plan import Plan
from sslbench.data.key_form import digest
from sslbench.data.label_subsets import declared_settings
from sslbench.results.record import SCHEMA
from sslbench.results.store import Store
from sslbench.stages.graph import Stage
from sslbench.stages.stage import finished_at, load_failure

NOTE = "written.json"
"""File in a run's folder with the digest of its inputs and the sizes of its files."""
WRITTEN = 2
"""Version of the folder's content: increased when the same stages give other files or fields."""


def describe_inputs(plan: Plan, name: str, stages: Sequence[Stage], metrics: MetricTable) -> str:
    """Digest the inputs of a run's folder: request, data, versions, metrics, varied settings, finished and failed stages."""
    parts = [
        (part.name, part.choice.record_facts(), part.fingerprint(), *_describe_dataset(part.dataset))
        for part in (*plan.pretrain_parts, *plan.evaluate_parts)
    ]
    made = [
        (
            stage.kind,
            stage.key,
            stage.seed,
            stage.fold,
            stage.facts,
            finished_at(stage.folder),
            repr(load_failure(stage.folder)),
        )
        for stage in stages
    ]
    settings = (
        plan.request,
        plan.warnings,
        plan.recipe,
        plan.pool,
        plan.threads,
        plan.cpu_matmul_dtype,
        plan.view,
        plan.canvas,
    )
    varied = declared_settings(choice.spec for choice in plan.protocols)
    installed = (environment.versions(), environment.device_kind(), metrics.functions(), varied, WRITTEN, SCHEMA)
    return digest(name, settings, plan.train, plan.prepare, plan.splits, plan.seeds, plan.folds, parts, made, installed)


def is_written(store: Store, name: str, inputs: str) -> bool:
    """Return whether a run's folder was written from these inputs and its files still have their sizes."""
    note = store.run(name) / NOTE
    if not note.exists():
        return False
    content = json.loads(note.read_text())
    return bool(content["inputs"] == inputs) and content["files"] == {
        name: size for name, size in _sizes(store.root, map(Path, content["files"])).items() if size is not None
    }


def note_written(store: Store, name: str, inputs: str) -> None:
    """Write the note of a run's folder. Call it last, so that an incomplete folder has no note."""
    folder = store.run(name)
    record: dict[str, Any] = json.loads((folder / "record.json").read_text())
    hashes = [one for data in record["evaluated_on"] for one in data.get("splits", {}).values()]
    splits = [path for one in hashes for path in (store.root / "splits").glob(f"*-{one}.tsv")]
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != NOTE and path.name[0] != "."]
    sizes = _sizes(store.root, [path.relative_to(store.root) for path in (*sorted(files), *splits)])
    write_atomically(folder / NOTE, json.dumps({"inputs": inputs, "files": sizes}, indent=1).encode())


def _describe_dataset(dataset: Dataset) -> tuple[str, str]:
    """Return the account and description of a dataset as text."""
    describe = getattr(dataset, "describe", None)
    return repr(getattr(dataset, "account", None)), repr(describe()) if describe else ""


def _sizes(root: Path, files: Iterable[Path]) -> dict[str, int | None]:
    return {str(path): (root / path).stat().st_size if (root / path).exists() else None for path in files}
