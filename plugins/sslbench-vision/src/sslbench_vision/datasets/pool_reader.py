"""Read a pool: its members' own images, without labels."""

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

from sslbench.api import DataBroken, DataMissing, Dataset, Modality, Source, Target
from sslbench_vision.datasets.pool import PoolConfig
from sslbench_vision.datasets.pool_rules import Member, count_reasons, draw_subset, find_reasons, make_naming


def open_pool(config: PoolConfig, source: Source) -> Dataset:
    """Put the members that the source gives together; raises what `pooled` raises."""
    return join_members(config, source.dependencies)


def join_members(config: PoolConfig, members: Mapping[str, Dataset]) -> Dataset:
    """Put members together; raises DataMissing without any, DataBroken where nothing is left or their images differ."""
    if not members:
        raise DataMissing("no members named")
    shapes = {label: {name: m.shape[0] for name, m in member.modalities.items()} for label, member in members.items()}
    first = next(iter(shapes))
    for label, shape in shapes.items():
        if shape != shapes[first]:
            raise DataBroken(
                f"{label!r} has {shape} channels and {first!r} has {shapes[first]}; name one kind of image"
            )
    listed = [_describe_member(label, member) for label, member in members.items()]
    same = make_naming(_read_crosswalk(config.crosswalk, listed) if config.crosswalk else {})

    def without(names: Sequence[str]) -> dict[str, list[str]]:
        targets = [label for label in members if label.partition("/")[0] in names]
        return find_reasons(listed, targets, same, by_name=config.same_name)

    found = without(config.without)
    if config.match_size_without:
        fewer = without((*config.without, *config.match_size_without))
        found = draw_subset(found, sum(said.count("") for said in fewer.values()), np.random.default_rng(0))
    if not any("" in said for said in found.values()):
        raise DataBroken(f"nothing is left of {', '.join(members)} without {', '.join(config.without)}")
    return Pool(members, found, {member.label: member.classes for member in listed})


def _describe_member(label: str, dataset: Dataset) -> Member:
    named = (
        [dataset.target.names[code] if code >= 0 else "" for code in dataset.labels] if dataset.labels.ndim == 1 else []
    )
    classes = named or [""] * len(dataset.labels)
    files = [str(identity).partition("#")[0].rpartition("/")[2] for identity in dataset.columns["id"]]
    return Member(label=label, contents=_digest_samples(dataset), names=files, classes=classes)


def _digest_samples(dataset: Dataset) -> Sequence[str]:
    """What each sample is: its file's bytes where the dataset can tell, else what is read of it."""
    told = getattr(dataset, "contents", None)
    if told is not None:
        found: Sequence[str] = told()
        return found
    return [_digest_sample(dataset, row) for row in range(len(dataset.labels))]


def _digest_sample(dataset: Dataset, row: int) -> str:
    """A digest of what is read of a sample; one that cannot be read is like no other, and preparing will count it."""
    try:
        return _digest_arrays(dataset.read(row, np.random.default_rng(0)))
    except Exception:  # whatever a decoder raises
        return f"unreadable {dataset.columns['id'][row]}"


def _digest_arrays(sample: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, values in sorted(sample.items()):
        digest.update(f"{name}{values.shape}{values.dtype}".encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _read_crosswalk(path: Path, members: Sequence[Member]) -> Mapping[tuple[str, str], str]:
    """(member, class) -> name, by the first line that fits; raises DataBroken for other columns and for what nobody has."""
    if not path.is_file():
        raise DataBroken(f"crosswalk {path} is no file")
    classes = {(member.label.partition("/")[0], name) for member in members for name in member.classes}
    with path.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.DictReader(opened)
        if lacking := [name for name in ("member", "class", "name") if name not in (reader.fieldnames or ())]:
            raise DataBroken(f"{path} has no column {lacking[0]!r}; a crosswalk has: member, class, name")
        rows = [(row["member"], row["class"], row["name"] or "") for row in reader]
    found: dict[tuple[str, str], str] = {}
    for member, pattern, name in rows:
        if not name.strip():
            raise DataBroken(f"{path}: {member!r}, {pattern!r} has no name; give its class one, or drop the line")
        meant = [
            pair for pair in classes if pair[0] == member and (pair[1] == pattern or fnmatchcase(pair[1], pattern))
        ]
        if not meant:
            raise DataBroken(f"{path}: no member has {member!r} with a class {pattern!r}")
        for pair in meant:
            found.setdefault(pair, name)
    return found


def _merge_modalities(modalities: Sequence[Mapping[str, Modality]]) -> Mapping[str, Modality]:
    """The members' modalities, with a side of 0 where they differ."""
    shapes = {name: list(zip(*(m[name].shape for m in modalities), strict=True)) for name in modalities[0]}
    sides = {name: tuple(s[0] if len(set(s)) == 1 else 0 for s in shape) for name, shape in shapes.items()}
    return {name: replace(modality, shape=sides[name]) for name, modality in modalities[0].items()}


class Pool:
    """The kept samples of every member; `account` says what was left out of each, and why."""

    def __init__(
        self, members: Mapping[str, Dataset], found: Mapping[str, Sequence[str]], classes: Mapping[str, Sequence[str]]
    ) -> None:
        self.members, self.account = members, count_reasons(found)
        kept = [(label, row) for label, said in found.items() for row, reason in enumerate(said) if not reason]
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
        """A member's sample."""
        label, inside = self.rows[row]
        return self.members[label].read(inside, rng)

    def fingerprint(self) -> str:
        """A digest of the members' fingerprints and of what is kept."""
        parts = [*(member.fingerprint() for member in self.members.values()), *self.columns["id"].tolist()]
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
