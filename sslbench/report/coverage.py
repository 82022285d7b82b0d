"""Describe which classes and samples a table does not cover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sslbench.analysis.tables.run_tables import count_tested, count_untrained
from sslbench.results.record import Record

MAX_LISTED = 5
"""Maximum of names in a sentence; the record and `Results.missing_classes` hold all."""
MISSING = {
    "without_training": ("no training samples", "test"),
    "without_test": ("no test samples and are in no mean over classes", "training"),
    "unknown_in_transfer": ("no samples in the transfer's bank and are left out of its test set", "left-out"),
    "without_both": ("neither training nor test samples", "labeled"),
}
LEFT_OUT = {
    "group_in_test": ("training sample", "test set"),
    "group_in_training": ("validation sample", "training set"),
}


def describe_missing_classes(data: Mapping[str, Any], kinds: Sequence[str] = tuple(MISSING)) -> list[str]:
    """Describe which classes of a dataset have no training or test samples, in one sentence per kind.

    `data` is an entry of a record's `evaluated_on`, `kinds` are keys of MISSING. Counts of several folds are added up.
    """
    folds = data.get("missing_classes", {})
    sentences = []
    for kind in kinds:
        counts: dict[str, int] = {}
        for fold in folds.values():
            for name, samples in fold[kind].items():
                counts[name] = counts.get(name, 0) + samples
        if counts:
            lacking, role = MISSING[kind]
            affected = sum(bool(fold[kind]) for fold in folds.values())
            where = f" in {affected} of {len(folds)} folds" if len(folds) > 1 else ""
            sentences.append(f"{_lacking_classes(counts, lacking)}{where}: {list_counts(counts, f'{role} sample')}")
    return sentences


def describe_left_out(data: Mapping[str, Any]) -> list[str]:
    """Describe how many labeled samples of a dataset are in no part of its split, and why.

    `data` is an entry of a record's `evaluated_on`. Samples that a transfer excludes by request are not listed.
    """
    reasons: Mapping[str, Mapping[str, int]] = next(iter(data.get("left_out", {}).values()), {})
    sentences = []
    for reason, (sample, part) in LEFT_OUT.items():
        if reason in reasons:
            samples, groups = reasons[reason]["samples"], reasons[reason]["groups"]
            where = f"the group is in the {part}" if groups == 1 else f"the groups are in the {part}"
            sentences.append(f"{_plural(samples, sample)} of {_plural(groups, 'group')} left out: {where}")
    if "other_part" in reasons:
        count = _plural(reasons["other_part"]["samples"], "labeled sample")
        sentences.append(f"{count} left out: their 'split' is none of train, validation and test")
    return sentences


def describe_coverage(records: Sequence[Record]) -> list[str]:
    """Describe what the split of every dataset and transfer does not cover, each sentence once."""
    sentences: dict[str, None] = {}
    for record in records:
        splits = record.settings["splits"]
        transfer = f" from {splits['bank']} to {splits['query']}" if splits["transfer"] else ""
        for data in record.evaluated_on:
            missing = (*describe_missing_classes(data), *describe_left_out(data))
            sentences |= dict.fromkeys(f"{data['part']}{transfer}: {sentence}" for sentence in missing)
    return list(sentences)


def describe_classes(record: Record, dataset: str, protocol: str) -> list[str]:
    """Describe which classes a protocol's class table and macro accuracy do not cover."""
    data = next(data for data in record.evaluated_on if data["part"] == dataset)
    sentences = []
    untaught = count_untrained(record, dataset, protocol)
    if untaught:
        lacking = "no training samples and are not among the worst"
        sentences.append(f"{_lacking_classes(untaught, lacking)}: {list_counts(untaught, 'test sample')}")
    sentences += describe_missing_classes(data, ("without_test", "unknown_in_transfer", "without_both"))
    tested, total = count_tested(record, dataset, protocol)
    if untaught or tested < total:
        coverage = f"macro accuracy is the mean over {tested} of {total} classes, those with test samples"
        sentences.append(coverage + (f"; {len(untaught)} of them had no training samples" if untaught else ""))
    return sentences + describe_left_out(data)


def list_counts(counts: Mapping[str, int], unit: str) -> str:
    """List the names with the largest counts, and the number of the others."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{name} ({_plural(count, unit)})" for name, count in ordered[:MAX_LISTED])
    return listed + (f" and {len(ordered) - MAX_LISTED} more" if len(ordered) > MAX_LISTED else "")


def _lacking_classes(counts: Mapping[str, int], lacking: str) -> str:
    if len(counts) > 1:
        return f"{len(counts)} classes have {lacking}"
    return f"1 class has {lacking.replace(' are ', ' is ')}"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
