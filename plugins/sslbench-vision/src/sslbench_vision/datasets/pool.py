"""Pool datasets without their labels for pretraining. Spec only; see `pool_rules` and `pool_reader`.

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
    """Settings of a pool.

    Members in `without` are targets. They are left out, and so are images of other members that have the bytes, the file name
    (with `same_name`) or the class of an image of a target. Classes are equal if their names agree except for case, spaces,
    hyphens and underscores, or if `crosswalk` gives them the same name (its classes may be patterns such as copepod*; the
    first matching line counts). Images that several members share are kept once.
    """

    # not part of the identity: the dependencies of the pool are
    members: Mapping[str, Any] = field(
        default_factory=dict,
        metadata={
            "identity": False,
            "help": "Datasets by label: a name, or settings such as {name: NAME, root: FOLDER}.",
        },
    )
    without: tuple[str, ...] = setting(
        (), "Target members: left out, as are images of other members that duplicate or share a class with them."
    )
    crosswalk: Path | None = setting(
        None, "CSV file with the columns member, class and name, which gives classes a shared name."
    )
    same_name: bool = setting(False, "Leave out images with the file name of an image of a target member.")
    match_size_without: tuple[str, ...] = setting(
        (),
        "Members without which a pool would be smaller: draw as many images as it would have.",
        old_names=("as_many_as_without",),
    )

    def __post_init__(self) -> None:
        """Raise ValueError for members that name no dataset, and for labels without a member."""
        for label, member in self.members.items():
            if not isinstance(member, str) and not (
                isinstance(member, Mapping) and isinstance(member.get("name"), str)
            ):
                raise ValueError(
                    f"members.{label}: names no dataset. Write {label}: NAME or {label}: {{name: NAME, …}}"
                )
        for label in [label for label in self.members if "/" in label]:
            raise ValueError(f"members.{label}: a label must not contain '/'. Rename it")
        for label in [label for label in self.members if "+" in str(self.members[label])]:
            raise ValueError(f"members.{label}: joins several datasets by '+'. Give every dataset its own label")
        for field_name in ("without", "match_size_without"):
            if unknown := [name for name in getattr(self, field_name) if name not in self.members]:
                raise ValueError(
                    f"{field_name}: {unknown[0]!r} is not a member. Choose from: {', '.join(self.members)}"
                )


def find_dependencies(config: PoolConfig) -> Mapping[str, Dependency]:
    """Return a dependency for every member."""
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
        summary="several datasets without their labels, excluding images that they share with targets",
        citation=CITATION,
        config=PoolConfig,
        smoke=PoolConfig(members={"digits": "digits"}),
        build="sslbench_vision.datasets.pool_reader:open_pool",
        dependencies=find_dependencies,
        card=DatasetCard(
            license="its members'",
            citation=CITATION,
            source="its members'",
            obtain="set members.LABEL=DATASET, and get the files of each member",
        ),
    )
