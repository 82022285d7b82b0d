"""Read a pool: its members' own pictures, without labels."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataMissing, Dataset, Target
from sslbench_vision.datasets.pool import PoolConfig
from sslbench_vision.datasets.pool_rules import Member, account, naming, reasons


def pooled(config: PoolConfig, members: Mapping[str, Dataset]) -> Dataset:
    """Put members together; raises DataMissing without any, DataBroken where nothing is left or their pictures differ."""
    if not members:
        raise DataMissing("no members named")
    shapes = {label: {name: m.shape[0] for name, m in member.modalities.items()} for label, member in members.items()}
    first = next(iter(shapes))
    for label, shape in shapes.items():
        if shape != shapes[first]:
            raise DataBroken(
                f"{label!r} has {shape} channels and {first!r} has {shapes[first]}; name one kind of picture"
            )
    listed = [_member(label, member) for label, member in members.items()]
    targets = [label for label in members if label.partition("/")[0] in config.without]
    same = naming(_crosswalk(config.crosswalk) if config.crosswalk else {})
    found = reasons(listed, targets, same, by_name=config.same_name)
    if not any("" in said for said in found.values()):
        raise DataBroken(f"nothing is left of {', '.join(members)} without {', '.join(config.without)}")
    return Pool(members, found)


def _member(label: str, dataset: Dataset) -> Member:
    named = (
        [dataset.target.names[code] if code >= 0 else "" for code in dataset.labels] if dataset.labels.ndim == 1 else []
    )
    classes = named or [""] * len(dataset.labels)
    files = [str(identity).partition("#")[0].rpartition("/")[2] for identity in dataset.columns["id"]]
    return Member(label=label, contents=_contents(dataset), names=files, classes=classes)


def _contents(dataset: Dataset) -> Sequence[str]:
    """What each sample is: its file's bytes where the dataset can tell, else what is read of it."""
    told = getattr(dataset, "contents", None)
    if told is not None:
        found: Sequence[str] = told()
        return found
    return [_digest(dataset.read(row, np.random.default_rng(0))) for row in range(len(dataset.labels))]


def _digest(sample: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, values in sorted(sample.items()):
        digest.update(f"{name}{values.shape}{values.dtype}".encode() + np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _crosswalk(path: Path) -> Mapping[tuple[str, str], str]:
    """(member, class) -> name; raises DataBroken for a file without those columns."""
    with path.open(newline="", encoding="utf-8-sig") as opened:
        reader = csv.DictReader(opened)
        if lacking := [name for name in ("member", "class", "name") if name not in (reader.fieldnames or ())]:
            raise DataBroken(f"{path} has no column {lacking[0]!r}; a crosswalk has: member, class, name")
        return {(row["member"], row["class"]): row["name"] for row in reader}


class Pool:
    """The kept samples of every member; `account` says what was left out of each, and why."""

    def __init__(self, members: Mapping[str, Dataset], found: Mapping[str, Sequence[str]]) -> None:
        self.members, self.account = members, account(found)
        kept = [(label, row) for label, said in found.items() for row, reason in enumerate(said) if not reason]
        self.rows = kept
        self.modalities = next(iter(members.values())).modalities
        self.target = Target(kind="none")
        self.labels: NDArray[np.int64] = np.full(len(kept), -1)
        self.columns: Mapping[str, NDArray[np.str_]] = {
            "id": np.array([f"{label}/{members[label].columns['id'][row]}" for label, row in kept]),
            "member": np.array([label for label, _ in kept]),
        }

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """A member's sample."""
        label, inside = self.rows[row]
        return self.members[label].read(inside, rng)

    def fingerprint(self) -> str:
        """A digest of the members' fingerprints and of what is kept."""
        parts = [*(member.fingerprint() for member in self.members.values()), *self.columns["id"].tolist()]
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
