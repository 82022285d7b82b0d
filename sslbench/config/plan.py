"""Convert a request's tree to a typed plan, and report all of its problems before anything runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sslbench.api.errors import RequestError
from sslbench.api.specs import MethodSpec, Recipe
from sslbench.api.suggestions import did_you_mean
from sslbench.api.targets import kind_of
from sslbench.api.values import Modality, PlanContext, Role, Target
from sslbench.catalog.facts import Catalog
from sslbench.config.augmentations import PlannedAugmentation, choose_augmentations
from sslbench.config.budget import collect_warnings
from sslbench.config.choices import Choice, choose
from sslbench.config.class_names import warn_of_similar_classes
from sslbench.config.compatibility import (
    ComparedData,
    check_training_data,
    find_background_errors,
    find_mismatches,
    find_pool_errors,
    incompatibilities,
    leakage_errors,
    view_shapes,
)
from sslbench.config.datasets import DatasetCache, Part
from sslbench.config.identical_views import NONE, find_identical_views, refuse_identical_views
from sslbench.config.plan_builder import (
    Draft,
    check_sections,
    choose_data,
    choose_folds,
    choose_label_lists,
    choose_protocols,
    choose_recipe,
    choose_seeds,
)
from sslbench.config.request import Tree, with_recipe
from sslbench.config.request_schema import drop_invalid
from sslbench.config.settings import ModalitySettings, PretrainSettings, TrainSettings, ViewSettings
from sslbench.config.sizes import default_canvas, default_view, warn_of_enlarging
from sslbench.convert import convert, to_plain
from sslbench.data.canvas import PrepareSettings
from sslbench.data.label_lists import LabelList
from sslbench.data.splits import SplitSettings, division_errors
from sslbench.environment import Precision

LABEL_PRESERVING = "label-preserving"
"""Augmentation name that selects the label-preserving augmentation of the evaluation data."""
SMALL_SAMPLES, SMALL_PIXELS = 5_000, 32 * 32
"""`Machine.small_threads` applies up to this number of samples, of this number of pixels each when encoded."""
UNAUGMENTED = PlannedAugmentation(name=NONE, random_key=NONE, version=2, weight=1.0, roles={})
"""Augmentation of methods that augment no role, and of `augmentation.name=none`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """All typed and checked settings and opened datasets of a run.

    `label_preserving` maps names of evaluated parts to the augmentation that preserves their labels; some may have none.
    `label_lists` maps them to the lists of labels that protocols are trained on.
    """

    method: Choice
    backbones: Mapping[str, Choice]
    augmentations: tuple[PlannedAugmentation, ...]
    label_preserving: Mapping[str, PlannedAugmentation]
    protocols: tuple[Choice, ...]
    pretrain_parts: tuple[Part, ...]
    evaluate_parts: tuple[Part, ...]
    modalities: Mapping[str, Modality]
    roles: Mapping[str, Role]
    context: PlanContext
    train: TrainSettings
    view: int
    canvas: int
    prepare: PrepareSettings
    splits: SplitSettings
    label_lists: Mapping[str, tuple[LabelList, ...]]
    pool: str
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    threads: int
    cpu_matmul_dtype: Precision
    recipe: str
    request: Tree
    warnings: tuple[str, ...] = ()

    @property
    def spec(self) -> MethodSpec[Any]:
        """Return the method's spec."""
        spec: MethodSpec[Any] = self.method.spec
        return spec

    @property
    def has_identical_views(self) -> bool:
        """Return whether the method compares views of a sample that are identical in some modality."""
        compares = self.spec.trains and (self.spec.compares_views or self.spec.identical_views)
        if compares and self.spec.identical_views and sum(role.count for role in self.roles.values()) == 1:
            return True  # it compares one view with itself
        return compares and any(find_identical_views(a, self.roles, self.modalities) for a in self.augmentations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Facts of the machine that a plan uses where the request sets nothing; all enter the keys.

    `precision` applies to the training device, `cpu_matmul_dtype` to the processor, on which protocols work on features.
    `small_threads` is the number of threads of runs on few small images (None: `threads`): their matrix products are too
    small to share, so parallel processes use the cores better.
    """

    threads: int
    precision: Precision
    cpu_matmul_dtype: Precision = "float32"
    small_threads: int | None = None


def make_plan(tree: Tree, catalog: Catalog, datasets: DatasetCache, machine: Machine) -> Plan:
    """Make a plan from a request's tree.

    Raises RequestError with every problem, or DataMissing if missing data is the only problem.
    """
    problems: list[str] = []
    draft = Draft(catalog, datasets, drop_invalid(tree, problems), problems, [])
    method_name, method_settings = draft.component("method")
    if method_name is None:
        names = [c.name for c in catalog.all("method")]
        draft.problems.append(f"method: is required. Add --method NAME{did_you_mean('', names)}")
    method = method_name and choose(catalog, "method", method_name, method_settings, "method", draft.problems)
    evaluate, pretrain = choose_data(draft)
    if not method or not evaluate or not pretrain:
        check_sections(draft)
        draft.raise_if_invalid()
        name = draft.component("data")[0]
        raise RequestError([f"data: no part of {name!r} can be opened. See 'sslbench data where {name}'"])
    view_size = draft.section("view", ViewSettings).size
    rows = sum(len(part.dataset.labels) for part in pretrain)
    recipe = choose_recipe(draft, method.spec, rows, (view_size or default_view(pretrain)) ** 2)
    if recipe is not None:
        draft.tree = with_recipe(draft.tree, recipe)
        config_tree = {k: v for k, v in draft.tree.get("method", {}).items() if k != "name"}
        method = choose(catalog, "method", str(method_name), config_tree, "method", draft.problems) or method
    return _complete(draft, method, tuple(pretrain), tuple(evaluate), recipe, machine)


def _complete(
    draft: Draft,
    method: Choice,
    pretrain: tuple[Part, ...],
    evaluate: tuple[Part, ...],
    recipe: Recipe | None,
    machine: Machine,
) -> Plan:
    train = draft.section("train", TrainSettings)
    if train.precision == "auto":
        train = replace(train, precision=machine.precision)
    check_sections(draft)
    prepare = draft.section("prepare", PrepareSettings)
    splits = draft.section("splits", SplitSettings)
    view_size = draft.section("view", ViewSettings).size
    view = view_size or default_view((*pretrain, *evaluate))
    canvas = prepare.size or default_canvas(view, (*pretrain, *evaluate))
    stored = {name: m.code.stored(m, canvas) for name, m in pretrain[0].dataset.modalities.items()}
    stored = _restrict_facts(draft, stored)
    used, backbones = _backbones(draft, method.spec, stored)
    encoded = {name: _encoded_modality(m, view) for name, m in used.items()}
    roles = method.spec.views(method.config)
    label_preserving = _label_preserving(draft, evaluate)
    augmentations = _augmentations(draft, method.spec, roles, evaluate)
    if augmentations == (UNAUGMENTED,):
        roles = {name: replace(role, augment=False) for name, role in roles.items()}
    shapes = view_shapes(encoded, {n: m.shape for n, m in used.items()}, roles, augmentations, view)
    rows = sum(len(part.dataset.labels) for part in pretrain)
    target = pretrain[0].dataset.target if method.spec.uses_labels else Target(kind="none")
    epochs = train.with_epochs(max(1, -(-rows // train.batch_size))).epochs
    facts = PlanContext(
        modalities=encoded, shapes=shapes, samples=rows, batch_size=train.batch_size, epochs=epochs, target=target
    )
    _compare_data(draft, pretrain, evaluate, encoded, backbones)
    _check_parts(draft, pretrain, evaluate, prepare, splits)
    draft.problems += check_training_data(method, pretrain, splits)
    draft.problems += incompatibilities(method, backbones, augmentations, facts)
    requested = (draft.tree.get("augmentation") or {}).get("name")
    draft.problems += refuse_identical_views(draft.catalog, method, augmentations, roles, facts, requested)
    protocols = choose_protocols(draft, evaluate, facts)
    is_separate = draft.section("pretrain", PretrainSettings).is_other_dataset or bool(draft.tree.get("evaluate"))
    draft.problems += leakage_errors(method, train, protocols, is_separate=is_separate)
    seeds, folds = choose_seeds(draft), choose_folds(draft, splits, evaluate)
    label_lists = choose_label_lists(draft, splits, evaluate, folds)
    draft.raise_if_invalid()
    threads = draft.tree.get("threads") or _threads(machine, encoded, rows)
    content = [[part.choice.key_form(), part.part, part.fingerprint()] for part in pretrain]
    pool = draft.section("pretrain", PretrainSettings).pool_name(pretrain[0].choice.title, to_plain(content))
    return Plan(
        method=method, backbones=backbones, augmentations=augmentations, label_preserving=label_preserving,
        protocols=protocols,
        pretrain_parts=pretrain, evaluate_parts=evaluate, modalities=encoded, roles=roles, context=facts, train=train,
        view=view, canvas=canvas, prepare=prepare, splits=splits, label_lists=label_lists, pool=pool,
        seeds=seeds, folds=folds, threads=threads, cpu_matmul_dtype=machine.cpu_matmul_dtype,
        recipe=recipe.name if recipe else "none", request=to_plain(draft.tree),
        warnings=(
            *warn_of_similar_classes((*evaluate, *pretrain)), *warn_of_enlarging(view_size, (*pretrain, *evaluate)),
            *collect_warnings(method, backbones, protocols, train, facts),
        ),
    )  # fmt: skip


def _check_parts(
    draft: Draft, pretrain: Sequence[Part], evaluate: Sequence[Part], prepare: PrepareSettings, splits: SplitSettings
) -> None:
    """Check that the available parts can be split and prepared."""
    placeholders = draft.datasets.placeholders
    pool = [p for p in pretrain if p.name not in placeholders]
    available = [p for p in evaluate if p.name not in placeholders and kind_of(p.dataset.target).has_labels]
    for part in available:
        draft.problems += division_errors(
            part.dataset.labels, part.dataset.columns, splits, part.choice.spec.card.groups
        )
    draft.problems += find_background_errors((*pool, *available), prepare)


def _compare_data(
    draft: Draft,
    pretrain: Sequence[Part],
    evaluate: Sequence[Part],
    encoded: Mapping[str, Modality],
    backbones: Mapping[str, Choice],
) -> None:
    """Check that the parts of the pool fit together, and the evaluation data the encoders."""
    placeholders = draft.datasets.placeholders
    pool = [part for part in pretrain if part.name not in placeholders]
    is_other = draft.section("pretrain", PretrainSettings).is_other_dataset
    setting, measured = "pretrain.pool" if is_other else "data", "evaluate" if draft.tree.get("evaluate") else "data"
    if wrong := find_pool_errors(pool, setting):
        draft.problems += wrong
    elif encoded and pool and pool[0] is pretrain[0]:
        learned = ComparedData(setting=setting, name=pool[0].name, modalities=encoded)
        any_size = {name for name, choice in backbones.items() if "any-size" in choice.spec.provides(choice.config)}
        for part in evaluate:
            if part.name not in placeholders:
                own = ComparedData(setting=measured, name=part.name, modalities=part.dataset.modalities)
                draft.problems += find_mismatches(learned, own, any_size)


def _threads(machine: Machine, modalities: Mapping[str, Modality], rows: int) -> int:
    """Choose the number of threads from the data alone, so that the number of runs or seeds changes no key."""
    pixels = [math.prod(m.sides) if m.spec.has_size else math.inf for m in modalities.values()]
    is_small = rows <= SMALL_SAMPLES and max(pixels, default=math.inf) <= SMALL_PIXELS
    return machine.small_threads or machine.threads if is_small else machine.threads


def _restrict_facts(draft: Draft, modalities: Mapping[str, Modality]) -> dict[str, Modality]:
    """Remove the facts that a request disables."""
    result = dict(modalities)
    for name, section in (draft.tree.get("modalities") or {}).items():
        settings = convert(section, ModalitySettings, f"modalities.{name}", draft.problems)
        if name not in modalities:
            draft.problems.append(f"modalities.{name}: the data has no such modality{did_you_mean(name, modalities)}")
            continue
        known = modalities[name].facts
        draft.problems += [
            f"modalities.{name}.facts: the data has no fact {fact!r}{did_you_mean(fact, known)}"
            for fact in settings.facts or ()
            if fact not in known
        ]
        if settings.facts is not None:
            result[name] = replace(modalities[name], facts=settings.facts)
    return result


def _encoded_modality(modality: Modality, view: int) -> Modality:
    """Return a modality at the size of encoded samples."""
    if not modality.spec.has_size:
        return modality
    return replace(modality, shape=modality.spec.with_sides(modality.shape, (view,) * len(modality.sides)))


def _backbones(
    draft: Draft, spec: MethodSpec[Any], modalities: Mapping[str, Modality]
) -> tuple[dict[str, Modality], dict[str, Choice]]:
    own: Mapping[str, Any] = draft.tree.get("backbones") or {}
    for unknown in [name for name in own if name not in modalities]:
        draft.problems.append(f"backbones.{unknown}: the data has no such modality{did_you_mean(unknown, modalities)}")
    used = {n: m for n, m in modalities.items() if not own or n in own}
    low, high = spec.modalities
    if not low <= len(used) <= high:
        fix = f"Select from {', '.join(modalities)} with --backbone {next(iter(modalities))}=NAME"
        if len(modalities) < low:
            fix = "Choose another method, or data with more modalities"
        takes = (
            f"{low} modality"
            if low == high == 1
            else f"{low} modalities"
            if low == high
            else f"{low} to {high} modalities"
        )
        draft.problems.append(f"method: {spec.name!r} takes {takes}, not {len(used)} ({', '.join(used)}). {fix}")
    if not spec.backbone:
        return used, {}
    chosen = {}
    for name in used:
        section = own.get(name, draft.tree.get("backbone") or {})
        section = {"name": section} if isinstance(section, str) else dict(section)
        path = f"backbones.{name}" if name in own else "backbone"
        if "name" not in section:
            which = f" for {name!r}" if len(used) > 1 else ""
            fix = f"--backbone {name}=NAME" if len(used) > 1 else "--backbone NAME"
            draft.problems.append(f"{path}: is required{which}, as the recipe has none. Add {fix}")
            continue
        choice = choose(draft.catalog, "backbone", section.pop("name"), section, path, draft.problems)
        if choice is not None:
            chosen[name] = choice.without_weights() if spec.random_init else choice
    return used, chosen


def _label_preserving(draft: Draft, evaluate: Sequence[Part]) -> dict[str, PlannedAugmentation]:
    """Return the label-preserving augmentation of each part, for protocols that train and for alignment."""
    names = {part.name: part.choice.spec.label_preserving for part in evaluate}
    chosen = {
        name: choose_augmentations(draft.catalog, {"name": name}, ["view"], draft.problems)
        for name in dict.fromkeys(filter(None, names.values()))
    }
    return {part: chosen[name][0] for part, name in names.items() if chosen.get(name)}


def _augmentations(
    draft: Draft, spec: MethodSpec[Any], roles: Mapping[str, Role], evaluate: Sequence[Part]
) -> tuple[PlannedAugmentation, ...]:
    augmented = [name for name, role in roles.items() if role.augment]
    section = dict(draft.tree.get("augmentation") or {})
    name = section.get("name")
    if not spec.trains:
        return ()
    if name == NONE:
        problem = "has no effect with augmentation.name=none. Remove one of them"
        draft.problems += [f"augmentation.{setting}: {problem}" for setting in section if setting != "name"]
    if name == LABEL_PRESERVING:
        name = evaluate[0].choice.spec.label_preserving or NONE
    if not augmented or name == NONE:
        return (UNAUGMENTED,)
    if name is None:
        draft.problems.append("augmentation: is required, as the recipe has none. Add --augmentation NAME")
        return ()
    return choose_augmentations(draft.catalog, {**section, "name": name}, augmented, draft.problems)
