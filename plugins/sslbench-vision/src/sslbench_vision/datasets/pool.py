"""Datasets put together without their labels, to learn from. Spec only; the rules are in `pool_rules`, reading in
`pool_reader`.

    pretrain:
      pool: pool
      settings:
        members: {lake: zoolake, sea: {name: image-folder, root: images}}
        without: [sea]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sslbench.api import Citation, DatasetCard, DatasetSpec, Dependency, hookimpl, setting

CITATION = Citation(title="pooled datasets", authors="theirs", year=2026, url="https://github.com/sslbench/sslbench")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """The members by a name for each: a dataset, as `--dataset` names it, or one with settings, {name: NAME, root: …}.

    Members in `without` are targets: they are left out, and so is every image of another member that has the bytes of one
    of theirs, (with `same_name`) its file name, or a class that is theirs too. Classes are the same when their names agree
    but for case, spaces, hyphens and underscores, or when `crosswalk`, a CSV file of member, class, name, gives them the
    same name (a class may be a pattern such as copepod*; the first line that fits counts). Images that several members
    hold are kept once. `as_many_as_without` names members without which a pool would be smaller: so many are drawn.
    """

    members: Mapping[str, Any] = field(default_factory=dict, metadata={"identity": False})  # told by what the pool uses
    without: tuple[str, ...] = setting(
        (), "Target members: left out, as are images of other members that duplicate or share a class with them."
    )
    crosswalk: Path | None = setting(
        None, "CSV file with the columns member, class and name, which gives classes a shared name."
    )
    same_name: bool = setting(False, "Leave out images with the file name of an image of a target member.")
    match_size_without: tuple[str, ...] = setting(
        (), "Members without which a pool would be smaller: draw as many images as it would have."
    )

    def __post_init__(self) -> None:
        """Refuse what names nobody."""
        for label, member in self.members.items():
            if not isinstance(member, str) and not (
                isinstance(member, Mapping) and isinstance(member.get("name"), str)
            ):
                raise ValueError(
                    f"member {label!r} names no dataset; write {label}: NAME or {label}: {{name: NAME, …}}"
                )
        for label in [label for label in self.members if "/" in label]:
            raise ValueError(f"member {label!r}: a label has no '/'")
        for label in [label for label in self.members if "+" in str(self.members[label])]:
            raise ValueError(
                f"member {label!r}: one dataset, or one part of it, a member; give the others labels of their own"
            )
        for setting in ("without", "match_size_without"):
            if strangers := [name for name in getattr(self, setting) if name not in self.members]:
                raise ValueError(f"{setting}: {strangers[0]!r} is no member; possible: {', '.join(self.members)}")


def find_dependencies(config: PoolConfig) -> Mapping[str, Dependency]:
    """Every member."""
    named = {
        label: {"name": member} if isinstance(member, str) else dict(member) for label, member in config.members.items()
    }
    return {
        label: Dependency(kind="dataset", name=member.pop("name"), settings=member) for label, member in named.items()
    }


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[PoolConfig]]:
    yield DatasetSpec(
        name="pool",
        version=1,
        summary="several datasets without their labels, less what they share with targets",
        citation=CITATION,
        config=PoolConfig,
        smoke=PoolConfig(members={"digits": "digits"}),
        build="sslbench_vision.datasets.pool_reader:open_pool",
        dependencies=find_dependencies,
        card=DatasetCard(
            license="its members'",
            citation=CITATION,
            source="its members'",
            obtain="name its members: data.members.LABEL=DATASET",
        ),
    )
