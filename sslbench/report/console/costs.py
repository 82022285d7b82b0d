"""Format estimated and measured costs of runs and studies as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sslbench.config.plan import Plan
from sslbench.progress import format_duration
from sslbench.study.estimate import CostEstimate

LONG_SECONDS = 600.0
"""Seconds above which shorter settings are suggested."""
NOUNS = {
    "prepare": ("preparation", "preparations"), "pretrain": ("pretraining", "pretrainings"),
    "extract": ("feature table", "feature tables"), "evaluate": ("evaluation", "evaluations"),
}  # fmt: skip
FEWER_SAMPLES = 5000


def stage_lines(found: CostEstimate) -> Iterator[str]:
    """Yield a line per kind of stage: its number, those done, and the estimated time of the others."""
    for kind, count in found.stages.items():
        done = f", {found.done[kind]} of them done" if found.done[kind] else ""
        yield f"  {kind}: {count} distinct stage{'' if count == 1 else 's'}{done}, {format_duration(found.seconds[kind])}"


def doubt_lines(found: CostEstimate) -> Iterator[str]:
    """Yield the uncertainties of an estimate."""
    if found.guessed:
        yield f"{found.guessed} stages were never measured: estimated from similar stages"
    if found.unknown:
        yield f"{found.unknown} stages are not counted: no similar stage was measured on this machine"
    yield from (f"not measured: {sentence}" for sentence in found.unmeasured)


def run_lines(plans: Sequence[Plan], found: CostEstimate, workers: int = 1) -> Iterator[str]:
    """Yield what a run compares, which stages are reused, and how long the others take with `workers` processes."""
    methods = list(dict.fromkeys(plan.method.name for plan in plans))
    data = list(dict.fromkeys(part.name for plan in plans for part in plan.evaluate_parts))
    seeds = list(dict.fromkeys(seed for plan in plans for seed in plan.seeds))
    protocols = list(dict.fromkeys(protocol.name for plan in plans for protocol in plan.protocols))
    yield (
        f"comparing: {_count(methods, 'method')} ({', '.join(methods)}) on {', '.join(data)}, "
        f"{_count(seeds, 'seed')}, {_count(protocols, 'protocol')} ({', '.join(protocols)})"
    )
    remaining = {
        kind: count - found.done[kind] - found.failed[kind] - found.unavailable[kind]
        for kind, count in found.stages.items()
    }
    again = f"; to retry: {_listed(found.failed)} that failed before" if any(found.failed.values()) else ""
    again += f"; unavailable: {_listed(found.unavailable)}" if any(found.unavailable.values()) else ""
    if not any(remaining.values()):
        yield f"reused: all results ({_listed(found.done)}); nothing to compute{again}"
        return
    seconds = found.total / workers
    by = f" in {workers} processes" if workers > 1 else ""
    about = f"about {format_duration(seconds)} on this machine{by}"
    about += f"; {format_duration(found.total)} in one process" if workers > 1 else ""
    if found.unknown:
        about += f"; {found.unknown} stages of unknown cost are not counted"
    yield f"reused: {_listed(found.done)}; to compute: {_listed(remaining)}, {about}{again}"
    for basis, parts in zip(("stage", "method"), _largest_parts(found.seconds, found.by_method), strict=True):
        if parts:
            yield f"  by {basis}: {parts}"
    if seconds > LONG_SECONDS:
        yield f"this takes longer than {format_duration(LONG_SECONDS)}. To shorten it:"
        yield from (f"  {setting}" for setting in suggest_shorter(plans))


def suggest_shorter(plans: Sequence[Plan]) -> Iterator[str]:
    """Yield settings that shorten a run, except those already at their minimum."""
    first = plans[0]
    rows = max(len(part.dataset.labels) for plan in plans for part in (*plan.pretrain_parts, *plan.evaluate_parts))
    if len(first.seeds) > 1:
        yield f"seeds={first.seeds[0]} (one of {len(first.seeds)} seeds, so no interval over trainings)"
    if len(first.folds) > 1:
        yield f"folds={first.folds[0]} (one of {len(first.folds)} folds)"
    trained = next((plan for plan in plans if plan.spec.trains), None)
    if trained is not None and not trained.train.steps and trained.train.epochs > 1:
        yield f"train.epochs={max(1, trained.train.epochs // 2)} (of {trained.train.epochs})"
    if trained is not None and trained.train.steps > 1:
        yield f"train.steps={trained.train.steps // 2} (of {trained.train.steps})"
    if rows > FEWER_SAMPLES:
        yield f"prepare.samples={FEWER_SAMPLES} (of {rows:,} samples)"
    if any(m.spec.has_size for m in first.modalities.values()) and first.view >= 64:
        yield f"view.size={first.view // 2} (a quarter of the pixels of {first.view})"
    if len(first.protocols) > 1:
        least = next((p.name for p in first.protocols if p.spec.samples_seen is None), first.protocols[0].name)
        yield f"--protocols {least} (one of {len(first.protocols)})"
    if len(plans) > 1:
        yield f"--baselines none ({len(plans)} rows now)"


def took_lines(seconds: Mapping[str, float], by_method: Mapping[str, float]) -> Iterator[str]:
    """Yield the computing time of a run by kind of stage and by method; nothing if no stage was computed."""
    total = sum(seconds.values())
    if total >= 1:
        yield f"computing time: {format_duration(total)}{_shares(seconds, by_method)}"


def _shares(seconds: Mapping[str, float], by_method: Mapping[str, float]) -> str:
    parts = "; ".join(filter(None, _largest_parts(seconds, by_method)))
    return f" ({parts})" if parts else ""


def _largest_parts(seconds: Mapping[str, float], by_method: Mapping[str, float]) -> tuple[str, str]:
    """List the parts of a time, by kind of stage and by method, the largest first."""
    return _parts({NOUNS[kind][1]: value for kind, value in seconds.items()}), _parts(by_method)


def _parts(seconds: Mapping[str, float]) -> str:
    known = sorted(((value, name) for name, value in seconds.items() if value >= 0.5), reverse=True)
    return ", ".join(f"{name} {format_duration(value)}" for value, name in known)


def _count(values: Sequence[object], noun: str) -> str:
    return f"{len(values)} {noun}{'' if len(values) == 1 else 's'}"


def _listed(counts: Mapping[str, int]) -> str:
    parts = [f"{count} {NOUNS[kind][count != 1]}" for kind, count in counts.items() if count]
    return ", ".join(parts) or "nothing"
