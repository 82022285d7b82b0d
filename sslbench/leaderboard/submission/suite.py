"""Read and write suites: the data, test splits, protocols, seeds and baselines that submissions must share.

A suite is a public file, `leaderboard/suites/NAME.json`. It has the labels in the order of sample ids, but no samples.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.errors import RequestError
from sslbench.api.targets import Labels, TargetName
from sslbench.api.varied import Varied
from sslbench.convert import convert, to_plain
from sslbench.results.old_records import installed_catalog, list_declared, upgrade_settings

SCHEMA = 1
SUITES = "suites"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
"""Names that are safe as file names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSplit:
    """One fold's test split: a digest of its ids, and labels in the order of sorted ids.

    labels: class codes. vectors: several labels or numbers of each sample, null where unknown.
    """

    __test__ = False  # pytest must not collect it
    ids: str = ""
    labels: tuple[int, ...] = ()
    vectors: tuple[tuple[float | None, ...], ...] = ()

    @property
    def size(self) -> int:
        """Return the number of test samples."""
        return len(self.labels) or len(self.vectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteData:
    """One dataset: its version and fingerprint, kind and names of its target in order, and its test splits by fold."""

    version: int = 0
    fingerprint: str = ""
    target: TargetName = "class"
    classes: tuple[str, ...] = ()
    tests: Mapping[str, TestSplit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteProtocol:
    """One protocol: its version, its settings, and the range of every metric that it declares."""

    version: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A study that feeds a leaderboard, and the facts that all of its submissions must share.

    ranked_by: metric that orders entries ('': the default of their source, such as macro accuracy).
    metrics: metrics with a column (none: those shown by default).
    varied: settings that its protocols vary, as their specs declare them.
    """

    schema: int = SCHEMA
    name: str = ""
    summary: str = ""
    study: str = ""
    scale: str = ""
    seeds: tuple[int, ...] = ()
    folds: tuple[int, ...] = (0,)
    pool: str = ""
    baselines: tuple[str, ...] = ()
    ranked_by: str = ""
    metrics: tuple[str, ...] = ()
    datasets: Mapping[str, SuiteData] = field(default_factory=dict)
    protocols: Mapping[str, SuiteProtocol] = field(default_factory=dict)
    varied: tuple[Varied, ...] = ()


def ids_digest(ids: Sequence[str]) -> str:
    """Digest sample ids, independent of their order."""
    return hashlib.blake2b("\n".join(sorted(ids)).encode(), digest_size=16).hexdigest()


def make_test_split(ids: NDArray[np.str_], labels: Labels) -> TestSplit:
    """Make a test split from ids and labels."""
    digest, ordered = ids_digest(ids.tolist()), labels[np.argsort(ids, kind="stable")].tolist()
    if labels.ndim == 1:
        return TestSplit(ids=digest, labels=tuple(ordered))
    vectors = tuple(tuple(None if math.isnan(value) else value for value in one) for one in ordered)
    return TestSplit(ids=digest, vectors=vectors)


def suite_file(board: Path, name: str) -> Path:
    """Return the path of a suite's file."""
    return board / SUITES / f"{name}.json"


def encode_suite(suite: Suite) -> bytes:
    """Encode a suite as JSON."""
    return (json.dumps(to_plain(suite), sort_keys=True, separators=(",", ":")) + "\n").encode()


def read_suite(board: Path, name: str) -> Suite:
    """Read a suite. Raises RequestError if it does not exist or cannot be read."""
    path = suite_file(board, name)
    if not path.is_file():
        known = (
            ", ".join(list_suites(board))
            or f"none in {board / SUITES}. Make one with 'sslbench leaderboard suite STUDY'"
        )
        problem = (
            f"suite {name!r}: does not exist" if name else "--suite: is required, unless there is exactly one suite"
        )
        raise RequestError([f"{problem}. Suites: {known}"])
    try:
        tree = json.loads(path.read_bytes())
    except ValueError as error:
        raise RequestError([f"{path}: cannot be read as JSON: {error}"]) from error
    problems: list[str] = []
    suite: Suite = convert(_upgrade(tree), Suite, "", problems, source="json")
    if suite.schema != SCHEMA:
        fix = "Update sslbench, or make the suite again"
        problems = [f"has format {suite.schema!r}, but this sslbench reads {SCHEMA}. {fix}"]
    if suite.name != name or not NAME.fullmatch(name):
        problems.append(
            f"has name {suite.name!r:.60}: must equal the file name and have only letters, digits and . _ + -"
        )
    if problems:
        raise RequestError([f"{path}: {problem}" for problem in problems])
    return suite


def _upgrade(tree: Any) -> Any:
    """Return the tree of a suite with the current names and the declarations of the settings of protocols, as in records."""
    if not isinstance(tree, dict) or not isinstance(protocols := tree.get("protocols"), dict):
        return tree
    renamed = {
        name: {**values, "settings": upgrade_settings(values["settings"], "protocol", name, installed_catalog())}
        for name, values in protocols.items()
        if isinstance(values, dict) and isinstance(values.get("settings"), dict)
    }
    declared = {} if "varied" in tree else {"varied": list_declared(map(str, protocols), installed_catalog())}
    return {**tree, **declared, "protocols": {**protocols, **renamed}}


def list_suites(board: Path) -> list[str]:
    """List the names of a leaderboard's suites."""
    return sorted(path.stem for path in (board / SUITES).glob("*.json"))
