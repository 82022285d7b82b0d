"""The whole program on one screen: request -> plan -> prepare -> pretrain -> extract -> evaluate -> record.

A plan becomes a list of stages; each takes folders and leaves one, under a key made of its inputs, so asking twice costs
nothing and a killed run goes on where it stopped. Stages are functions in their own packages; this module joins them.
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
from sslbench.report.figures.augmentation_preview import draw_seen
from sslbench.report.figures.cluster_exemplars import draw_exemplars
from sslbench.report.figures.dataset_examples import draw_examples
from sslbench.report.figures.method_illustrations import draw_illustrations
from sslbench.report.figures.scatter import draw_points
from sslbench.results.record import Record
from sslbench.results.reuse import NOTE, describe_inputs, is_written, note_written
from sslbench.results.store import Store
from sslbench.stages.graph import Run, Stage
from sslbench.stages.stage import failure_of, finished

UNDRAWN = "figures not drawn"
"""How a record's reason begins where they could not be drawn; they are tried again the next time."""

if TYPE_CHECKING:
    from sslbench.evaluation.stage import Subject

# What makes a stage imports torch and much else, so it is imported by whoever makes one: plans and finished runs need none.


def run_of(plan: Plan, store: Store) -> Run:
    """A plan as work: its stages, and the record that closes it."""
    name = keys.run_id(plan)
    stages = tuple(stages_of(plan, store))

    def close() -> None:
        inputs = describe_inputs(plan, name, stages)
        if not is_written(store, name, inputs):
            (store.run(name) / NOTE).unlink(missing_ok=True)
            if UNDRAWN not in record_of(plan, name, stages, store).reason:
                note_written(store, name, inputs)

    return Run(name=name, stages=stages, record=store.run(name) / "record.json", close=close)


def stages_of(plan: Plan, store: Store) -> Iterator[Stage]:
    """Every stage of a plan, in an order in which they can be made. Nothing is made, and every key is known."""
    pool = [_prepare(plan, store, part) for part in plan.pretrain_parts]
    tables = [_prepare(plan, store, part) for part in plan.evaluate_parts]
    yield from (*pool, *tables)
    for training in keys.trainings(plan):
        trained = _pretrain(plan, store, pool, training.seed, training.fold)
        yield trained
        for epoch in keys.epochs_of(plan):
            for part, table in zip(plan.evaluate_parts, tables, strict=True):
                yield from _measure(plan, store, trained, training, part, table, epoch)


def _prepare(plan: Plan, store: Store, part: Part) -> Stage:
    key = keys.prepare_key(plan, part)
    groups = part.choice.spec.card.groups
    job = PrepareJob(name=part.name, dataset=part.dataset, settings=plan.prepare, canvas=plan.canvas, groups=groups)

    def make(scratch: Path, live: StageProgress) -> None:
        prepare(job, scratch, live.tick)

    return Stage(
        kind="prepare", key=key, folder=store.prepared / key, title=f"prepare {part.name}", needs=(), make=make,
        size=prepared_bytes(part.dataset, plan.canvas),
        shape=keys.digest(part.choice.key(), plan.canvas), family=keys.digest(part.choice.component.name, plan.canvas),
        rows=len(part.dataset.labels),
    )  # fmt: skip


def _pretrain(plan: Plan, store: Store, pool: Sequence[Stage], seed: int, fold: int) -> Stage:
    key = keys.pretrain_key(plan, seed, fold)

    def make(folder: Path, live: StageProgress) -> None:
        from sslbench.train.distributed.launch import WorkerTask, call, spawn, started_together
        from sslbench.train.pretrain import pretrain

        _threads(plan)
        named = [(stage.folder, part.name) for stage, part in zip(pool, plan.pretrain_parts, strict=True)]
        if plan.train.processes > 1 and plan.spec.trains and not started_together():
            errand = WorkerTask(
                tree=plan.request, threads=plan.threads, precision=plan.train.precision, seed=seed, fold=fold,
                tables=tuple((str(path.absolute()), name) for path, name in named),
            )  # fmt: skip
            spawn(plan, errand, folder, live.moment)
            return
        if plan.train.processes > 1 and plan.spec.trains and not environment.rank():
            call(key, folder)
        pretrain(plan, [_opened(path, name) for path, name in named], seed, fold, folder, live.moment)

    return Stage(
        kind="pretrain", key=key, folder=store.stage("pretrain", key),
        title=f"{_who(plan, seed)} {'pretrain' if plan.spec.trains else 'weights'}",
        needs=tuple(stage.folder for stage in pool), make=make, seed=seed, fold=fold, shape=keys.pretrain_shape(plan),
        rows=_trained_rows(plan, sum(stage.rows for stage in pool)), family=keys.pretrain_family(plan),
        encoder=keys.encoder_shape(plan), passes_encoder=plan.spec.trains,
    )  # fmt: skip


def _trained_rows(plan: Plan, pool: int) -> int:
    """How many rows a training goes through."""
    if not plan.spec.trains:
        return 0
    return plan.train.steps * min(plan.train.batch_size, pool) or pool * plan.train.epochs


def _who(plan: Plan, seed: int) -> str:
    """Whose stage it is, as progress tells it."""
    used = [choice.name for choice in plan.backbones.values()] + [views.name for views in plan.augmentations]
    return f"{plan.method.name} ({', '.join(used)}) seed {seed}" if used else f"{plan.method.name} seed {seed}"


def _measure(
    plan: Plan, store: Store, trained: Stage, training: keys.Training, part: Part, table: Stage, epoch: int | None
) -> Iterator[Stage]:
    """The features of one evaluation part, those of its augmented views where asked for, and every protocol's answers."""
    seed = training.seed
    key = keys.extract_key(plan, trained.key, part, epoch)
    augmented_key = keys.views_key(plan, key, part)
    features = store.stage("extract", key)
    augmented = store.stage("extract", augmented_key) if augmented_key else None
    who = _who(plan, seed) + ("" if epoch is None else f" epoch {epoch}")

    def subject() -> Subject:
        from sslbench.evaluation.stage import Subject
        from sslbench.train.pretrain import reopen

        _threads(plan)
        method = reopen(plan, seed, trained.folder, epoch)
        opened = _opened(table.folder, part.name)
        return Subject(plan=plan, method=method, pretrained=trained.folder, part=part, table=opened, seed=seed)

    def embed(folder: Path, live: StageProgress) -> None:
        from sslbench.evaluation.stage import extract_stage

        extract_stage(subject(), folder, live.tick)

    def embed_views(folder: Path, live: StageProgress) -> None:
        from sslbench.evaluation.stage import extract_views_stage

        extract_views_stage(subject(), folder, live.tick)

    def measure(asked: keys.Evaluation, folder: Path, live: StageProgress) -> None:
        from sslbench.evaluation.stage import evaluate_stage

        views = augmented if asked.needs_views else None
        evaluate_stage(subject(), asked, features, views, folder, watch=live.named)

    encoder = keys.encoder_shape(plan)
    known = partial(Stage, seed=seed, fold=training.folds[0], encoder=encoder)
    inputs = (trained.folder, table.folder)
    yield known(
        kind="extract", key=key, folder=features, title=f"{who} features of {part.name}", make=embed, needs=inputs,
        shape=encoder, rows=table.rows, family=encoder, passes_encoder=True,
    )  # fmt: skip
    if augmented_key and augmented:
        yield known(
            kind="extract", key=augmented_key, folder=augmented, title=f"{who} features of views of {part.name}",
            make=embed_views, needs=inputs, shape=keys.encoder_shape(plan, "views"), rows=table.rows,
            family=keys.encoder_shape(plan, "views"), passes_encoder=True,
        )  # fmt: skip
    for asked in keys.evaluations(plan, training, part, epoch):
        answer = keys.evaluate_key(plan, key, augmented_key, asked)
        less = f" with {asked.fraction:.3g} of the labels" if asked.fraction not in (None, 1.0) else ""
        yield known(
            kind="evaluate", key=answer, folder=store.stage("evaluate", answer), make=partial(measure, asked),
            needs=(features, augmented) if augmented and asked.needs_views else (features,),
            title=f"{who} {asked.protocol.name} on {part.name}{less}",
            shape=keys.encoder_shape(plan, asked.protocol.key(), asked.fraction), facts=asked.facts,
            rows=_evaluated_rows(plan, asked, table.rows), passes_encoder=needs_encoders(asked.protocol),
            family=keys.evaluate_family(plan, asked.protocol),
        )  # fmt: skip


def _evaluated_rows(plan: Plan, asked: keys.Evaluation, rows: int) -> int:
    """About how many rows an evaluation goes through: those of the table, or those that its trainings pass."""
    protocol = asked.protocol
    if protocol.spec.samples_seen is None:
        return rows
    bank = _bank_rows(asked.part, plan.splits) * (asked.fraction or 1.0)
    seen: int = protocol.spec.samples_seen(protocol.config, max(1, round(bank)))
    return len(asked.folds) * seen


@lru_cache(maxsize=256)
def _bank_rows(part: Part, splits: SplitSettings) -> int:
    return estimate_bank(part.dataset.labels, part.dataset.columns, splits, part.choice.spec.card.groups)


def record_of(plan: Plan, name: str, stages: Sequence[Stage], store: Store) -> Record:
    """Gather what the stages left into the run's record and folder; what failed is said in it."""
    done = [stage for stage in stages if finished(stage.folder)]
    failures = [failure for stage in stages if (failure := failure_of(stage.folder)) is not None]
    measured = RunMeasurements(stages=[stage for stage in done if stage.kind != "prepare"])
    for stage in done:
        if stage.kind == "evaluate":
            measured.add(stage)
    folders = {stage.key: stage.folder for stage in done if stage.kind == "prepare"}
    measured.tables = _tables(plan, (*plan.pretrain_parts, *plan.evaluate_parts), folders)
    measured.splits = save_splits(plan, _tables(plan, plan.evaluate_parts, folders), store.root)
    record = make_record(plan, name, failures[0] if failures else None, measured)
    learned = _tables(plan, plan.pretrain_parts[:1], folders)
    if undrawn := _undrawn(plan, done, measured.tables, learned, store.run(name) / "figures"):
        record = replace(record, reason="; ".join(filter(None, (record.reason, undrawn))))
    return write_run(store, record, measured, failures[0].traceback if failures else "")


def _undrawn(
    plan: Plan, done: Sequence[Stage], tables: Sequence[Prepared], learned: Sequence[Prepared], figures: Path
) -> str:
    """Draw a run's own figures; say why where that fails, which must not cost its numbers."""
    try:
        for folder in [stage.folder for stage in done if stage.kind == "pretrain"][:1]:
            draw_illustrations(folder, figures)
        evaluations = [stage for stage in done if stage.kind == "evaluate"]
        draw_exemplars(evaluations, tables, figures)
        draw_points(evaluations, figures)
        for table in learned:
            draw_seen(plan, table, figures)
        for table in dict.fromkeys(tables):
            alone = sum(other.name == table.name for other in dict.fromkeys(tables)) == 1
            draw_examples(table, figures, "" if alone else f"-{table.key[:6]}")
    except Exception as error:  # whatever a plugin's images do to a drawing library
        return f"{UNDRAWN}: {type(error).__name__}: {' '.join(str(error).split())}"
    return ""


def _tables(plan: Plan, parts: Sequence[Part], folders: Mapping[str, Path]) -> list[Prepared]:
    """The prepared tables of those parts that could be prepared."""
    found = [(part, folders.get(keys.prepare_key(plan, part))) for part in parts]
    return [_opened(folder, part.name) for part, folder in found if folder is not None]


@lru_cache(maxsize=64)
def _opened(folder: Path, name: str) -> Prepared:
    return open_prepared(folder, name)


def _threads(plan: Plan) -> None:
    import torch

    torch.set_num_threads(plan.threads)
