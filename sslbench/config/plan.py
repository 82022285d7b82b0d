"""From a request's tree to a typed plan. All problems are found before anything runs, each with its dotted path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sslbench.api.errors import DataMissing, RequestError
from sslbench.api.specs import MethodSpec, Need, Recipe
from sslbench.api.values import Facts, Modality, Role, Shapes, Target
from sslbench.catalog.facts import Catalog, did_you_mean
from sslbench.config.choices import Choice, PlannedAugmentation, choose, choose_augmentations
from sslbench.config.convert import convert, plain
from sslbench.config.parts import Found, Part, open_parts
from sslbench.config.request import Tree, with_recipe
from sslbench.config.settings import ModalitySettings, PretrainSettings, TrainSettings, ViewSettings, problems_of
from sslbench.data.canvas import PrepareSettings
from sslbench.data.prepare import prepared_modality
from sslbench.data.splits import SplitSettings, has_official_split
from sslbench.environment import Places

DEFAULT_VIEW, LARGEST_CANVAS = 64, 256
LABEL_PRESERVING = "label-preserving"
"""As an augmentation's name: the one that the evaluation data says leaves its labels true."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Everything a run is, typed, found and checked; nothing of it has run yet."""

    method: Choice
    backbones: Mapping[str, Choice]
    augmentations: tuple[PlannedAugmentation, ...]
    label_preserving: PlannedAugmentation | None
    protocols: tuple[Choice, ...]
    pretrain_parts: tuple[Part, ...]
    evaluate_parts: tuple[Part, ...]
    modalities: Mapping[str, Modality]
    roles: Mapping[str, Role]
    facts: Facts
    train: TrainSettings
    view: int
    canvas: int
    prepare: PrepareSettings
    splits: SplitSettings
    pool: str
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    threads: int
    recipe: str
    request: Tree

    @property
    def spec(self) -> MethodSpec[Any]:
        spec: MethodSpec[Any] = self.method.spec
        return spec


@dataclass(slots=True)
class _Draft:
    """A plan in the making: the tree, and what is wrong so far."""

    catalog: Catalog
    places: Places
    tree: Tree
    problems: list[str]
    missing: list[str]

    def section(self, name: str, cls: type[Any]) -> Any:
        return convert(self.tree.get(name) or {}, cls, name, self.problems)

    def component(self, name: str) -> tuple[str | None, dict[str, Any]]:
        section = self.tree.get(name) or {}
        return section.get("name"), {k: v for k, v in section.items() if k != "name"}

    def settle(self) -> None:
        """Raise if anything is wrong; only missing data is not a wrong request."""
        problems = list(dict.fromkeys(self.problems))
        if problems:
            raise RequestError([*problems, *self.missing])
        if self.missing:
            raise DataMissing("\n".join(dict.fromkeys(self.missing)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a plan takes from the machine where a request leaves it open; both enter the keys."""

    threads: int
    precision: Literal["float32", "bfloat16"]


def make_plan(tree: Tree, catalog: Catalog, places: Places, machine: Machine) -> Plan:
    """Make a plan of a request's tree.

    Raises RequestError with every problem, or DataMissing when nothing but data is missing.
    """
    draft = _Draft(catalog, places, dict(tree), [], [])
    method_name, method_settings = draft.component("method")
    if method_name is None:
        draft.problems.append(f"method: none named{did_you_mean('', [c.name for c in catalog.all('method')])}")
    method = method_name and choose(catalog, "method", method_name, method_settings, "method", draft.problems)
    evaluate, pretrain = _data(draft)
    if not method or not evaluate:
        _check_sections(draft)
        draft.settle()
        raise RequestError(["data: no part of the dataset can be opened"])
    view_asked = draft.section("view", ViewSettings).size
    rows = sum(len(part.dataset.labels) for part in pretrain)
    recipe = _recipe(draft, method.spec, rows, (view_asked or _native(pretrain)) ** 2)
    if recipe is not None:
        draft.tree = with_recipe(draft.tree, recipe)
        config_tree = {k: v for k, v in draft.tree.get("method", {}).items() if k != "name"}
        method = choose(catalog, "method", str(method_name), config_tree, "method", draft.problems) or method
    return _complete(draft, method, tuple(pretrain), tuple(evaluate), recipe, machine)


def _data(draft: _Draft) -> tuple[list[Part], list[Part]]:
    name, settings = draft.component("data")
    if name is None:
        names = [c.name for c in draft.catalog.all("dataset")]
        draft.problems.append(f"data: no dataset named; add --dataset NAME{did_you_mean('', names)}")
        return [], []
    first = open_parts(draft.catalog, name, settings, draft.places)
    pool = draft.section("pretrain", PretrainSettings).pool
    evaluate = first
    if other := draft.tree.get("evaluate"):
        shared = settings if str(other).split("/")[0] == name.split("/")[0] else {}
        evaluate = open_parts(draft.catalog, str(other), shared, draft.places, path="evaluate")
    elif pool not in ("train", "all"):
        shared = settings if pool.split("/")[0] == name.split("/")[0] else {}
        first = open_parts(draft.catalog, pool, shared, draft.places, path="pretrain.pool")
    for found in {id(f): f for f in (first, evaluate)}.values():
        _collect(draft, found)
    return evaluate.parts, first.parts


def _collect(draft: _Draft, found: Found) -> None:
    draft.problems += found.problems
    draft.missing += found.missing


def _native(parts: Sequence[Part]) -> int:
    """The side of pictures that all share one size, else the default."""
    shapes = {m.shape for part in parts for m in part.dataset.modalities.values() if m.layout == "image"}
    sides = {shape[1] for shape in shapes if shape[1] == shape[2] and shape[1] > 0}
    return sides.pop() if len(sides) == 1 and len(shapes) == 1 else DEFAULT_VIEW


def _recipe(draft: _Draft, spec: MethodSpec[Any], rows: int, pixels: int) -> Recipe | None:
    wanted = str(draft.tree.get("recipe", "auto"))
    if wanted in ("auto", "none"):
        fitting = (
            r for r in spec.recipes if r.samples[0] <= rows <= r.samples[1] and r.pixels[0] <= pixels <= r.pixels[1]
        )
        return next(fitting, None) if wanted == "auto" else None
    found = next((r for r in spec.recipes if r.name == wanted), None)
    if found is None:
        names = ["auto", "none", *(r.name for r in spec.recipes)]
        draft.problems.append(f"recipe: {spec.name!r} has no recipe {wanted!r}{did_you_mean(wanted, names)}")
    return found


def _check_sections(draft: _Draft) -> None:
    """Find what is wrong with the harness's own settings, whatever else is wrong."""
    draft.problems += problems_of(draft.section("train", TrainSettings))
    draft.section("prepare", PrepareSettings)
    draft.section("splits", SplitSettings)
    draft.section("pretrain", PretrainSettings)
    draft.section("view", ViewSettings)


def _complete(
    draft: _Draft,
    method: Choice,
    pretrain: tuple[Part, ...],
    evaluate: tuple[Part, ...],
    recipe: Recipe | None,
    machine: Machine,
) -> Plan:
    train = draft.section("train", TrainSettings)
    if train.precision == "auto":
        train = replace(train, precision=machine.precision)
    _check_sections(draft)
    prepare = draft.section("prepare", PrepareSettings)
    splits = draft.section("splits", SplitSettings)
    view = draft.section("view", ViewSettings).size or _native((*pretrain, *evaluate))
    canvas = prepare.size or min(2 * view, max(LARGEST_CANVAS, view))
    stored = {name: prepared_modality(m, canvas) for name, m in pretrain[0].dataset.modalities.items()}
    stored = _restricted(draft, stored)
    used, backbones = _backbones(draft, method.spec, stored)
    encoded = {name: _encoded(m, view) for name, m in used.items()}
    roles = method.spec.views(method.config)
    gentle = _label_preserving(draft, evaluate)
    augmentations = _augmentations(draft, method.spec, roles, evaluate)
    shapes = _shapes(encoded, {n: m.shape for n, m in used.items()}, roles, augmentations, view)
    rows = sum(len(part.dataset.labels) for part in pretrain)
    target = pretrain[0].dataset.target if method.spec.takes_target else Target(kind="none")
    facts = Facts(
        modalities=encoded, shapes=shapes, samples=rows, batch=train.batch, epochs=train.epochs, target=target
    )
    _check(draft, method, backbones, augmentations, facts)
    protocols = _protocols(draft, evaluate)
    seeds, folds = _seeds(draft), _folds(draft, splits, evaluate)
    draft.settle()
    threads = int(draft.tree.get("threads") or machine.threads)
    return Plan(
        method=method, backbones=backbones, augmentations=augmentations, label_preserving=gentle, protocols=protocols,
        pretrain_parts=pretrain, evaluate_parts=evaluate, modalities=encoded, roles=roles, facts=facts, train=train,
        view=view, canvas=canvas, prepare=prepare, splits=splits, pool=draft.section("pretrain", PretrainSettings).pool,
        seeds=seeds, folds=folds, threads=threads, recipe=recipe.name if recipe else "none", request=plain(draft.tree),
    )  # fmt: skip


def _restricted(draft: _Draft, modalities: Mapping[str, Modality]) -> dict[str, Modality]:
    """Leave out the facts that a request switches off."""
    result = dict(modalities)
    for name, section in (draft.tree.get("modalities") or {}).items():
        settings = convert(section, ModalitySettings, f"modalities.{name}", draft.problems)
        if name not in modalities:
            draft.problems.append(f"modalities.{name}: the data has none{did_you_mean(name, modalities)}")
        elif settings.facts is not None:
            result[name] = replace(modalities[name], facts=settings.facts)
    return result


def _encoded(modality: Modality, view: int) -> Modality:
    if modality.layout == "image":
        return replace(modality, shape=(modality.shape[0], view, view))
    return modality


def _backbones(
    draft: _Draft, spec: MethodSpec[Any], modalities: Mapping[str, Modality]
) -> tuple[dict[str, Modality], dict[str, Choice]]:
    own: Mapping[str, Any] = draft.tree.get("backbones") or {}
    for unknown in [name for name in own if name not in modalities]:
        draft.problems.append(f"backbones.{unknown}: the data has no such modality{did_you_mean(unknown, modalities)}")
    used = {n: m for n, m in modalities.items() if not own or n in own}
    least, most = spec.modalities
    if not least <= len(used) <= most:
        how = f"the data has {', '.join(modalities)}; name the ones to use: --backbone {next(iter(modalities))}=NAME"
        wants = str(least) if least == most else f"{least} to {most}"
        draft.problems.append(f"method: {spec.name!r} takes {wants} modalities, not {len(used)}; {how}")
    if not spec.backbone:
        return used, {}
    chosen = {}
    for name in used:
        section = own.get(name, draft.tree.get("backbone") or {})
        section = {"name": section} if isinstance(section, str) else dict(section)
        path = f"backbones.{name}" if name in own else "backbone"
        if "name" not in section:
            draft.problems.append(f"{path}: none named, and the recipe names none; add --backbone NAME")
            continue
        choice = choose(draft.catalog, "backbone", section.pop("name"), section, path, draft.problems)
        if choice is not None:
            chosen[name] = choice
    return used, chosen


def _label_preserving(draft: _Draft, evaluate: Sequence[Part]) -> PlannedAugmentation | None:
    """What the data says leaves its labels true, for protocols that train and for alignment; the same for every arm."""
    name = evaluate[0].choice.spec.label_preserving
    found = choose_augmentations(draft.catalog, {"name": name}, ["view"], draft.problems) if name else ()
    return found[0] if found else None


def _augmentations(
    draft: _Draft, spec: MethodSpec[Any], roles: Mapping[str, Role], evaluate: Sequence[Part]
) -> tuple[PlannedAugmentation, ...]:
    augmented = [name for name, role in roles.items() if role.augment]
    section = dict(draft.tree.get("augmentation") or {})
    if section.get("name") == LABEL_PRESERVING:
        section["name"] = evaluate[0].choice.spec.label_preserving
        augmented = augmented if section["name"] else []
    if not spec.trains:
        return ()
    if not augmented:
        return (PlannedAugmentation(name="none", version=1, weight=1.0, roles=dict.fromkeys(roles, ())),)
    if "name" not in section:
        draft.problems.append("augmentation: none named, and the recipe names none; add --augmentation NAME")
        return ()
    return choose_augmentations(draft.catalog, section, augmented, draft.problems)


def _shapes(
    encoded: Mapping[str, Modality],
    stored: Shapes,
    roles: Mapping[str, Role],
    augmentations: Sequence[PlannedAugmentation],
    view: int,
) -> dict[str, Shapes]:
    result: dict[str, Shapes] = {}
    for role in roles:
        shapes: Shapes = {name: modality.shape for name, modality in encoded.items()}
        for augmentation in augmentations[:1]:
            if role in augmentation.roles:
                shapes = dict(stored)
                for operation in augmentation.roles[role]:
                    shapes = operation.choice.spec.shapes(sized(operation.choice.config, view), shapes)
        result[role] = shapes
    return result


def sized(config: Any, view: int) -> Any:
    """An operation's settings with `size: 0`, which stands for the size at which pictures are encoded, filled in."""
    return replace(config, size=view) if getattr(config, "size", None) == 0 else config


def _check(
    draft: _Draft,
    method: Choice,
    backbones: Mapping[str, Choice],
    augmentations: Sequence[PlannedAugmentation],
    facts: Facts,
) -> None:
    for sentence in method.spec.check(method.config, facts):
        draft.problems.append(f"method: {sentence}")
    for name, choice in backbones.items():
        modality = facts.modalities[name]
        if modality.layout not in choice.spec.layouts:
            takes = ", ".join(sorted(choice.spec.layouts))
            draft.problems.append(
                f"backbone: {choice.name!r} takes {takes}, but {name!r} is of layout {modality.layout}"
            )
            continue
        for sentence in choice.spec.check(choice.config, replace(facts, modalities={name: modality})):
            draft.problems.append(f"backbone: {sentence}")
        provides = choice.spec.provides(choice.config)
        needs = set(method.spec.requires)
        if any(shapes.get(name, modality.shape) != modality.shape for shapes in facts.shapes.values()):
            needs.add("any-size")
        if lacking := sorted(needs - provides):
            has = ", ".join(sorted(provides)) or "nothing of the kind"
            draft.problems.append(
                f"backbone: {method.name!r} needs {', '.join(lacking)}, which {choice.name!r} does not provide (it has {has})"
            )
    for operation in {o.name: o for a in augmentations for r in a.roles.values() for o in r}.values():
        for sentence in operation.choice.spec.check(operation.choice.config, facts):
            draft.problems.append(f"augmentation.{operation.name}: {sentence}")


def _protocols(draft: _Draft, evaluate: Sequence[Part]) -> tuple[Choice, ...]:
    settings: Mapping[str, Any] = draft.tree.get("protocols") or {}
    kinds = {part.dataset.target.kind for part in evaluate}
    wanted = draft.tree.get("measure")
    names = [c.name for c in draft.catalog.all("protocol")]
    if isinstance(wanted, str):
        wanted = [name.strip() for name in wanted.split(",") if name.strip()]
    if wanted is None:
        wanted = [c.name for c in draft.catalog.all("protocol") if kinds & c.spec.targets]
    for unknown in [name for name in settings if name not in names]:
        draft.problems.append(f"protocols.{unknown}: no such protocol{did_you_mean(unknown, names)}")
    chosen = []
    for name in wanted:
        path = f"protocols.{name}"
        choice = choose(draft.catalog, "protocol", str(name), settings.get(name) or {}, path, draft.problems)
        if choice is not None:
            chosen.append(choice)
            if not kinds & choice.spec.targets:
                draft.problems.append(
                    f"{path}: measures {', '.join(sorted(choice.spec.targets))}, the data has {kinds}"
                )
    return tuple(chosen)


def _seeds(draft: _Draft) -> tuple[int, ...]:
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


def _folds(draft: _Draft, splits: SplitSettings, evaluate: Sequence[Part]) -> tuple[int, ...]:
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


def needs_encoders(choice: Choice) -> bool:
    """Whether a protocol trains encoders, so that a method without any cannot be measured by it."""
    return Need.ENCODERS in choice.spec.needs
