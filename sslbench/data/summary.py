"""Summarize a dataset: classes, splits, files, skipped files, and identical samples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sslbench.api.errors import RequestError
from sslbench.api.specs import Dataset
from sslbench.api.targets import kind_of
from sslbench.api.values import DataDescription
from sslbench.data.official_splits import count_official_splits, official_parts
from sslbench.data.splits import SplitSettings, divide

MAX_CLASSES_LISTED = 12
"""Largest number of classes that are listed; of more, the largest and the smallest are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Counts of samples with the same bytes as an earlier one: all of them, and those that occur with different labels.

    `in_training` counts the test samples of the first fold that are identical to a training sample (None: unknown).
    """

    samples: int
    across_classes: int
    example: tuple[str, str]
    in_training: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSummary:
    """Counts of samples, classes (labels, numbers) and official splits, facts from the reader, and identical samples.

    `unit` names what is counted in `classes`, in the plural.
    """

    name: str
    samples: int
    unlabeled: int
    unit: str
    classes: Mapping[str, int]
    splits: Mapping[str, int]
    facts: Mapping[str, str]
    notes: tuple[str, ...]
    copies: Copies | None


def summarize_data(
    name: str, dataset: Dataset, splits: SplitSettings | None = None, groups: Sequence[str] = ()
) -> DataSummary:
    """Summarize one part of a dataset; samples are compared by bytes if the dataset provides digests.

    With `splits` and `groups` (the card's group columns), identical samples on both sides of the first fold are counted.
    """
    names, kind = dataset.target.names, kind_of(dataset.target)
    counts, labeled = kind.count(dataset.labels, names), kind.is_labeled(dataset.labels)
    split, official = official_parts(dataset.columns, 0), count_official_splits(dataset.columns)
    several = {"official splits": f"{official}, one per fold"} if official > 1 else {}
    describe = getattr(dataset, "describe", None)
    described: DataDescription = describe() if describe else DataDescription(facts={})
    return DataSummary(
        name=name, samples=len(labeled), unlabeled=int((~labeled).sum()), unit=kind.units,
        classes={label: int(count) for label, count in zip(names, counts, strict=True)},
        splits=dict(Counter(filter(None, split.tolist()))) if split is not None else {},
        facts={**several, **described.facts}, notes=described.notes, copies=find_copies(dataset, splits, groups),
    )  # fmt: skip


def find_copies(dataset: Dataset, splits: SplitSettings | None = None, groups: Sequence[str] = ()) -> Copies | None:
    """Find samples with identical bytes; None if there are none, or the dataset provides no digests."""
    contents = getattr(dataset, "contents", None)
    if contents is None:
        return None
    rows: dict[str, list[int]] = defaultdict(list)
    digests = np.array(contents())
    for row, digest in enumerate(digests.tolist()):
        rows[digest].append(row)
    identical = [group for group in rows.values() if len(group) > 1]
    if not identical:
        return None
    ids, labels = dataset.columns["id"], dataset.labels.tolist()
    labeled = kind_of(dataset.target).is_labeled(dataset.labels)
    contradicting = [group for group in identical if len({str(labels[row]) for row in group if labeled[row]}) > 1]
    return Copies(
        samples=sum(len(group) - 1 for group in identical),
        across_classes=sum(len(group) - 1 for group in contradicting),
        example=(str(ids[identical[0][0]]), str(ids[identical[0][1]])),
        in_training=_count_in_training(dataset, digests, splits, groups) if splits else None,
    )


def _count_in_training(
    dataset: Dataset, digests: NDArray[np.str_], splits: SplitSettings, groups: Sequence[str]
) -> int | None:
    """Count the test samples of the first fold that are identical to a training sample; None without a division."""
    if not kind_of(dataset.target).is_labeled(dataset.labels).any():
        return None
    try:
        division = divide(dataset.labels, dataset.columns, splits, 0, groups)
    except RequestError:  # the plan reports it
        return None
    return int(np.isin(digests[division.query], digests[division.bank]).sum())


def describe_summary(summary: DataSummary) -> Iterator[str]:
    """Yield the lines of a summary, one fact each; the first one names the data."""
    classes = f"{len(summary.classes)} {summary.unit}" if summary.classes else "no labels"
    without = f", {summary.unlabeled:,} without a label" if summary.unlabeled and summary.classes else ""
    yield f"{summary.name}: {summary.samples:,} samples, {classes}{without}"
    if summary.classes:
        yield f"  {summary.unit}: {_list_counts(summary.classes)}"
    if summary.splits:
        yield f"  official split: {', '.join(f'{name} {count:,}' for name, count in summary.splits.items())}"
    for topic, text in summary.facts.items():
        yield f"  {topic}: {text}"
    for note in summary.notes:
        yield f"  note: {note}"
    if summary.copies:
        yield f"  identical samples: {describe_copies(summary.copies)}"


def describe_copies(copies: Copies) -> str:
    """Describe identical samples in one line."""
    parts = [f"{copies.samples:,}, such as {copies.example[0]} and {copies.example[1]}"]
    if copies.across_classes:
        parts.append(f"{copies.across_classes:,} of them in different classes")
    if copies.in_training:
        parts.append(f"{copies.in_training:,} test samples of the first fold are identical to training samples")
    return "; ".join(parts)


def _list_counts(counts: Mapping[str, int]) -> str:
    """List names with their counts; of many, the largest and the smallest."""
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    if len(ordered) <= MAX_CLASSES_LISTED:
        return ", ".join(f"{name} {count:,}" for name, count in counts.items())
    half = MAX_CLASSES_LISTED // 2
    first, last = (", ".join(f"{name} {count:,}" for name, count in part) for part in (ordered[:half], ordered[-half:]))
    return f"{first}, …, {last}"
