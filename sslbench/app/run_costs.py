"""Show the cost of a run: an estimate before it starts, progress, and a summary at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sslbench import environment
from sslbench.app.extra_workers import count_extra_workers
from sslbench.config.plan import Plan
from sslbench.pipeline.stages import make_stages
from sslbench.progress import Display, ExpectedStage, RunProgress
from sslbench.report.console.costs import doubt_lines, run_lines, stage_lines, took_lines
from sslbench.stages.graph import Run, Stage, distinct_stages
from sslbench.stages.stage import has_checkpoint, is_finished, load_cost
from sslbench.study.estimate import PLAN_SECONDS, RUN_SECONDS, estimate, find_failed
from sslbench.study.rates import open_rates


@dataclass(slots=True)
class RunCosts:
    """The costs of one run of this process; `display` displays lines and the remaining stages."""

    display: Display
    _left: dict[Path, tuple[Stage, str]] = field(default_factory=dict)

    def begin(self, planned: Sequence[tuple[Plan, Run]]) -> None:
        """Show the stages of a run and their estimated time, and start the display's count."""
        rates = open_rates()
        limit = RUN_SECONDS if environment.process_count() == 1 else 0.0
        found = estimate([(plan, run.stages) for plan, run in planned], make_stages, limit, rates)
        plans = [plan for plan, _ in planned]
        workers = 1 + count_extra_workers(plans, distinct_stages(run for _, run in planned).values())
        for line in run_lines(plans, found, workers):
            self.display.log(line)
        failed = find_failed(stage for _, run in planned for stage in run.stages)
        for plan, run in planned:
            for stage in run.stages:
                if not is_finished(stage.folder) and stage.folder not in failed:
                    self._left.setdefault(stage.folder, (stage, plan.method.name))
        expected = [
            ExpectedStage(
                title=stage.title,
                kind=stage.kind,
                seconds=rates.estimate(stage) or 0.0,
                is_made=partial(is_finished, stage.folder),
            )
            for stage, _ in self._left.values()
        ]
        if expected:
            self.display.expect(RunProgress(expected, workers))

    def end(self) -> None:
        """Store the costs of stages on this machine for later estimates."""
        if self._left:
            rates = open_rates()
            rates.learn(stage for stage, _ in self._left.values())
            rates.save()

    def describe_kept(self, out: Path) -> str:
        """Return a line about what is kept of an interrupted run: finished stages, and checkpoints."""
        if not self._left:
            return "Nothing was started"
        made = [stage for path, (stage, _) in self._left.items() if is_finished(path)]
        started = [stage for path, (stage, _) in self._left.items() if not is_finished(path) and has_checkpoint(path)]
        parts = [f"{len(made)} of {len(self._left)} stages that had to be made"]
        parts += [f"a checkpoint of {stage.title!r}" for stage in started]
        return f"Kept in {out}: {', '.join(parts)}"

    def spent(self) -> list[tuple[float, str]]:
        """Return seconds and kind of every finished stage."""
        return [
            (float(load_cost(path)["seconds"]), stage.kind)
            for path, (stage, _) in self._left.items()
            if is_finished(path)
        ]

    def took_lines(self) -> Iterator[str]:
        """Yield lines about the time per kind of stage and per method."""
        seconds: dict[str, float] = {}
        by_method: dict[str, float] = {}
        for path, (stage, method) in self._left.items():
            if is_finished(path):
                spent = float(load_cost(path)["seconds"])
                seconds[stage.kind] = seconds.get(stage.kind, 0.0) + spent
                if stage.kind != "prepare":
                    by_method[method] = by_method.get(method, 0.0) + spent
        yield from took_lines(seconds, by_method)


def plan_lines(planned: Sequence[tuple[Plan, Run]]) -> Iterator[str]:
    """Yield lines about the stages of a run, their estimated time, and the uncertainty of the estimate."""
    found = estimate([(plan, run.stages) for plan, run in planned], make_stages, PLAN_SECONDS)
    plans = [plan for plan, _ in planned]
    workers = 1 + count_extra_workers(plans, distinct_stages(run for _, run in planned).values())
    yield from run_lines(plans, found, workers)
    yield from stage_lines(found)
    yield from doubt_lines(found)
