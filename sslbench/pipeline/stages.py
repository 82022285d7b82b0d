"""Connect the stages of a run: request -> plan -> prepare -> pretrain -> extract -> evaluate -> record.

A plan becomes a list of stages. Each stage reads folders and writes one, under a key made from its inputs, so that
repeating a request costs nothing and an interrupted run continues. The stages themselves are functions in other packages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sslbench import environment
from sslbench.config import keys
from sslbench.config.compatibility import needs_encoders
from sslbench.config.datasets import Part
from sslbench.config.plan import Plan
from sslbench.data.prepare import PrepareJob, prepare, prepared_bytes
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
    from sslbench.evaluation.stage import EvaluationInput

# Code that makes a stage imports torch, so it is imported inside functions: plans and finished runs do not need it.


def make_run(plan: Plan, store: Store) -> Run:
    """Return a plan's stages, and the function that writes its record at the end."""
    name = keys.run_id(plan)
    stages = tuple(make_stages(plan, store))

    def close() -> None:
        inputs = describe_inputs(plan, name, stages)
        if not is_written(store, name, inputs):
            (store.run(name) / NOTE).unlink(missing_ok=True)
            if NOT_DRAWN not in write_record(plan, name, stages, store).reason:
                note_written(store, name, inputs)

    return Run(name=name, stages=stages, record=store.run(name) / "record.json", write_record=close)


def make_stages(plan: Plan, store: Store) -> Iterator[Stage]:
    """Yield every stage of a plan with its key, in an order in which they can be made, without making any."""
    pool = [_make_prepare(plan, store, part) for part in plan.pretrain_parts]
    tables = [_make_prepare(plan, store, part) for part in plan.evaluate_parts]
    yield from (*pool, *tables)
    for training in keys.trainings(plan):
        trained = _make_pretrain(plan, store, pool, training.seed, training.fold)
        yield trained
        for epoch in keys.epochs_of(plan):
            for part, table in zip(plan.evaluate_parts, tables, strict=True):
                yield from _make_evaluations(plan, store, trained, training, part, table, epoch)


def _make_prepare(plan: Plan, store: Store, part: Part) -> Stage:
    key = keys.prepare_key(plan, part)
    groups = part.choice.spec.card.groups
    job = PrepareJob(name=part.name, dataset=part.dataset, settings=plan.prepare, canvas=plan.canvas, groups=groups)

    def make(scratch: Path, live: StageProgress) -> None:
        prepare(job, scratch, live.report_count)

    return Stage(
        kind="prepare", key=key, folder=store.prepared / key, title=f"prepare {part.name}", inputs=(), make=make,
        size=prepared_bytes(part.dataset, plan.canvas),
        shape=keys.digest(part.choice.key(), plan.canvas), family=keys.digest(part.choice.component.name, plan.canvas),
        rows=len(part.dataset.labels),
    )  # fmt: skip


def _make_pretrain(plan: Plan, store: Store, pool: Sequence[Stage], seed: int, fold: int) -> Stage:
    key = keys.pretrain_key(plan, seed, fold)

    def make(folder: Path, live: StageProgress) -> None:
        from sslbench.train.distributed.launch import WorkerTask, broadcast_task, is_launched_externally, run_workers
        from sslbench.train.pretrain import pretrain

        _set_threads(plan)
        named = [(stage.folder, part.name) for stage, part in zip(pool, plan.pretrain_parts, strict=True)]
        if plan.train.processes > 1 and plan.spec.trains and not is_launched_externally():
            task = WorkerTask(
                tree=plan.request, threads=plan.threads, precision=plan.train.precision, seed=seed, fold=fold,
                tables=tuple((str(path.absolute()), name) for path, name in named),
            )  # fmt: skip
            run_workers(plan, task, folder, live.report_step)
            return
        if plan.train.processes > 1 and plan.spec.trains and not environment.process_rank():
            broadcast_task(key, folder)
        pretrain(plan, [_open_table(path, name) for path, name in named], seed, fold, folder, live.report_step)

    return Stage(
        kind="pretrain", key=key, folder=store.stage("pretrain", key),
        title=f"{_describe_run(plan, seed)} {'pretrain' if plan.spec.trains else 'weights'}",
        inputs=tuple(stage.folder for stage in pool), make=make, seed=seed, fold=fold, shape=keys.pretrain_shape(plan),
        rows=_trained_rows(plan, sum(stage.rows for stage in pool)), family=keys.pretrain_family(plan),
        encoder=keys.encoder_shape(plan), passes_encoder=plan.spec.trains,
    )  # fmt: skip


def _trained_rows(plan: Plan, pool: int) -> int:
    """Return the number of rows that a training passes."""
    if not plan.spec.trains:
        return 0
    return plan.train.steps * min(plan.train.batch_size, pool) or pool * plan.train.epochs


def _describe_run(plan: Plan, seed: int) -> str:
    """Return method, backbones, augmentations and seed for the titles of stages."""
    names = [choice.name for choice in plan.backbones.values()] + [views.name for views in plan.augmentations]
    return f"{plan.method.name} ({', '.join(names)}) seed {seed}" if names else f"{plan.method.name} seed {seed}"


def _make_evaluations(
    plan: Plan, store: Store, trained: Stage, training: keys.TrainingInputs, part: Part, table: Stage, epoch: int | None
) -> Iterator[Stage]:
    """Yield the stages of one evaluation part: features, features of augmented views if needed, and every protocol."""
    seed = training.seed
    key = keys.extract_key(plan, trained.key, part, epoch)
    augmented_key = keys.views_key(plan, key, part)
    features = store.stage("extract", key)
    augmented = store.stage("extract", augmented_key) if augmented_key else None
    title = _describe_run(plan, seed) + ("" if epoch is None else f" epoch {epoch}")

    def make_input() -> EvaluationInput:
        from sslbench.evaluation.stage import EvaluationInput
        from sslbench.train.pretrain import load_pretrained

        _set_threads(plan)
        method = load_pretrained(plan, seed, trained.folder, epoch)
        opened = _open_table(table.folder, part.name)
        return EvaluationInput(plan=plan, method=method, pretrained=trained.folder, part=part, table=opened, seed=seed)

    def embed(folder: Path, live: StageProgress) -> None:
        from sslbench.evaluation.stage import extract_stage

        extract_stage(make_input(), folder, live.report_count)

    def embed_views(folder: Path, live: StageProgress) -> None:
        from sslbench.evaluation.stage import extract_views_stage

        extract_views_stage(make_input(), folder, live.report_count)

    def measure(evaluation: keys.Evaluation, folder: Path, live: StageProgress) -> None:
        from sslbench.evaluation.stage import evaluate_stage

        views = augmented if evaluation.needs_views else None
        evaluate_stage(make_input(), evaluation, features, views, folder, on_step=live.report_named_step)

    encoder = keys.encoder_shape(plan)
    known = partial(Stage, seed=seed, fold=training.folds[0], encoder=encoder)
    inputs = (trained.folder, table.folder)
    yield known(
        kind="extract", key=key, folder=features, title=f"{title} features of {part.name}", make=embed, inputs=inputs,
        shape=encoder, rows=table.rows, family=encoder, passes_encoder=True,
    )  # fmt: skip
    if augmented_key and augmented:
        yield known(
            kind="extract", key=augmented_key, folder=augmented, title=f"{title} features of views of {part.name}",
            make=embed_views, inputs=inputs, shape=keys.encoder_shape(plan, "views"), rows=table.rows,
            family=keys.encoder_shape(plan, "views"), passes_encoder=True,
        )  # fmt: skip
    for evaluation in keys.evaluations(plan, training, part, epoch):
        answer_key = keys.evaluate_key(plan, key, augmented_key, evaluation)
        labels = f" with {evaluation.fraction:.3g} of the labels" if evaluation.fraction not in (None, 1.0) else ""
        yield known(
            kind="evaluate", key=answer_key, folder=store.stage("evaluate", answer_key), make=partial(measure, evaluation),
            inputs=(features, augmented) if augmented and evaluation.needs_views else (features,),
            title=f"{title} {evaluation.protocol.name} on {part.name}{labels}",
            shape=keys.encoder_shape(plan, evaluation.protocol.key(), evaluation.fraction), facts=evaluation.facts,
            rows=_evaluated_rows(plan, evaluation, table.rows), passes_encoder=needs_encoders(evaluation.protocol),
            family=keys.evaluate_family(plan, evaluation.protocol),
        )  # fmt: skip


def _evaluated_rows(plan: Plan, evaluation: keys.Evaluation, rows: int) -> int:
    """Estimate the number of rows that an evaluation passes: those of the table, or those of its trainings."""
    protocol = evaluation.protocol
    if protocol.spec.samples_seen is None:
        return rows
    bank = _bank_rows(evaluation.part, plan.splits) * (evaluation.fraction or 1.0)
    seen: int = protocol.spec.samples_seen(protocol.config, max(1, round(bank)))
    return len(evaluation.folds) * seen


@lru_cache(maxsize=256)
def _bank_rows(part: Part, splits: SplitSettings) -> int:
    return estimate_bank(part.dataset.labels, part.dataset.columns, splits, part.choice.spec.card.groups)


def write_record(plan: Plan, name: str, stages: Sequence[Stage], store: Store) -> Record:
    """Write a run's record and folder from its stages; the record includes the first failure."""
    done = [stage for stage in stages if is_finished(stage.folder)]
    failures = [failure for stage in stages if (failure := load_failure(stage.folder)) is not None]
    measured = RunMeasurements(stages=[stage for stage in done if stage.kind != "prepare"])
    for stage in done:
        if stage.kind == "evaluate":
            measured.add(stage)
    folders = {stage.key: stage.folder for stage in done if stage.kind == "prepare"}
    measured.tables = _open_tables(plan, (*plan.pretrain_parts, *plan.evaluate_parts), folders)
    measured.splits = save_splits(plan, _open_tables(plan, plan.evaluate_parts, folders), store.root)
    record = make_record(plan, name, failures[0] if failures else None, measured)
    learned = _open_tables(plan, plan.pretrain_parts[:1], folders)
    if problem := _draw_figures(plan, done, measured.tables, learned, store.run(name) / "figures"):
        record = replace(record, reason="; ".join(filter(None, (record.reason, problem))))
    return write_run(store, record, measured, failures[0].traceback if failures else "")


def _draw_figures(
    plan: Plan, done: Sequence[Stage], tables: Sequence[Prepared], learned: Sequence[Prepared], figures: Path
) -> str:
    """Draw a run's figures; return the reason if that fails, so that the scores are kept."""
    try:
        for folder in [stage.folder for stage in done if stage.kind == "pretrain"][:1]:
            draw_illustrations(folder, figures)
        evaluations = [stage for stage in done if stage.kind == "evaluate"]
        draw_exemplars(evaluations, tables, figures)
        draw_points(evaluations, figures)
        for table in learned:
            draw_augmentation_preview(plan, table, figures)
        for table in dict.fromkeys(tables):
            alone = sum(other.name == table.name for other in dict.fromkeys(tables)) == 1
            draw_examples(table, figures, "" if alone else f"-{table.key[:6]}")
    except Exception as error:  # a plugin's images may raise any error in the drawing library
        return f"{NOT_DRAWN}: {type(error).__name__}: {' '.join(str(error).split())}"
    return ""


def _open_tables(plan: Plan, parts: Sequence[Part], folders: Mapping[str, Path]) -> list[Prepared]:
    """Return the prepared tables of the parts whose preparation succeeded."""
    found = [(part, folders.get(keys.prepare_key(plan, part))) for part in parts]
    return [_open_table(folder, part.name) for part, folder in found if folder is not None]


@lru_cache(maxsize=64)
def _open_table(folder: Path, name: str) -> Prepared:
    return open_prepared(folder, name)


def _set_threads(plan: Plan) -> None:
    import torch

    torch.set_num_threads(plan.threads)
