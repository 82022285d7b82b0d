"""A plan in the making: a request's tree, what is wrong with it so far, and the choices that stand on their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sslbench.api.errors import DataMissing, RequestError
from sslbench.api.specs import MethodSpec, Recipe
from sslbench.catalog.facts import Catalog, did_you_mean
from sslbench.config.choices import Choice, choose
from sslbench.config.datasets import DatasetCache, OpenedParts, Part, merge_equal_parts, open_parts
from sslbench.config.request import Tree
from sslbench.config.settings import PretrainSettings, TrainSettings, ViewSettings, problems_of
from sslbench.convert import convert
from sslbench.data.canvas import PrepareSettings, find_unused_sampling
from sslbench.data.splits import SplitSettings, find_unused_settings, has_official_split

SectionT = TypeVar("SectionT")


@dataclass(slots=True)
class Draft:
    """A plan in the making: the tree, and what is wrong so far."""

    catalog: Catalog
    datasets: DatasetCache
    tree: Tree
    problems: list[str]
    missing: list[str]

    def section(self, name: str, cls: type[SectionT]) -> SectionT:
        section: SectionT = convert(self.tree.get(name) or {}, cls, name, self.problems)
        return section

    def component(self, name: str) -> tuple[str | None, dict[str, Any]]:
        section = self.tree.get(name) or {}
        return section.get("name"), {k: v for k, v in section.items() if k != "name"}

    def raise_if_invalid(self) -> None:
        """Raise if anything is wrong; only missing data is not a wrong request."""
        problems = list(dict.fromkeys(self.problems))
        if problems:
            raise RequestError([*problems, *self.missing])
        if self.missing:
            raise DataMissing("\n".join(dict.fromkeys(self.missing)))


def choose_data(draft: Draft) -> tuple[list[Part], list[Part]]:
    """Open the parts to evaluate on, and those to pretrain on."""
    name, settings = draft.component("data")
    if name is None:
        names = [c.name for c in draft.catalog.all("dataset")]
        draft.problems.append(f"data: no dataset named; add --dataset NAME{did_you_mean('', names)}")
        return [], []
    first = open_parts(draft.catalog, name, settings, draft.datasets)
    titles = {part.choice.title for part in first.parts if hasattr(part.choice.config, "title")}
    if len(titles) == 1:  # a record's request gives its data the same name wherever the folder lies
        draft.tree = {**draft.tree, "data": {**draft.tree["data"], "title": titles.pop()}}
    asked = draft.section("pretrain", PretrainSettings)
    pool = asked.pool
    evaluate = first
    if asked.settings and not asked.is_other_dataset:
        draft.problems.append(
            f"pretrain.settings: pool {pool!r} has none; name the dataset they are of: pretrain.pool=NAME"
        )
    if asked.is_other_dataset and draft.tree.get("evaluate"):
        draft.problems.append(
            "evaluate: is not possible beside a dataset in pretrain.pool; name what is measured with --dataset"
        )
    if other := draft.tree.get("evaluate"):
        shared = settings if str(other).split("/")[0] == name.split("/")[0] else {}
        evaluate = open_parts(draft.catalog, str(other), shared, draft.datasets, path="evaluate", settings_path="data")
    elif asked.is_other_dataset:
        shared = dict(settings) if pool.split("/")[0] == name.split("/")[0] else {}
        if "root" in asked.settings:
            shared.pop("title", None)  # of another folder
        shared |= asked.settings
        first = open_parts(
            draft.catalog, pool, shared, draft.datasets, path="pretrain.pool", settings_path="pretrain.settings"
        )
    for found in {id(f): f for f in (first, evaluate)}.values():
        _collect(draft, found)
        found.parts = merge_equal_parts(found.parts, "data.title", draft.problems)
    if (
        first is not evaluate
    ):  # one dataset may be learned from under other settings; folders of one title are a mistake
        titled = [part for part in (*evaluate.parts, *first.parts) if part.choice.title != part.choice.requested_name]
        merge_equal_parts(titled, "data.title", draft.problems)
    asked_for = draft.section("prepare", PrepareSettings)
    most, sampling = asked_for.samples, asked_for.sampling
    return [p.subset(most, sampling) for p in evaluate.parts], [p.subset(most, sampling) for p in first.parts]


def _collect(draft: Draft, found: OpenedParts) -> None:
    draft.problems += found.problems
    draft.missing += found.missing


def choose_recipe(draft: Draft, spec: MethodSpec[Any], rows: int, pixels: int) -> Recipe | None:
    """The recipe that was asked for, or the first that suits the data; those that name this dataset come first."""
    wanted = str(draft.tree.get("recipe", "auto"))
    every = draft.catalog.recipes(spec)
    if wanted in ("auto", "none"):
        data = str(draft.component("data")[0]).partition("/")[0]
        meant = [one.recipe for one in draft.catalog.recipes_of_others(spec.name) if data in one.datasets]
        fitting = (
            r
            for r in (*meant, *spec.recipes)
            if r.samples[0] <= rows <= r.samples[1] and r.pixels[0] <= pixels <= r.pixels[1]
        )
        return next(fitting, None) if wanted == "auto" else None
    found = next((r for r in every if r.name == wanted), None)
    if found is None:
        names = ["auto", "none", *(r.name for r in every)]
        draft.problems.append(f"recipe: {spec.name!r} has no recipe {wanted!r}{did_you_mean(wanted, names)}")
    return found


def check_sections(draft: Draft) -> None:
    """Find what is wrong with the harness's own settings, whatever else is wrong."""
    draft.problems += problems_of(draft.section("train", TrainSettings))
    draft.problems += find_unused_settings(draft.section("splits", SplitSettings))
    draft.section("pretrain", PretrainSettings)
    draft.problems += find_unused_sampling(draft.section("prepare", PrepareSettings))
    draft.section("view", ViewSettings)


def choose_protocols(draft: Draft, evaluate: Sequence[Part]) -> tuple[Choice, ...]:
    """The protocols that were asked for, or all that suit the data and measure by default."""
    settings: Mapping[str, Any] = draft.tree.get("protocol_settings") or {}
    kinds = {part.dataset.target.kind for part in evaluate}
    wanted = draft.tree.get("protocols")
    names = [c.name for c in draft.catalog.all("protocol")]
    if isinstance(wanted, str):
        wanted = [name.strip() for name in wanted.split(",") if name.strip()]
    if wanted is None:
        fitting = [c for c in draft.catalog.all("protocol") if kinds & c.spec.targets]
        wanted = [c.name for c in fitting if c.spec.is_default]
    for unknown in [name for name in settings if name not in names]:
        draft.problems.append(f"protocol_settings.{unknown}: no such protocol{did_you_mean(unknown, names)}")
    chosen = []
    for name in wanted:
        path = f"protocol_settings.{name}"
        choice = choose(draft.catalog, "protocol", str(name), settings.get(name) or {}, path, draft.problems)
        if choice is not None:
            chosen.append(choice)
            if not kinds & choice.spec.targets:
                measured = " or ".join(sorted(choice.spec.targets))
                has = " and ".join(sorted(kinds)).replace("none", "no labels")
                hint = "; images get a class by lying in a folder of its name" if kinds == {"none"} else ""
                draft.problems.append(f"{path}: measures samples with a {measured}, the data has {has}{hint}")
    return tuple(chosen)


def choose_seeds(draft: Draft) -> tuple[int, ...]:
    """The pretraining seeds."""
    seeds = draft.tree.get("seeds", [0, 1, 2])
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        seeds = [seeds]
    if isinstance(seeds, str):
        seeds = [int(s) if s.strip().isdigit() else s for s in seeds.split(",")]
    good = isinstance(seeds, list) and seeds and all(type(s) is int and s >= 0 for s in seeds)
    if not good or len(set(seeds)) != len(seeds):
        draft.problems.append(
            f"seeds: {seeds!r} is not possible; possible: different whole numbers, as in seeds=[0,1,2]"
        )
        return (0,)
    return tuple(seeds)


def choose_folds(draft: Draft, splits: SplitSettings, evaluate: Sequence[Part]) -> tuple[int, ...]:
    """The folds to run; one where the data says what is tested."""
    wanted = draft.tree.get("folds", 0)
    official = all(has_official_split(p.dataset.labels, p.dataset.columns, splits) for p in evaluate)
    if wanted == "all":
        return (0,) if official else tuple(range(splits.folds))
    folds = [wanted] if isinstance(wanted, int) else wanted
    if not isinstance(folds, list) or not all(type(f) is int and 0 <= f < splits.folds for f in folds):
        draft.problems.append(
            f"folds: {wanted!r} is not possible; possible: all, or whole numbers below {splits.folds}"
        )
        return (0,)
    return (0,) if official else tuple(folds)
