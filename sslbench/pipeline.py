"""The whole program on one screen: request -> plan -> prepare -> pretrain -> extract -> evaluate -> record.

Every stage takes values and leaves its output under a key made of its inputs, so asking twice costs nothing and a killed
run goes on where it stopped. Stages are functions in their own packages; this module only joins them.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from sslbench import environment
from sslbench.api.errors import DataBroken, DataMissing, Diverged, RequestError, Unavailable
from sslbench.api.values import Event
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.catalog.events import Herald
from sslbench.catalog.facts import Catalog
from sslbench.config import keys
from sslbench.config.checks import needs_encoders
from sslbench.config.parts import Part
from sslbench.config.plan import Machine, Plan, make_plan
from sslbench.config.request import Tree, read_request
from sslbench.data.prepare import Job, prepare
from sslbench.data.table import Prepared
from sslbench.protocols.evaluate import Subject, evaluate_stage, extract_stage
from sslbench.report.live import Display, Line, Quiet
from sslbench.results.frames import Results
from sslbench.results.record import Record, Status
from sslbench.results.splits import save_splits
from sslbench.results.store import Store
from sslbench.results.write import Measured, Stage, make_record, write_run
from sslbench.train.loop import Moment
from sslbench.train.pretrain import pretrain, reopen


def run(
    method: str,
    dataset: str,
    *,
    out: str | Path = "runs",
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    display: Display | None = None,
) -> Results:
    """Do what `sslbench run` does; `settings` maps dotted paths to values. The first record is the method's own."""
    overrides = [f"{path}={_written(value)}" for path, value in (settings or {}).items()]
    catalog = discover(installed_entries(), disabled=environment.disabled_plugins())
    file = Path(config) if config else None
    options = {"data": {"name": dataset}}
    return run_requests(method.split(","), options, overrides, file, Path(out), catalog, display or Quiet())


def run_requests(
    methods: Sequence[str],
    options: Mapping[str, Any],
    overrides: Sequence[str],
    file: Path | None,
    out: Path,
    catalog: Catalog,
    show: Display,
) -> Results:
    """Run one request per method, and the baselines of each; equal rows run once."""
    plans: dict[str, Plan] = {}
    for method in methods:
        named = {**options, "method": {"name": method}} if method else dict(options)
        for plan in plan_with_baselines(read_request(file, named, overrides), catalog, show):
            plans.setdefault(keys.run_id(plan), plan)
    first = sorted(plans.values(), key=lambda plan: plan.spec.baseline)
    store = Store(root=out)
    return Results(records=tuple(run_plan(plan, store, catalog, show) for plan in first))


def plan_with_baselines(tree: Tree, catalog: Catalog, show: Display) -> list[Plan]:
    """The method's plan, and those of the rows that every table needs: same data, encoders, views and epochs."""
    machine = Machine(threads=environment.cores(), precision=_precision())
    places = environment.places()
    first = make_plan(tree, catalog, places, machine)
    plans = [first]
    for name in _baselines(first, catalog):
        try:
            plans.append(make_plan(baseline_tree(first, name), catalog, places, machine))
        except RequestError as error:
            show.say(f"baseline {name!r} left out: {error.problems[0]}")
    return plans


def baseline_tree(plan: Plan, name: str) -> Tree:
    """The request of a baseline beside a plan: its own recipe, and everything else that makes rows comparable."""
    shared = ("data", "evaluate", "backbone", "backbones", "modalities", "view", "prepare", "splits", "pretrain")
    tree = {key: plan.request[key] for key in (*shared, "protocols", "measure", "threads") if key in plan.request}
    train: dict[str, Any] = {"epochs": plan.train.epochs, "batch": plan.train.batch, "precision": plan.train.precision}
    train["checkpoint_seconds"] = plan.train.checkpoint_seconds
    return {**tree, "method": {"name": name}, "seeds": list(plan.seeds), "folds": list(plan.folds), "train": train}


def _baselines(plan: Plan, catalog: Catalog) -> Sequence[str]:
    wanted = plan.request.get("baselines")
    if wanted is None:
        wanted = [c.name for c in catalog.all("method") if c.spec.baseline]
    if isinstance(wanted, str):
        wanted = [] if wanted == "none" else wanted.split(",")
    return [name for name in wanted if name != plan.method.component.name]


def run_plan(plan: Plan, store: Store, catalog: Catalog, show: Display) -> Record:
    """Run one plan to its record; a failure becomes a record too, and stops nobody else."""
    name = keys.run_id(plan)
    herald = Herald(catalog, show.say)
    runner = _Runner(plan=plan, store=store, herald=herald, show=show, name=name)
    herald.tell(Event(kind="planned", run=name, values={"seeds": len(plan.seeds), "folds": len(plan.folds)}))
    herald.tell(Event(kind="started", run=name))
    status: Status = "done"
    reason = ""
    started = environment.stopwatch()
    try:
        for _ in runner.stages():
            pass
        status = "collapsed" if any(s.metric == "collapsed" and s.value > 0 for s in runner.measured.scores) else "done"
    except Diverged as error:
        status, reason = "diverged", str(error)
    except Unavailable as error:
        status, reason = "unavailable", str(error)
    except (DataMissing, DataBroken, RequestError):
        raise
    except Exception as error:  # the run fails, is recorded with its traceback, and the next one goes on
        status, reason = "failed", f"{type(error).__name__}: {error}"
        runner.measured.traceback = traceback.format_exc()
    record = make_record(plan, name, status, reason, runner.measured, environment.stopwatch() - started)
    record = write_run(store, record, runner.measured)
    kind: Literal["failed", "finished"] = "failed" if status == "failed" else "finished"
    herald.tell(Event(kind=kind, run=name, values={"status": status, "reason": reason}))
    return record


@dataclass(slots=True, kw_only=True)
class _Runner:
    """One plan on its way through the stages."""

    plan: Plan
    store: Store
    herald: Herald
    show: Display
    name: str
    measured: Measured = field(default_factory=Measured)

    def stages(self) -> Iterator[Stage]:
        """Do every stage in order."""
        import torch

        torch.set_num_threads(self.plan.threads)
        plan = self.plan
        pool = [self._prepare(part) for part in plan.pretrain_parts]
        tables = [self._prepare(part) for part in plan.evaluate_parts]
        self.measured.tables = (*pool, *tables)
        self.measured.splits = save_splits(plan, tables, self.store.root)
        for seed in plan.seeds:
            for fold, folds in self._units():
                yield from self._unit(pool, tables, seed, fold, folds)

    def _units(self) -> Sequence[tuple[int, tuple[int, ...]]]:
        """Which fold is pretrained on, and which it is measured on: one pretraining each where folds limit the pool."""
        if self.plan.pool == "train" or self.plan.spec.takes_target:
            return [(fold, (fold,)) for fold in self.plan.folds]
        return [(self.plan.folds[0], self.plan.folds)]

    def _unit(
        self, pool: Sequence[Prepared], tables: Sequence[Prepared], seed: int, fold: int, folds: tuple[int, ...]
    ) -> Iterator[Stage]:
        plan, store = self.plan, self.store
        key = keys.pretrain_key(plan, seed, fold)
        with self.show.stage(f"{plan.method.name} seed {seed} pretrain") as live:
            work = partial(pretrain, plan, pool, seed, fold, watch=self._watched(live))
            folder = store.produce("pretrain", key, work)
        yield self._done(Stage(kind="pretrain", key=key, seed=seed, fold=fold))
        for epoch in (*plan.train.snapshots, None) if plan.spec.trains else (None,):
            method = reopen(plan, seed, folder, epoch)
            for part, table in zip(plan.evaluate_parts, tables, strict=True):
                subject = Subject(plan=plan, method=method, pretrained=folder, table=table, seed=seed, epoch=epoch)
                yield from self._measure(subject, part, key, folds)

    def _measure(self, subject: Subject, part: Part, pretrained: str, folds: tuple[int, ...]) -> Iterator[Stage]:
        plan, store, seed, epoch = self.plan, self.store, subject.seed, subject.epoch
        key = keys.extract_key(plan, pretrained, part, epoch)
        who = f"{plan.method.name} seed {seed}" + ("" if epoch is None else f" epoch {epoch}")
        with self.show.stage(f"{who} features of {part.name}") as live:
            features = store.produce("extract", key, lambda f: extract_stage(subject, f, live.tick))
        yield self._done(Stage(kind="extract", key=key, seed=seed, fold=folds[0]))
        for protocol in plan.protocols:
            if epoch is not None and needs_encoders(protocol):
                continue
            answer = keys.evaluate_key(plan, key, protocol, seed, folds)
            with self.show.stage(f"{who} {protocol.name} on {part.name}") as live:
                work = partial(evaluate_stage, subject, protocol, features, folds, watch=live.named)
                folder = store.produce("evaluate", answer, work)
            self.measured.add(folder)
            yield self._done(Stage(kind="evaluate", key=answer, seed=seed, fold=folds[0]))

    def _prepare(self, part: Part) -> Prepared:
        plan = self.plan
        job = Job(
            key=keys.prepare_key(plan, part),
            name=part.name,
            dataset=part.dataset,
            settings=plan.prepare,
            canvas=plan.canvas,
            groups=part.choice.spec.card.groups,
        )
        with self.show.stage(f"prepare {part.name}") as live:
            table = prepare(job, environment.places().data / "prepared", live.tick)
        if table.unreadable:
            self.show.say(f"{part.name}: {len(table.unreadable)} unreadable sample(s) left out: {table.unreadable[0]}")
        return table

    def _watched(self, live: Line) -> Callable[[Moment], None]:
        """Show a training's steps, and tell the listeners."""

        def watch(moment: Moment) -> None:
            live.moment(moment)
            values = {"epoch": moment.epoch, "step": moment.step, "loss": moment.loss}
            self.herald.tell(Event(kind="step", run=self.name, stage="pretrain", values=values))

        return watch

    def _done(self, stage: Stage) -> Stage:
        self.measured.stages.append(stage)
        self.herald.tell(Event(kind="stage", run=self.name, stage=f"{stage.kind}/{stage.key}"))
        return stage


def _precision() -> Literal["float32", "bfloat16"]:
    return cast(Literal["float32", "bfloat16"], environment.best_precision())


def _written(value: Any) -> str:
    """A Python value as an override writes it."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)
