"""Connect the stages of a run: request -> plan -> prepare -> pretrain -> extract -> evaluate -> record.

A plan becomes a list of stages. Each stage reads folders and writes one, under a key made from its inputs, so that
repeating a request costs nothing and an interrupted run continues. The stages themselves are functions in other packages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslbench import environment
from sslbench.catalog.metrics import MetricTable
from sslbench.config import cost_keys
from sslbench.config.compatibility import needs_encoders
from sslbench.config.datasets import Part
from sslbench.config.plan import Plan
from sslbench.config.plan_stages import (
    Execution,
    PlannedEvaluations,
    PlannedStages,
    PlannedTable,
    PlannedTraining,
    split_plan,
)
from sslbench.config.run_names import name_run
from sslbench.config.stage_inputs import EvaluateInputs, ExtractViewsInputs, PretrainInputs
from sslbench.data.groups import group_key
from sslbench.data.label_lists import LabelList
from sslbench.data.prepare import prepare, prepared_bytes
from sslbench.data.splits import SplitSettings, estimate_bank
from sslbench.data.table import Prepared, open_prepared
from sslbench.pipeline.record import RunMeasurements, make_record, write_run
from sslbench.pipeline.split_files import save_splits
from sslbench.progress import StageProgress
from sslbench.report.figures.augmentation_preview import draw_augmentation_preview
from sslbench.report.figures.cluster_exemplars import draw_exemplars
from sslbench.report.figures.dataset_examples import draw_examples
from sslbench.report.figures.method_illustrations import draw_illustrations
from sslbench.report.figures.scatter import draw_points
from sslbench.results.record import Record
from sslbench.results.reuse import NOTE, describe_inputs, is_written, note_written
from sslbench.results.store import Store
from sslbench.stages.graph import Run, Stage
from sslbench.stages.stage import is_finished, load_failure

NOT_DRAWN = "figures not drawn"
"""Start of a record's reason if its figures could not be drawn; the next run draws them again."""

if TYPE_CHECKING:
    from sslbench.evaluation.stage import StageServices

# Code that makes a stage imports torch, so it is imported inside functions: plans and finished runs do not need it.


def make_run(plan: Plan, store: Store, metrics: MetricTable) -> Run:
    """Return a plan's stages, and the function that writes its record with the installed metrics at the end."""
    planned = split_plan(plan)
    name, stages = name_run(plan, planned), tuple(connect_stages(planned, store))

    def write_if_changed() -> None:
        inputs = describe_inputs(plan, name, stages, metrics)
        if not is_written(store, name, inputs):
            (store.run(name) / NOTE).unlink(missing_ok=True)
            if NOT_DRAWN not in write_record(plan, name, stages, store, metrics).reason:
                note_written(store, name, inputs)

    return Run(name=name, stages=stages, record=store.run(name) / "record.json", finish=write_if_changed)


def make_stages(plan: Plan, store: Store) -> Iterator[Stage]:
    """Yield every stage of a plan with its key, in an order in which they can be made, without making any."""
    return connect_stages(split_plan(plan), store)


def connect_stages(planned: PlannedStages, store: Store) -> Iterator[Stage]:
    """Yield the stages of split inputs; each reads the folders of earlier ones."""
    pool = [_make_prepare(table, store) for table in planned.pool]
    yield from pool
    tables = {}
    for table in planned.tables:
        tables[table] = _make_prepare(table, store)
        yield tables[table]
    for training in planned.trainings:
        trained = _make_pretrain(training, [*zip(pool, planned.pool, strict=True)], planned.execution, store)
        yield trained
        for evaluations in training.evaluations:
            yield from _make_evaluations(
                training, trained, evaluations, tables[evaluations.table], planned.execution, store
            )


def _make_prepare(planned: PlannedTable, store: Store) -> Stage:
    inputs, part = planned.prepare, planned.part

    def make(scratch: Path, live: StageProgress) -> None:
        prepare(inputs, part.name, scratch, live.report_count)

    samples = inputs.samples
    return Stage(
        kind="prepare", key=inputs.key, folder=store.prepared / inputs.key, title=f"prepare {part.name}", waits_for=(),
        make=make, size=prepared_bytes(part.dataset, samples.canvas), shape=cost_keys.prepare_shape(part, samples),
        family=cost_keys.prepare_family(part, samples), rows=len(part.dataset.labels),
    )  # fmt: skip


def _make_pretrain(
    training: PlannedTraining, pool: Sequence[tuple[Stage, PlannedTable]], execution: Execution, store: Store
) -> Stage:
    inputs = training.pretrain
    named = [(stage.folder, table.part.name) for stage, table in pool]
    is_shared = inputs.training is not None and inputs.training.settings.processes > 1

    def make(folder: Path, live: StageProgress) -> None:
        from sslbench.train.distributed.launch import WorkerTask, broadcast_task, is_launched_externally, run_workers
        from sslbench.train.pretrain import pretrain

        _set_threads(execution.threads)
        if is_shared and not is_launched_externally():
            task = WorkerTask(
                tree=execution.request, threads=execution.threads, precision=execution.precision, key=inputs.key,
                tables=tuple((str(path.absolute()), name) for path, name in named),
            )  # fmt: skip
            run_workers(task, execution.devices, folder, live.report_step)
            return
        if is_shared and not environment.process_rank():
            broadcast_task(inputs.key, folder)
        tables = [_open_table(path, name) for path, name in named]
        pretrain(inputs, tables, folder, live.report_step, execution.checkpoint_seconds)

    return Stage(
        kind="pretrain", key=inputs.key, folder=store.stage("pretrain", inputs.key),
        title=f"{training.title} {'pretrain' if inputs.training else 'weights'}",
        waits_for=tuple(stage.folder for stage, _ in pool), make=make, seed=training.seed, fold=training.fold,
        shape=cost_keys.pretrain_shape(inputs), rows=_trained_rows(inputs, sum(stage.rows for stage, _ in pool)),
        family=cost_keys.pretrain_family(inputs), encoder=cost_keys.pretrain_encoder(inputs),
        passes_encoder=inputs.training is not None,
    )  # fmt: skip


def _trained_rows(inputs: PretrainInputs, pool: int) -> int:
    """Return the number of rows that a training passes."""
    if inputs.training is None:
        return 0
    settings = inputs.training.settings
    return settings.steps * min(settings.batch_size, pool) or pool * settings.epochs


def _make_evaluations(
    training: PlannedTraining,
    trained: Stage,
    planned: PlannedEvaluations,
    table: Stage,
    execution: Execution,
    store: Store,
) -> Iterator[Stage]:
    """Yield the stages of one evaluation part: features, features of augmented views if needed, and every protocol."""
    part, epoch, seconds = planned.table.part, planned.extract.epoch, execution.checkpoint_seconds
    features = store.stage("extract", planned.extract.key)
    augmented = store.stage("extract", planned.views.key) if planned.views else None

    def serve(folder: Path, **folders: Path | None) -> StageServices:
        from sslbench.evaluation.stage import StageServices

        _set_threads(execution.threads)
        opened = _open_table(table.folder, part.name)
        own: dict[str, Any] = {"table": opened, "folder": folder, "checkpoint_seconds": seconds, **folders}
        return StageServices(pretrained=trained.folder, **own)

    def embed(folder: Path, live: StageProgress) -> None:
        from sslbench.evaluation.stage import extract_stage

        extract_stage(planned.extract, serve(folder), live.report_count)

    def embed_views(views: ExtractViewsInputs, folder: Path, live: StageProgress) -> None:
        from sslbench.evaluation.stage import extract_views_stage

        extract_views_stage(views, serve(folder), live.report_count)

    def measure(inputs: EvaluateInputs, folder: Path, live: StageProgress) -> None:
        from sslbench.evaluation.stage import evaluate_stage

        own = serve(folder, features=features, augmented=augmented if inputs.views else None)
        evaluate_stage(inputs, own, live.report_named_step)

    title = training.title + ("" if epoch is None else f" epoch {epoch}")
    encoder = cost_keys.extract_shape(planned.extract)
    known = partial(Stage, seed=training.seed, fold=training.folds[0], encoder=encoder)
    embedded = partial(
        known, kind="extract", waits_for=(trained.folder, table.folder), rows=table.rows, passes_encoder=True
    )
    yield embedded(
        key=planned.extract.key, folder=features, title=f"{title} features of {part.name}", make=embed, shape=encoder,
        family=encoder,
    )  # fmt: skip
    if planned.views and augmented:
        shape = cost_keys.extract_shape(planned.extract, "views")
        yield embedded(
            key=planned.views.key, folder=augmented, title=f"{title} features of views of {part.name}",
            make=partial(embed_views, planned.views), shape=shape, family=shape,
        )  # fmt: skip
    for one in planned.protocols:
        yield known(
            kind="evaluate", key=one.key, folder=store.stage("evaluate", one.key), make=partial(measure, one),
            waits_for=(features, augmented) if augmented and one.views else (features,),
            **_describe_evaluation(one, part, title, table.rows),
        )  # fmt: skip


def _describe_evaluation(inputs: EvaluateInputs, part: Part, title: str, rows: int) -> dict[str, Any]:
    """Return the title, the facts for the record and the cost of an evaluation."""
    protocol, subset, labels = inputs.protocol.component.name, inputs.fraction, ""
    if isinstance(subset, LabelList):
        labels = f" with the labels of {subset.name}"
    elif subset not in (None, 1.0):
        labels = f" with {subset:.3g} of the labels"
    facts = {
        "dataset": part.name, "protocol": protocol, "epoch": inputs.extract.epoch, "folds": list(inputs.folds),
        "fraction": subset.name if isinstance(subset, LabelList) else subset,
    }  # fmt: skip
    return {
        "title": f"{title} {protocol} on {part.name}{labels}", "facts": facts,
        "rows": _evaluated_rows(inputs, part, rows), "passes_encoder": needs_encoders(inputs.protocol),
        "shape": cost_keys.evaluate_shape(inputs), "family": cost_keys.evaluate_family(inputs),
    }  # fmt: skip


def _evaluated_rows(inputs: EvaluateInputs, part: Part, rows: int) -> int:
    """Estimate the number of rows that an evaluation passes: those of the table, or those of its trainings."""
    protocol = inputs.protocol
    if protocol.spec.samples_seen is None:
        return rows
    splits = inputs.division.settings if inputs.division else SplitSettings()
    subset = inputs.fraction
    bank = len(subset.ids) if isinstance(subset, LabelList) else _bank_rows(part, splits) * (subset or 1.0)
    seen: int = protocol.spec.samples_seen(protocol.config, max(1, round(bank)))
    return len(inputs.folds) * seen


@lru_cache(maxsize=256)
def _bank_rows(part: Part, splits: SplitSettings) -> int:
    return estimate_bank(part.dataset.labels, part.dataset.columns, splits, part.choice.spec.card.groups)


def write_record(plan: Plan, name: str, stages: Sequence[Stage], store: Store, metrics: MetricTable) -> Record:
    """Write a run's record and folder from its stages; the record includes the first failure."""
    done = [stage for stage in stages if is_finished(stage.folder)]
    failures = [failure for stage in stages if (failure := load_failure(stage.folder)) is not None]
    measured = RunMeasurements(metrics=metrics, stages=[stage for stage in done if stage.kind != "prepare"])
    for stage in done:
        if stage.kind == "evaluate":
            measured.add(stage)
    folders = {stage.key: stage.folder for stage in done if stage.kind == "prepare"}
    planned = split_plan(plan)
    learned, evaluated = _open_tables(planned.pool, folders), _open_tables(planned.tables, folders)
    measured.tables = (*learned, *evaluated)
    measured.splits = save_splits(plan.splits, plan.folds, evaluated, store.root, plan.label_lists)
    measured.groups = {table.name: group_key(table.columns, plan.splits, table.groups) for table in evaluated}
    record = make_record(plan, name, failures[0] if failures else None, measured)
    if problem := _draw_figures(planned, done, measured.tables, learned[:1], store.run(name) / "figures"):
        record = replace(record, reason="; ".join(filter(None, (record.reason, problem))))
    return write_run(store, record, measured, failures[0].traceback if failures else "")


def _draw_figures(
    planned: PlannedStages,
    done: Sequence[Stage],
    tables: Sequence[Prepared],
    learned: Sequence[Prepared],
    figures: Path,
) -> str:
    """Draw a run's figures; return the reason if that fails, so that the scores are kept."""
    try:
        for folder in [stage.folder for stage in done if stage.kind == "pretrain"][:1]:
            draw_illustrations(folder, figures)
        evaluations = [stage for stage in done if stage.kind == "evaluate"]
        draw_exemplars(evaluations, tables, figures)
        draw_points(evaluations, figures)
        for table in learned:
            draw_augmentation_preview(planned.trainings[0].pretrain, planned.pool[0], table, figures)
        for table in dict.fromkeys(tables):
            alone = sum(other.name == table.name for other in dict.fromkeys(tables)) == 1
            draw_examples(table, figures, "" if alone else f"-{table.key[:6]}")
    except Exception as error:  # a plugin's images may raise any error in the drawing library
        return f"{NOT_DRAWN}: {type(error).__name__}: {' '.join(str(error).split())}"
    return ""


def _open_tables(planned: Sequence[PlannedTable], folders: Mapping[str, Path]) -> list[Prepared]:
    """Return the prepared tables of the parts whose preparation succeeded."""
    return [_open_table(folders[one.prepare.key], one.part.name) for one in planned if one.prepare.key in folders]


@lru_cache(maxsize=64)
def _open_table(folder: Path, name: str) -> Prepared:
    return open_prepared(folder, name)


def _set_threads(threads: int) -> None:
    """Set the number of threads of all libraries; it is part of the key of each stage whose numbers depend on it."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    threadpool_limits(threads)
