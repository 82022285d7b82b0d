"""What a run costs: said before it starts, shown while it goes on, and summed up at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sslbench import environment
from sslbench.app.extra_workers import count_extra_workers
from sslbench.config.plan import Plan
from sslbench.pipeline.stages import stages_of
from sslbench.progress import Display, Expected, RunProgress
from sslbench.report.console.costs import doubt_lines, run_lines, stage_lines, took_lines
from sslbench.stages.graph import Run, Stage, distinct
from sslbench.stages.stage import cost, finished, has_checkpoint
from sslbench.study.estimate import PLAN_SECONDS, RUN_SECONDS, estimate, find_failed
from sslbench.study.rates import open_rates


@dataclass(slots=True)
class RunCosts:
    """The costs of one run of this process; `show` gets the lines and the count of what is left."""

    show: Display
    _left: dict[Path, tuple[Stage, str]] = field(default_factory=dict)

    def begin(self, planned: Sequence[tuple[Plan, Run]]) -> None:
        """Say what a run does and about how long that takes, and let the display count toward it."""
        rates = open_rates()
        limit = RUN_SECONDS if environment.processes() == 1 else 0.0
        found = estimate([(plan, run.stages) for plan, run in planned], stages_of, limit, rates)
        plans = [plan for plan, _ in planned]
        workers = 1 + count_extra_workers(plans, distinct(run for _, run in planned).values())
        for line in run_lines(plans, found, workers):
            self.show.say(line)
        failed = find_failed(stage for _, run in planned for stage in run.stages)
        for plan, run in planned:
            for stage in run.stages:
                if not finished(stage.folder) and stage.folder not in failed:
                    self._left.setdefault(stage.folder, (stage, plan.method.name))
        expected = [
            Expected(
                title=stage.title,
                kind=stage.kind,
                seconds=rates.seconds(stage) or 0.0,
                is_made=partial(finished, stage.folder),
            )
            for stage, _ in self._left.values()
        ]
        if expected:
            self.show.expect(RunProgress(expected, workers))

    def end(self) -> None:
        """Keep what stages cost on this machine, for estimates to come."""
        if self._left:
            rates = open_rates()
            rates.learn(stage for stage, _ in self._left.values())
            rates.keep()

    def describe_kept(self, out: Path) -> str:
        """Say what is kept of a run that was interrupted: stages that are whole, and the checkpoint of another."""
        if not self._left:
            return "Nothing was begun"
        made = [stage for path, (stage, _) in self._left.items() if finished(path)]
        begun = [stage for path, (stage, _) in self._left.items() if not finished(path) and has_checkpoint(path)]
        parts = [f"{len(made)} of {len(self._left)} stages that had to be made"]
        parts += [f"a checkpoint of {stage.title!r}" for stage in begun]
        return f"Kept in {out}: {', '.join(parts)}"

    def spent(self) -> list[tuple[float, str]]:
        """List the seconds and the kind of every stage that was made."""
        return [(float(cost(path)["seconds"]), stage.kind) for path, (stage, _) in self._left.items() if finished(path)]

    def took_lines(self) -> Iterator[str]:
        """Say what took the time."""
        seconds: dict[str, float] = {}
        by_method: dict[str, float] = {}
        for path, (stage, method) in self._left.items():
            if finished(path):
                spent = float(cost(path)["seconds"])
                seconds[stage.kind] = seconds.get(stage.kind, 0.0) + spent
                if stage.kind != "prepare":
                    by_method[method] = by_method.get(method, 0.0) + spent
        yield from took_lines(seconds, by_method)


def plan_lines(planned: Sequence[tuple[Plan, Run]]) -> Iterator[str]:
    """Say what a run would do, how long each kind of stage takes, and what is not known of that."""
    found = estimate([(plan, run.stages) for plan, run in planned], stages_of, PLAN_SECONDS)
    plans = [plan for plan, _ in planned]
    workers = 1 + count_extra_workers(plans, distinct(run for _, run in planned).values())
    yield from run_lines(plans, found, workers)
    yield from stage_lines(found)
    yield from doubt_lines(found)
