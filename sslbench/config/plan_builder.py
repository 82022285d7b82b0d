"""Build the parts of a plan that depend on few others: data, recipe, protocols, seeds and folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sslbench.api.errors import DataMissing, RequestError
from sslbench.api.specs import MethodSpec, Recipe
from sslbench.api.suggestions import did_you_mean
from sslbench.api.targets import KINDS, kind_of
from sslbench.api.values import PlanContext
from sslbench.api.varied import Varied
from sslbench.catalog.facts import Catalog
from sslbench.config.choices import Choice, choose
from sslbench.config.datasets import DatasetCache, OpenedParts, Part, merge_equal_parts, open_parts
from sslbench.config.dependencies import dependency_errors
from sslbench.config.request import Tree
from sslbench.config.settings import PretrainSettings, TrainSettings, ViewSettings, problems_of
from sslbench.convert import convert
from sslbench.data.canvas import PrepareSettings, find_unused_sampling
from sslbench.data.groups import group_key
from sslbench.data.label_lists import LabelList, find_list_problems, read_label_lists
from sslbench.data.splits import SplitSettings, count_folds, divide, find_unused_settings

SectionT = TypeVar("SectionT")


@dataclass(slots=True)
class Draft:
    """An unfinished plan: the request's tree, and the problems and missing data found so far."""

    catalog: Catalog
    datasets: DatasetCache
    tree: Tree
    problems: list[str]
    missing: list[str]

    def section(self, name: str, cls: type[SectionT]) -> SectionT:
        """Convert a section of the request; its problems are added to `problems`."""
        section: SectionT = convert(self.tree.get(name) or {}, cls, name, self.problems)
        return section

    def component(self, name: str) -> tuple[str | None, dict[str, Any]]:
        """Return the name and the settings of a component's section."""
        section = self.tree.get(name) or {}
        return section.get("name"), {k: v for k, v in section.items() if k != "name"}

    def raise_if_invalid(self) -> None:
        """Raise RequestError if there is any problem, or DataMissing if only data is missing."""
        problems = list(dict.fromkeys(self.problems))
        if problems:
            raise RequestError([*problems, *self.missing])
        if self.missing:
            raise DataMissing("\n".join(dict.fromkeys(self.missing)))


def choose_data(draft: Draft) -> tuple[list[Part], list[Part]]:
    """Open the parts to evaluate on, and the parts to pretrain on."""
    name, settings = draft.component("data")
    if name is None:
        names = [c.name for c in draft.catalog.all("dataset")]
        draft.problems.append(f"data: is required. Add --dataset NAME{did_you_mean('', names)}")
        return [], []
    first = open_parts(draft.catalog, name, settings, draft.datasets)
    titles = {part.choice.title for part in first.parts if hasattr(part.choice.config, "title")}
    if len(titles) == 1:  # the request in a record gives its data the same name, independent of the folder
        draft.tree = {**draft.tree, "data": {**draft.tree["data"], "title": titles.pop()}}
    pretraining = draft.section("pretrain", PretrainSettings)
    pool = pretraining.pool
    evaluate = first
    if pretraining.settings and not pretraining.is_other_dataset:
        draft.problems.append(
            f"pretrain.settings: has no effect with pretrain.pool={pool}. Set pretrain.pool to the name of a dataset"
        )
    if pretraining.is_other_dataset and draft.tree.get("evaluate"):
        draft.problems.append(
            f"evaluate: cannot be combined with pretrain.pool={pool}. Name the evaluation data with --dataset instead"
        )
    if other := draft.tree.get("evaluate"):
        shared = settings if str(other).split("/")[0] == name.split("/")[0] else {}
        evaluate = open_parts(draft.catalog, str(other), shared, draft.datasets, path="evaluate", settings_path="data")
    elif pretraining.is_other_dataset:
        shared = dict(settings) if pool.split("/")[0] == name.split("/")[0] else {}
        if "root" in pretraining.settings:
            shared.pop("title", None)  # it belongs to the other folder
        shared |= pretraining.settings
        first = open_parts(
            draft.catalog, pool, shared, draft.datasets, path="pretrain.pool", settings_path="pretrain.settings"
        )
    for found in {id(f): f for f in (first, evaluate)}.values():
        _collect(draft, found)
        found.parts = merge_equal_parts(found.parts, "data.title", draft.problems)
    if (
        first is not evaluate
    ):  # one dataset may be used with two sets of settings; two folders with one title are a mistake
        titled = [part for part in (*evaluate.parts, *first.parts) if part.choice.title != part.choice.requested_name]
        merge_equal_parts(titled, "data.title", draft.problems)
    prepare = draft.section("prepare", PrepareSettings)
    samples, sampling = prepare.samples, prepare.sampling
    return [p.subset(samples, sampling) for p in evaluate.parts], [p.subset(samples, sampling) for p in first.parts]


def _collect(draft: Draft, found: OpenedParts) -> None:
    draft.problems += found.problems
    draft.missing += found.missing


def choose_recipe(draft: Draft, spec: MethodSpec[Any], rows: int, pixels: int) -> Recipe | None:
    """Return the requested recipe, or the first one that suits the data; recipes that name this dataset come first."""
    requested = str(draft.tree.get("recipe", "auto"))
    every = draft.catalog.recipes(spec)
    if requested in ("auto", "none"):
        data = str(draft.component("data")[0]).partition("/")[0]
        specific = [one.recipe for one in draft.catalog.recipes_of_others(spec.name) if data in one.datasets]
        fitting = (
            r
            for r in (*specific, *spec.recipes)
            if r.samples[0] <= rows <= r.samples[1] and r.pixels[0] <= pixels <= r.pixels[1]
        )
        return next(fitting, None) if requested == "auto" else None
    found = next((r for r in every if r.name == requested), None)
    if found is None:
        names = ["auto", "none", *(r.name for r in every)]
        renamed = draft.catalog.find_renamed("recipe", requested)
        hint = f". It is now {renamed.name!r}" if renamed else did_you_mean(requested, names)
        draft.problems.append(f"recipe: {spec.name!r} has no recipe {requested!r}{hint}")
    return found


def check_sections(draft: Draft) -> None:
    """Check the harness's own settings."""
    draft.problems += problems_of(draft.section("train", TrainSettings))
    draft.problems += find_unused_settings(draft.section("splits", SplitSettings))
    draft.section("pretrain", PretrainSettings)
    draft.problems += find_unused_sampling(draft.section("prepare", PrepareSettings))
    draft.section("view", ViewSettings)


def choose_protocols(draft: Draft, evaluate: Sequence[Part], context: PlanContext) -> tuple[Choice, ...]:
    """Return the requested protocols, or all default protocols that suit the data."""
    settings: Mapping[str, Any] = draft.tree.get("protocol_settings") or {}
    kinds = {part.dataset.target.kind for part in evaluate}
    every = [part.dataset.modalities for part in evaluate]
    shared = {name: one for name, one in every[0].items() if all(name in other for other in every)} if every else {}
    requested = draft.tree.get("protocols")
    names = [c.name for c in draft.catalog.all("protocol")]
    if isinstance(requested, str):
        requested = [name.strip() for name in requested.split(",") if name.strip()]
    if requested is None:
        fitting = [c for c in draft.catalog.all("protocol") if kinds & c.spec.targets]
        requested = [c.name for c in fitting if c.spec.is_default]
    for unknown in [name for name in settings if name not in names]:
        draft.problems.append(f"protocol_settings.{unknown}: no such protocol{did_you_mean(unknown, names)}")
    chosen = []
    for name in requested:
        if isinstance(found := draft.catalog.find("protocol", str(name)), str):
            draft.problems.append(f"protocols: {found}")
            continue
        path = f"protocol_settings.{name}"
        choice = choose(draft.catalog, "protocol", str(name), settings.get(name) or {}, path, draft.problems)
        if choice is not None:
            chosen.append(choice)
            draft.problems += dependency_errors(choice, path, context, shared)
            if not kinds & choice.spec.targets:
                needed = " or ".join(KINDS[kind].content for kind in sorted(choice.spec.targets))
                has = " and ".join(KINDS[kind].content for kind in sorted(kinds))
                hint = ". To label images, put them in one folder per class" if kinds == {"none"} else ""
                draft.problems.append(f"protocols: {name!r} needs samples with {needed}, but the data has {has}{hint}")
    draft.problems += _find_conflicts(chosen)
    return tuple(chosen)


def _find_conflicts(protocols: Sequence[Choice]) -> list[str]:
    """Return one message per varied setting that two protocols of a request declare differently."""
    known: dict[str, tuple[str, Varied]] = {}
    problems = []
    for choice in protocols:
        for one in choice.spec.varies:
            first, declared = known.setdefault(one.name, (choice.name, one))
            if declared != one:
                problem = f"{first!r} and {choice.name!r} declare the setting {one.name!r} differently"
                problems.append(f"protocols: {problem}. Use a run for each, or report it to their authors")
    return problems


def choose_seeds(draft: Draft) -> tuple[int, ...]:
    """Return the pretraining seeds."""
    seeds = draft.tree.get("seeds", [0, 1, 2])
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        seeds = [seeds]
    if isinstance(seeds, str):
        seeds = [int(s) if s.strip().isdigit() else s for s in seeds.split(",")]
    is_valid = isinstance(seeds, list) and seeds and all(type(s) is int and s >= 0 for s in seeds)
    if not is_valid or len(set(seeds)) != len(seeds):
        draft.problems.append(f"seeds={seeds!r}: expected different whole numbers of at least 0, such as seeds=[0,1,2]")
        return (0,)
    return tuple(seeds)


def choose_folds(draft: Draft, splits: SplitSettings, evaluate: Sequence[Part]) -> tuple[int, ...]:
    """Return the folds to run; only fold 0 if the data has a single official test set."""
    requested = draft.tree.get("folds", 0)
    count = min(count_folds(part.dataset.labels, part.dataset.columns, splits) for part in evaluate)
    if requested == "all":
        return tuple(range(count))
    limit = splits.folds if count == 1 else count
    folds = [requested] if isinstance(requested, int) else requested
    if not isinstance(folds, list) or not all(type(f) is int and 0 <= f < limit for f in folds):
        draft.problems.append(f"folds={requested!r}: expected all, or whole numbers from 0 to {limit - 1}")
        return (0,)
    return (0,) if count == 1 else tuple(folds)


def choose_label_lists(
    draft: Draft, splits: SplitSettings, evaluate: Sequence[Part], folds: Sequence[int]
) -> dict[str, tuple[LabelList, ...]]:
    """Return the lists of labels of every labeled part, by its name; those of missing data are not read."""
    found: dict[str, tuple[LabelList, ...]] = {}
    for part in evaluate if splits.label_lists else ():
        data, groups = part.dataset, part.choice.spec.card.groups
        if part.name in draft.datasets.placeholders:
            found[part.name] = tuple(LabelList(name=text, ids=()) for text in splits.label_lists)
        elif kind_of(data.target).is_labeled(data.labels).any():
            try:
                found[part.name] = read_label_lists(splits.label_lists, getattr(data, "label_lists", {}))
                divisions = {fold: divide(data.labels, data.columns, splits, fold, groups) for fold in folds}
            except RequestError as error:
                draft.problems += error.problems
                continue
            key = group_key(data.columns, splits, groups)
            for one in found[part.name]:
                arguments = (data.columns["id"], data.labels, data.target.names, divisions, key)
                draft.problems += [f"{problem} ({part.name})" for problem in find_list_problems(one, *arguments)]
    return found
