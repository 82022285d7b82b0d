"""Read the images of a pool's members, without labels."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, Dataset, Modality, RequestError, Source, Target
from sslbench_vision.datasets.pool import PoolConfig
from sslbench_vision.datasets.pool_rules import Member, count_reasons, draw_subset, find_reasons, make_naming


def open_pool(config: PoolConfig, source: Source) -> Dataset:
    """Join the members of a source; raises the errors of `join_members`."""
    return join_members(config, source.dependencies)


def join_members(config: PoolConfig, members: Mapping[str, Dataset]) -> Dataset:
    """Join members; raises RequestError without members or images, or if their channels differ."""
    if not members:
        raise RequestError(["members: the pool has no members. Set members.LABEL=DATASET for each of them"])
    shapes = {label: {name: m.shape[0] for name, m in member.modalities.items()} for label, member in members.items()}
    first = next(iter(shapes))
    for label, shape in shapes.items():
        if shape != shapes[first]:
            counts = f"{label!r} has {_count_channels(shape)}, but {first!r} has {_count_channels(shapes[first])}"
            raise RequestError(
                [f"members: {counts}. Choose members with equal channels, or set their settings channels"]
            )
    described = [_describe_member(label, member) for label, member in members.items()]
    same = make_naming(_read_crosswalk(config.crosswalk, described) if config.crosswalk else {})

    def without(names: Sequence[str]) -> dict[str, list[str]]:
        targets = [label for label in members if label.partition("/")[0] in names]
        return find_reasons(described, targets, same, by_name=config.same_name)

    reasons_by_member = without(config.without)
    if config.match_size_without:
        fewer = without((*config.without, *config.match_size_without))
        reasons_by_member = draw_subset(
            reasons_by_member, sum(reasons.count("") for reasons in fewer.values()), np.random.default_rng(0)
        )
    if not any("" in reasons for reasons in reasons_by_member.values()):
        raise RequestError([_explain_empty(config, members)])
    return PooledDataset(members, reasons_by_member, {member.label: member.classes for member in described})


def _count_channels(shape: Mapping[str, int]) -> str:
    return " and ".join(f"{count} channels of {name!r}" for name, count in shape.items())


def _explain_empty(config: PoolConfig, members: Mapping[str, Dataset]) -> str:
    if config.without:
        rules = (
            f"leaves no image of {', '.join(members)}, as all are of these members, or share data or a class with them"
        )
        return f"without={list(config.without)}: {rules}. Name fewer members, or add other members"
    return f"members: {', '.join(members)} have no images. Add other members"


def _describe_member(label: str, dataset: Dataset) -> Member:
    named = (
        [dataset.target.names[code] if code >= 0 else "" for code in dataset.labels] if dataset.labels.ndim == 1 else []
    )
    classes = named or [""] * len(dataset.labels)
    files = [str(identity).partition("#")[0].rpartition("/")[2] for identity in dataset.columns["id"]]
    return Member(label=label, contents=_digest_samples(dataset), names=files, classes=classes)


def _digest_samples(dataset: Dataset) -> Sequence[str]:
    """Return a digest of each sample: of its file's bytes if the dataset has them, else of its data."""
    list_contents = getattr(dataset, "contents", None)
    if list_contents is not None:
        digests: Sequence[str] = list_contents()
        return digests
    return [_digest_sample(dataset, row) for row in range(len(dataset.labels))]


def _digest_sample(dataset: Dataset, row: int) -> str:
    """Return a digest of a sample's data; an unreadable one is unique, and is counted when data are prepared."""
    try:
        return _digest_arrays(dataset.read(row, np.random.default_rng(0)))
    except Exception:  # any error of a decoder
        return f"unreadable {dataset.columns['id'][row]}"


def _digest_arrays(sample: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, values in sorted(sample.items()):
        digest.update(f"{name}{values.shape}{values.dtype}".encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _read_crosswalk(path: Path, members: Sequence[Member]) -> Mapping[tuple[str, str], str]:
    """Read names by (member, class), by the first matching line; raises DataBroken for invalid columns or lines.

    Raises RequestError if it is not a file.
    """
    if not path.is_file():
        raise RequestError(
            [f"crosswalk={path}: is not a file. Set it to a CSV file with the columns member, class and name"]
        )
    classes = {(member.label.partition("/")[0], name) for member in members for name in member.classes}
    with path.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.DictReader(opened)
        if missing := [name for name in ("member", "class", "name") if name not in (reader.fieldnames or ())]:
            raise DataBroken(
                f"{path} has no column {missing[0]!r}. Add it: a crosswalk has the columns member, class and name"
            )
        rows = [(row["member"], row["class"], row["name"] or "") for row in reader]
    names: dict[tuple[str, str], str] = {}
    for member, pattern, name in rows:
        if not name.strip():
            raise DataBroken(f"{path}: {member!r}, {pattern!r} has no name. Enter one, or remove the line")
        matching = [
            pair for pair in classes if pair[0] == member and (pair[1] == pattern or fnmatchcase(pair[1], pattern))
        ]
        if not matching:
            raise DataBroken(f"{path}: no member {member!r} has a class {pattern!r}. Correct the line, or remove it")
        for pair in matching:
            names.setdefault(pair, name)
    return names


def _merge_modalities(modalities: Sequence[Mapping[str, Modality]]) -> Mapping[str, Modality]:
    """Return the members' modalities, with a side of 0 if they differ."""
    shapes = {name: list(zip(*(m[name].shape for m in modalities), strict=True)) for name in modalities[0]}
    sides = {name: tuple(s[0] if len(set(s)) == 1 else 0 for s in shape) for name, shape in shapes.items()}
    return {name: replace(modality, shape=sides[name]) for name, modality in modalities[0].items()}


class PooledDataset:
    """Samples of all members; `account` counts those of each member that are left out, by reason."""

    def __init__(
        self,
        members: Mapping[str, Dataset],
        reasons_by_member: Mapping[str, Sequence[str]],
        classes: Mapping[str, Sequence[str]],
    ) -> None:
        self.members, self.account = members, count_reasons(reasons_by_member)
        kept = [
            (label, row)
            for label, reasons in reasons_by_member.items()
            for row, reason in enumerate(reasons)
            if not reason
        ]
        self.rows = kept
        self.modalities = _merge_modalities([member.modalities for member in members.values()])
        self.target = Target(kind="none")
        self.labels: NDArray[np.int64] = np.full(len(kept), -1)
        self.columns: Mapping[str, NDArray[np.str_]] = {
            "id": np.array([f"{label}/{members[label].columns['id'][row]}" for label, row in kept]),
            "member": np.array([label for label, _ in kept]),
            "class": np.array([classes[label][row] for label, row in kept]),
        }

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Return a sample of a member."""
        label, member_row = self.rows[row]
        return self.members[label].read(member_row, rng)

    def fingerprint(self) -> str:
        """Return a digest of the members' fingerprints and the ids of the kept samples."""
        parts = [*(member.fingerprint() for member in self.members.values()), *self.columns["id"].tolist()]
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
