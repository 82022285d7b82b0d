"""What a suite demands of a bundle, and of all its bundles together. Computes no number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sslbench.leaderboard.submission.bundle import Bundle
from sslbench.leaderboard.submission.suite import Suite
from sslbench.results.record import Record


def suite_mismatches(suite: Suite, bundle: Bundle) -> Iterator[str]:
    """Data, protocols, seeds and folds are the suite's."""
    record = bundle.record
    if bundle.manifest.suite != suite.name:
        yield f"is submitted to suite {bundle.manifest.suite}, and this is {suite.name}"
    for data in record.evaluated_on:
        wanted = suite.datasets.get(data["part"])
        if wanted is None:
            yield f"is measured on {data['part']}, which the suite has not; it has {', '.join(suite.datasets)}"
        elif data.get("fingerprint") != wanted.fingerprint:
            yield f"{data['part']} has fingerprint {data.get('fingerprint')!s:.40}; the suite's is {wanted.fingerprint}"
        elif data.get("version") != wanted.version:
            yield f"{data['part']} is read by version {data.get('version')}; the suite's is {wanted.version}"
    asked = {protocol["name"]: protocol for protocol in record.protocols}
    for name, protocol in asked.items():
        of_suite = suite.protocols.get(name)
        if of_suite is None:
            yield f"is measured by {name}, which the suite has not; it has {', '.join(suite.protocols)}"
        elif protocol["version"] != of_suite.version:
            yield (
                f"{name}: version {protocol['version']} was used, and suite {suite.name!r} was measured with version "
                f"{of_suite.version}, so the numbers cannot be compared. Make a suite of the current versions: "
                "sslbench leaderboard suite STUDY"
            )
        else:
            yield from _setting_mismatches(name, protocol.get("settings", {}), of_suite.settings)
    if lacking := [name for name in suite.protocols if name not in asked]:
        yield f"is not measured by {', '.join(lacking)}"
    if record.pool != suite.pool:
        yield f"learned from pool {record.pool!s:.60}; the suite's is {suite.pool}: rows of two pools are not ranked together"
    if sorted(record.seeds) != sorted(suite.seeds):
        yield f"has seeds {', '.join(map(str, record.seeds))}; the suite's are {', '.join(map(str, suite.seeds))}"
    if sorted(record.folds) != sorted(suite.folds):
        yield f"has folds {', '.join(map(str, record.folds))}; the suite's are {', '.join(map(str, suite.folds))}"


def _setting_mismatches(name: str, given: Any, wanted: Any) -> Iterator[str]:
    for key in sorted({*given, *wanted}):
        if given.get(key) != wanted.get(key):
            yield f"{name}.{key} is {given.get(key)!r:.60}; the suite's is {wanted.get(key)!r:.60}"


def bundle_conflicts(suite: Suite, bundles: Sequence[Bundle]) -> Iterator[str]:
    """Say what is wrong with all of a suite's bundles together: duplicates, missing baselines, mixed versions."""
    by_place: dict[tuple[str, str], list[Bundle]] = defaultdict(list)
    by_entry: dict[str, dict[Any, str]] = defaultdict(dict)
    identical: dict[Any, str] = {}
    for bundle in bundles:
        record = bundle.record
        versions = (record.method["version"], tuple((b["name"], b["version"]) for b in record.backbones.values()))
        by_entry[bundle.manifest.entry].setdefault((record.method["name"], *versions), bundle.name)
        content = tuple(sorted(map(repr, bundle.answers)))
        if content and record.training and any(one.get("history") for one in record.training):
            if content in identical:
                yield f"{bundle.name} answers every sample as {identical[content]} does: a duplicated run"
            identical.setdefault(content, bundle.name)
        for data in record.evaluated_on:
            by_place[bundle.manifest.entry, data["part"]].append(bundle)
    for (entry, dataset), several in by_place.items():
        if len(several) > 1:
            named = " and ".join(bundle.name for bundle in several)
            yield f"{named} are both called {entry!r} on {dataset}; name one otherwise with --entry"
    for entry, kinds in by_entry.items():
        if len(kinds) > 1:
            yield f"{entry!r} is of several versions or components: {', '.join(kinds.values())}; name one otherwise"
    yield from _missing_baselines(suite, bundles)
    yield from _class_conflicts(bundles)


def _class_conflicts(bundles: Sequence[Bundle]) -> Iterator[str]:
    """Bundles that were measured on one dataset by one protocol learned the same classes, for their splits are the same."""
    first: dict[tuple[str, str], tuple[frozenset[str], str]] = {}
    for bundle in bundles:
        own: dict[tuple[str, str], set[str]] = defaultdict(set)
        for row in bundle.record.classes:
            if row.training_samples is not None:
                own[row.dataset, row.protocol] |= {row.name} if row.training_samples == 0 else set()
        for place, names in own.items():
            known, other = first.setdefault(place, (frozenset(names), bundle.name))
            if names != known:
                yield (
                    f"{bundle.name}: has other classes without training samples on {place[0]} by {place[1]} than {other}; "
                    "check which one was changed"
                )


def _missing_baselines(suite: Suite, bundles: Sequence[Bundle]) -> Iterator[str]:
    """Every dataset has every baseline, and every backbone one of its own."""
    for dataset in suite.datasets:
        here = [b for b in bundles if any(data["part"] == dataset for data in b.record.evaluated_on)]
        if not here:
            continue
        there = {b.record.method["name"] for b in here if b.record.baseline}
        for name in [name for name in suite.baselines if name not in there]:
            yield f"{suite.name}: no {name} on {dataset}; submit that baseline beside the others"
        used = {_backbones(b.record) for b in here} - {_backbones(b.record) for b in here if b.record.baseline}
        for backbone in sorted(used):
            yield f"{suite.name}: no baseline with backbone {backbone} on {dataset}; submit one beside the others"


def _backbones(record: Record) -> str:
    return "+".join(b["name"] for b in record.backbones.values()) or "none"
