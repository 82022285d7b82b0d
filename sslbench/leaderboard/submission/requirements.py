"""Check bundles against the suite and against each other. Computes no numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sslbench.leaderboard.submission.bundle import Bundle
from sslbench.leaderboard.submission.suite import Suite
from sslbench.results.marks import joined_names
from sslbench.results.record import DRAW, Record, setting_of


def suite_mismatches(suite: Suite, bundle: Bundle) -> Iterator[str]:
    """List differences of data, protocols, seeds and folds from the suite."""
    record = bundle.record
    if bundle.manifest.suite != suite.name:
        yield f"is submitted to suite {bundle.manifest.suite}, expected {suite.name}. Submit it again"
    for data in record.evaluated_on:
        wanted = suite.datasets.get(data["part"])
        if wanted is None:
            yield f"is evaluated on {data['part']}, which is not in the suite. Its datasets are {', '.join(suite.datasets)}"
        elif data.get("fingerprint") != wanted.fingerprint:
            digests = f"fingerprint {data.get('fingerprint')!s:.40}; the suite's is {wanted.fingerprint}"
            yield f"{data['part']}: its data differs from the suite's ({digests}). Run it again on the suite's data"
        elif data.get("version") != wanted.version:
            read = (
                f"was read by version {data.get('version')} of its dataset component, the suite's by {wanted.version}"
            )
            yield f"{data['part']}: {read}. Run it again with that version of the plugin"
    used = {protocol["name"]: protocol for protocol in record.protocols}
    for name, protocol in used.items():
        of_suite = suite.protocols.get(name)
        if of_suite is None:
            yield f"is evaluated with {name}, which is not in the suite. Its protocols are {', '.join(suite.protocols)}"
        elif protocol["version"] != of_suite.version:
            yield (
                f"{name}: version {protocol['version']} was used, and suite {suite.name!r} was measured with version "
                f"{of_suite.version}, so the numbers cannot be compared. Make a suite of the current versions: "
                "sslbench leaderboard suite STUDY"
            )
        else:
            yield from _setting_mismatches(name, protocol.get("settings", {}), of_suite.settings)
    yield from _varied_mismatches(suite, record)
    if missing := [name for name in suite.protocols if name not in used]:
        yield f"is not evaluated with {', '.join(missing)}. Run it again with these protocols"
    if record.pool != suite.pool:
        yield f"was pretrained on pool {record.pool!s:.60}; the suite's is {suite.pool}. Run it again on this pool"
    if sorted(record.seeds) != sorted(suite.seeds):
        wanted_seeds = ", ".join(map(str, suite.seeds))
        seeds = ", ".join(map(str, record.seeds))
        yield f"has seeds {seeds}; the suite's are {wanted_seeds}. Run it again with --seeds {wanted_seeds.replace(' ', '')}"
    if sorted(record.folds) != sorted(suite.folds):
        folds, wanted_folds = (", ".join(map(str, one.folds)) for one in (record, suite))
        yield f"has folds {folds}; the suite's are {wanted_folds}. Run it again with these folds"


def _setting_mismatches(name: str, given: Any, wanted: Any) -> Iterator[str]:
    for key in sorted({*given, *wanted}):
        if given.get(key) != wanted.get(key):
            yield f"{name}.{key} is {given.get(key)!r:.60}; the suite's is {wanted.get(key)!r:.60}. Run it again with it"


def _varied_mismatches(suite: Suite, record: Record) -> Iterator[str]:
    """List settings that protocols vary, and of which the record states something else than the suite.

    What tables show of a setting decides which scores are compared.
    """
    given, wanted = (
        {one.name: (one.default, one.other_target) for one in rows} for rows in (record.varied, suite.varied)
    )
    for name in sorted(name for name in {*given, *wanted} if given.get(name) != wanted.get(name)):
        yield f"declares the varied setting {name!r:.60} otherwise than the suite. Run it again with the suite's plugins"
    measured = {name for score in record.scores for name in setting_of(score.setting)}
    for name in sorted(measured - {*given, DRAW.name}):
        yield f"has scores of the setting {name!r:.60}, which no protocol declares. Run it again with the suite's plugins"


def bundle_conflicts(suite: Suite, bundles: Sequence[Bundle]) -> Iterator[str]:
    """List conflicts between bundles of a suite: duplicates, missing baselines, mixed versions."""
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
                yield f"{bundle.name}: has the same answers as {identical[content]}. Remove the duplicate"
            identical.setdefault(content, bundle.name)
        for data in record.evaluated_on:
            by_place[bundle.manifest.entry, data["part"]].append(bundle)
    for (entry, dataset), several in by_place.items():
        if len(several) > 1:
            named = " and ".join(bundle.name for bundle in several)
            yield f"{named}: both have entry name {entry!r} on {dataset}. Submit one of them again with --entry NAME"
    for entry, kinds in by_entry.items():
        if len(kinds) > 1:
            differ = f"{', '.join(kinds.values())} differ in the method, the backbone or their versions"
            yield f"entry {entry!r}: the bundles {differ}. Submit one of them again with --entry NAME"
    yield from _missing_baselines(suite, bundles)
    yield from _class_conflicts(bundles)


def _class_conflicts(bundles: Sequence[Bundle]) -> Iterator[str]:
    """List bundles whose classes without training samples differ, although their splits are equal."""
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
                    f"{bundle.name}: on {place[0]}, by {place[1]}, it states other classes without training samples than "
                    f"{other}, although their splits are equal. Submit both again, unchanged"
                )


def _missing_baselines(suite: Suite, bundles: Sequence[Bundle]) -> Iterator[str]:
    """List the baselines that a dataset or a backbone lacks."""
    for dataset in suite.datasets:
        present = [b for b in bundles if any(data["part"] == dataset for data in b.record.evaluated_on)]
        if not present:
            continue
        found = {b.record.method["name"] for b in present if b.record.baseline}
        for name in [name for name in suite.baselines if name not in found]:
            yield f"{suite.name}: no {name} on {dataset}. Submit this baseline too"
        used = {_backbones(b.record) for b in present} - {_backbones(b.record) for b in present if b.record.baseline}
        for backbone in sorted(used):
            yield f"{suite.name}: no baseline with backbone {backbone} on {dataset}. Submit one too"


def _backbones(record: Record) -> str:
    return joined_names(record.backbones.values()) or "none"
