"""Make a run's record from its stages, and write the run's folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.parquet as parquet
import yaml
from numpy.typing import NDArray

from sslbench import environment
from sslbench.api.files import write_atomically
from sslbench.api.image_set import ImageSet
from sslbench.api.targets import kind_of
from sslbench.catalog.metrics import MetricTable
from sslbench.config.choices import Choice
from sslbench.config.datasets import Part
from sslbench.config.plan import Plan
from sslbench.config.plan_stages import make_prepare_inputs
from sslbench.convert import to_plain
from sslbench.data.label_subsets import declared_settings
from sslbench.data.splits import SplitSettings
from sslbench.data.summary import summarize_data
from sslbench.data.table import Prepared, describe_values
from sslbench.evaluation.scores import CONFUSION, OUTCOMES
from sslbench.evaluation.stored import read_scores
from sslbench.results.card import make_card
from sslbench.results.record import ClassScore, LabelScore, Record, Score, Status, encode
from sslbench.results.sample_columns import SPLIT_GROUP, Columns, write_sample_columns
from sslbench.results.store import ASSIGNMENTS, CHOICES, PREDICTIONS, SAMPLES, VECTORS, Store
from sslbench.stages.graph import Stage
from sslbench.stages.stage import Failure, load_cost

JOINED_FILES = frozenset({OUTCOMES, CONFUSION, PREDICTIONS, VECTORS, ASSIGNMENTS, CHOICES, "stage.json"})
KEY_COLUMNS = ("dataset", "protocol", "seed", "epoch")


@dataclass(slots=True, kw_only=True)
class RunMeasurements:
    """The scores and stages of a run so far, and the installed metrics; `problems` are of metrics that failed.

    groups: by dataset the group [n] of each sample that no split divides; None: none.
    """

    metrics: MetricTable
    scores: list[Score] = field(default_factory=list)
    classes: list[ClassScore] = field(default_factory=list)
    labels: list[LabelScore] = field(default_factory=list)
    stages: Sequence[Stage] = ()
    evaluations: list[Stage] = field(default_factory=list)
    tables: Sequence[Prepared] = ()
    splits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    groups: Mapping[str, NDArray[np.str_] | None] = field(default_factory=dict)
    problems: dict[str, None] = field(default_factory=dict)

    def add(self, evaluation: Stage) -> None:
        """Add the scores of one evaluation; only evaluations with scores are kept."""
        found = read_scores(evaluation.folder, str(evaluation.facts["dataset"]), self.metrics)
        self.scores += found.scores
        # class scores have no epoch: only those of the last epoch are kept
        self.classes += found.classes if evaluation.facts["epoch"] is None else ()
        self.labels += found.labels if evaluation.facts["epoch"] is None else ()
        self.evaluations += [evaluation] if found.scores else []
        self.problems |= dict.fromkeys(found.problems)


def make_record(plan: Plan, name: str, failure: Failure | None, measured: RunMeasurements) -> Record:
    """Return the record of a run; cost, host and clock are separate fields, as they differ between repetitions."""
    collapsed = any(measured.metrics.find(one.metric).means_collapse and one.value > 0 for one in measured.scores)
    status: Status = failure.status if failure else "collapsed" if collapsed else "done"
    by_key = {table.key: table for table in measured.tables}  # two folders read by one dataset have the same name

    def describe(part: Part) -> dict[str, Any]:
        table = by_key.get(make_prepare_inputs(part, plan.prepare, plan.canvas).key)
        return _describe_data(part, table, plan.splits)

    return Record(
        run=name,
        status=status,
        reason=failure.reason if failure else "",
        method=plan.method.record_facts()
        | {name: getattr(plan.spec, name) for name in ("family", "uses_labels", "depends_on_seed")}
        | {"identical_views": plan.has_identical_views, "random_init": plan.spec.random_init and not plan.spec.trains},
        baseline=plan.spec.baseline,
        backbones={modality: choice.record_facts() for modality, choice in plan.backbones.items()},
        augmentations=[a.record_facts() for a in plan.augmentations],
        recipe=plan.recipe,
        pool=plan.pool,
        pretrained_on=[describe(part) for part in plan.pretrain_parts],
        evaluated_on=[
            describe(part) | {"splits": {}, **measured.splits.get(part.name, {})}
            for part in plan.evaluate_parts
        ],
        protocols=[_describe_protocol(choice) for choice in plan.protocols],
        seeds=plan.seeds,
        folds=plan.folds,
        test_share=1 / plan.splits.folds,
        settings={
            "train": to_plain(plan.train), "view": plan.view, "canvas": plan.canvas, "prepare": to_plain(plan.prepare),
            "splits": to_plain(plan.splits), "threads": plan.threads, "cpu_matmul_dtype": plan.cpu_matmul_dtype,
            "device": environment.device_kind(),
        },
        request=plan.request,
        varied=declared_settings(choice.spec for choice in plan.protocols),
        versions=environment.versions(),
        scores=tuple(measured.scores),
        classes=tuple(measured.classes),
        labels=tuple(measured.labels),
        warnings=[*plan.warnings, *measured.problems],
        keys={f"{s.kind}/{s.key}": {"seed": s.seed, "fold": s.fold, **s.facts} for s in measured.stages},
        host=environment.describe_host(),
        clock={"finished": environment.now()},
    )  # fmt: skip


def _describe_protocol(choice: Choice) -> dict[str, Any]:
    limit = choice.spec.max_test_samples(choice.config)
    return {**choice.record_facts(), **({"max_test_samples": limit} if limit else {})}


def _describe_data(part: Part, table: Prepared | None, splits: SplitSettings) -> dict[str, Any]:
    facts: dict[str, Any] = {"part": part.name, **part.choice.record_facts(), "fingerprint": part.fingerprint()}
    if account := getattr(part.dataset, "account", None):
        facts["account"] = {"columns": list(account[0]), "rows": [list(row.values()) for row in account]}
    facts["found"] = to_plain(summarize_data(part.name, part.dataset, splits, part.choice.spec.card.groups))
    images = getattr(part.dataset, "images", None)
    if isinstance(images, ImageSet) and (span := images.deep_span):
        facts["intensity_span"] = [list(span[0]), list(span[1])]
    if table is not None:
        facts |= {
            "prepared": table.key,
            "samples": len(table),
            "labeled": int(kind_of(table.target).is_labeled(table.labels).sum()),
            "classes": len(table.target.names),
            "modalities": {
                name: {
                    "layout": modality.layout,
                    "shape": list(modality.shape),
                    "facts": list(modality.facts),
                    **describe_values(modality),
                }
                for name, modality in table.modalities.items()
            },
            "unreadable": list(table.unreadable),
        }
    return facts


def write_run(store: Store, record: Record, measured: RunMeasurements, traceback: str) -> Record:
    """Write a run's folder and complete its record, which is written last to mark a complete folder."""
    folder = store.run(record.run)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "request.yaml", yaml.safe_dump(to_plain(record.request), sort_keys=True).encode())
    (folder / "traceback.txt").unlink(missing_ok=True)
    if traceback:
        write_atomically(folder / "traceback.txt", traceback.encode())
    if measured.evaluations:
        tested = _join_predictions(folder, measured.evaluations)
        write_sample_columns(folder / SAMPLES, _select_columns(measured, tested))
        _copy_artifacts(folder, measured.evaluations)
    pretrained = [stage for stage in measured.stages if stage.kind == "pretrain"]
    training = []
    for stage in pretrained:
        content = json.loads((stage.folder / "training.json").read_text())
        training.append({"seed": stage.seed, "fold": stage.fold, **content})
        target = folder / f"encoder-seed{stage.seed}-fold{stage.fold}.safetensors"
        if not target.exists():
            shutil.copyfile(stage.folder / "method.safetensors", target.with_suffix(".part"))
            target.with_suffix(".part").replace(target)
    record = replace(record, training=tuple(training), cost=_sum_costs(measured.stages))
    note = "- files: encoder-seed*.safetensors hold the method's whole state; `sslbench export` writes plain encoders\n"
    write_atomically(folder / "card.md", (make_card(record) + note).encode())
    write_atomically(folder / "record.json", encode(record))
    return record


def _sum_costs(stages: Sequence[Stage]) -> dict[str, Any]:
    seconds: dict[str, float] = {}
    speeds, peaks = [], [0]
    for stage in {stage.folder: stage for stage in stages}.values():  # all seeds of frozen weights share one stage
        spent = load_cost(stage.folder)
        seconds[stage.kind] = round(seconds.get(stage.kind, 0.0) + spent["seconds"], 3)
        peaks.append(spent["peak_memory"])
        if stage.kind == "pretrain":
            speeds.append(json.loads((stage.folder / "speed.json").read_text())["samples_per_second"])
    return {"seconds": seconds, "samples_per_second": speeds, "peak_memory": max(peaks)}


def _join_predictions(folder: Path, evaluations: Sequence[Stage]) -> dict[str, set[str]]:
    """Join the predictions and cluster assignments of all evaluations; return the ids of test samples by dataset."""
    tested: dict[str, set[str]] = {}
    for name in (PREDICTIONS, VECTORS, ASSIGNMENTS):
        tables = []
        for source in (one for one in evaluations if (one.folder / name).exists()):
            table, keys = _test_rows(parquet.read_table(source.folder / name)), _key_values(source)
            tested.setdefault(str(keys["dataset"]), set()).update(compute.unique(table["id"]).to_pylist())
            if len(table):
                for column in reversed(KEY_COLUMNS):
                    kind = arrow.string() if column in ("protocol", "dataset") else arrow.int64()
                    table = table.add_column(0, column, arrow.array([keys[column]] * len(table), kind))
                tables.append(table)
        if tables:
            parquet.write_table(arrow.concat_tables(tables, promote_options="permissive"), folder / name)
    return tested


def _select_columns(measured: RunMeasurements, tested: Mapping[str, set[str]]) -> dict[str, Columns]:
    """Return the columns of the test samples of each dataset; of tables with one name, the last was evaluated."""
    found: dict[str, Columns] = {}
    for table in (one for one in measured.tables if one.name in tested and "id" in one.columns):
        ids = np.array(sorted(tested[table.name]), np.str_)
        rows = np.flatnonzero(np.isin(table.columns["id"], ids))
        groups = measured.groups.get(table.name)
        columns = dict(table.columns) if groups is None else {**table.columns, SPLIT_GROUP: groups}
        found[table.name] = {name: values[rows] for name, values in columns.items()}
    return found


def _test_rows(table: arrow.Table) -> arrow.Table:
    """Return the rows on test samples that no choice on these preceded, without the number of their outcome."""
    if "part" in table.column_names:
        is_test = compute.equal(table["part"], "test")
        table = table.filter(compute.and_(is_test, compute.not_equal(table["chosen_on"], "query")))
    return table.drop_columns([name for name in ("outcome", "part") if name in table.column_names])


def _key_values(evaluation: Stage) -> dict[str, Any]:
    """Return the dataset, protocol, seed and epoch of an evaluation."""
    facts = {**evaluation.facts, "seed": evaluation.seed}
    return {name: facts[name] for name in KEY_COLUMNS}


def _copy_artifacts(folder: Path, evaluations: Sequence[Stage]) -> None:
    """Copy artifacts such as exemplars, and join confusion matrices and choices of all evaluations."""
    confusions, choices = [], []
    for source in evaluations:
        keys = _key_values(source)
        confusions += [{**keys, **matrix} for matrix in json.loads((source.folder / CONFUSION).read_text())]
        choices += [{**keys, **choice} for choice in json.loads((source.folder / CHOICES).read_text())]
        subfolder = "-".join(str(value).replace("/", "-") for value in keys.values() if value is not None)
        if (fraction := source.facts["fraction"]) not in (None, 1.0):
            subfolder += f"-fraction{fraction:g}" if isinstance(fraction, float) else f"-{fraction}"
        for file in sorted(source.folder.iterdir()):
            if file.name not in JOINED_FILES:
                (folder / "artifacts" / subfolder).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, folder / "artifacts" / subfolder / file.name)
    write_atomically(folder / CONFUSION, json.dumps(confusions).encode())
    write_atomically(folder / CHOICES, json.dumps(choices).encode())
