"""Check that data, method, backbones, augmentations and protocols fit together."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from sslbench.api.modality import match_encoders
from sslbench.api.protocols import Need
from sslbench.api.targets import KINDS, kind_of
from sslbench.api.values import Modality, PlanContext, Role, Shapes
from sslbench.config.augmentations import PlannedAugmentation, fill_in_size
from sslbench.config.choices import Choice
from sslbench.config.datasets import Part
from sslbench.config.dependencies import dependency_errors
from sslbench.config.inactive_settings import is_divided
from sslbench.config.settings import TrainSettings
from sslbench.data.canvas import PrepareSettings
from sslbench.data.splits import SplitSettings, find_invalid_gaps

SETTING = re.compile(r"[a-z_]+(\.[A-Za-z0-9_-]+)+(=|: )")
"""A message that begins with the path of a setting."""


def view_shapes(
    encoded: Mapping[str, Modality],
    stored: Shapes,
    roles: Mapping[str, Role],
    augmentations: Sequence[PlannedAugmentation],
    view: int,
) -> dict[str, Shapes]:
    """Return the shapes of one sample in each role, after its augmentation."""
    result: dict[str, Shapes] = {}
    for role, wanted in roles.items():
        shapes: Shapes = {name: modality.shape for name, modality in encoded.items()}
        for augmentation in augmentations[:1]:
            if wanted.augment and role in augmentation.roles:
                shapes = dict(stored)
                for operation in augmentation.roles[role]:
                    shapes = operation.choice.spec.shapes(fill_in_size(operation.choice.config, view), shapes)
        result[role] = shapes
    return result


def _with_section(section: str, sentence: str) -> str:
    """Begin a component's message with its section, unless it names a setting with its path."""
    return sentence if SETTING.match(sentence) else f"{section}: {sentence}"


def incompatibilities(
    method: Choice,
    backbones: Mapping[str, Choice],
    augmentations: Sequence[PlannedAugmentation],
    facts: PlanContext,
) -> list[str]:
    """Return one message per component that does not fit the data or another component."""
    problems = [_with_section("method", sentence) for sentence in method.spec.check(method.config, facts)]
    problems += dependency_errors(method, "method", facts)
    for name, choice in backbones.items():
        modality = facts.modalities[name]
        if not choice.spec.takes(modality.layout):
            takes = ", ".join(sorted(choice.spec.layouts))
            fix = f"Choose another one with --backbone {name}=NAME"
            problems.append(
                f"backbone: {choice.name!r} takes {takes}, but {name!r} has layout {modality.layout}. {fix}"
            )
            continue
        alone = replace(facts, modalities={name: modality})
        problems += [_with_section("backbone", sentence) for sentence in choice.spec.check(choice.config, alone)]
        provides = choice.spec.provides(choice.config)
        needs = set(method.spec.requires)
        if any(shapes.get(name, modality.shape) != modality.shape for shapes in facts.shapes.values()):
            needs.add("any-size")
        if lacking := sorted(needs - provides):
            has = ", ".join(sorted(provides)) or "nothing"
            problems.append(
                f"backbone: {choice.name!r} does not provide {', '.join(lacking)}, which {method.name!r} needs; "
                f"it provides: {has}. Choose another backbone with --backbone {name}=NAME"
            )
    operations = [o for a in augmentations for r in a.roles.values() for o in r]
    for operation in {o.name: o for o in operations}.values():
        found = operation.choice.spec.check(operation.choice.config, facts)
        problems += [_with_section(f"augmentation.{operation.name}", sentence) for sentence in found]
    losing = [o.name for o in operations if o.choice.spec.places == "unknown" and any(o.p)]
    for name in dict.fromkeys(losing if method.spec.needs_places else []):
        problems.append(
            f"augmentation.{name}: moves pixels to places that it does not state, and {method.name!r} matches places. "
            f"Set augmentation.{name}.p=0, or choose another augmentation"
        )
    return problems


def leakage_errors(
    method: Choice, train: TrainSettings, protocols: Sequence[Choice], *, is_separate: bool
) -> list[str]:
    """Return one message per protocol that would test on training samples, and per loss that cannot be monitored.

    `is_separate` states that the method is pretrained on other data than it is evaluated on.
    """
    leaking = (
        [p for p in protocols if p.spec.tests_on_training_rows(p.config)]
        if method.spec.trains and not is_separate
        else []
    )
    problems = [
        f"protocol_settings.{p.name}: would test on samples that {method.name!r} was pretrained on, with "
        f"{_list_leaking_settings(p)}. Use the default, or pretrain on other data with pretrain.pool=NAME"
        for p in leaking
    ]
    if train.has_holdout and method.spec.has_per_sample_state:
        problems.append(
            f"train.patience={train.patience}: needs a validation loss, which {method.name!r} does not have. "
            "Set train.monitor=training"
        )
    return problems


def _list_leaking_settings(protocol: Choice) -> str:
    """Return the settings without which a protocol would not test on training samples, as NAME=VALUE."""
    config, defaults = protocol.config, type(protocol.config)()
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    causes = [
        f"{name}={value}"
        for name, value in values.items()
        if not protocol.spec.tests_on_training_rows(replace(config, **{name: getattr(defaults, name)}))
    ]
    return ", ".join(causes) or "its settings"


def check_training_data(method: Choice, pretrain: Sequence[Part], splits: SplitSettings) -> list[str]:
    """Return one message per part of the pool that cannot be divided, or that a method cannot learn from."""
    problems = [problem for part in pretrain for problem in find_invalid_gaps(part.dataset.columns, splits)]
    if not method.spec.uses_labels:
        return problems
    labeled = [part for part in pretrain if is_divided(part.dataset)]
    kinds = {part.dataset.target.kind: kind_of(part.dataset.target).content for part in labeled}
    advice = "Choose a method that takes no labels, or other data"
    if not labeled:
        return [*problems, f"method: {method.name!r} needs labels, which the pretraining data does not have. {advice}"]
    if len(kinds) > 1:
        found = " and ".join(kinds.values())
        return [*problems, f"method: {method.name!r} learns one kind of target, and the samples have {found}. {advice}"]
    for part in labeled:
        if part.dataset.target.kind not in method.spec.targets:
            takes = " or ".join(KINDS[name].content for name in sorted(method.spec.targets))
            has = kind_of(part.dataset.target).content
            problem = f"method: {method.name!r} learns {takes} per sample, and {part.name!r} has {has} per sample"
            problems.append(f"{problem}. {advice}")
    return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedData:
    """Modalities of data, and for messages the setting that names it and its name."""

    setting: str
    name: str
    modalities: Mapping[str, Modality]


def find_mismatches(learned: ComparedData, measured: ComparedData, any_size: Collection[str]) -> list[str]:
    """Return one message per modality of the evaluation data whose shape its encoder cannot take, or if none has an encoder.

    learned: the pretraining data, with modalities as encoders receive them.
    any_size: modalities whose encoders take samples of any size.
    """
    matched = match_encoders(learned.modalities, measured.modalities)
    if not matched:
        known = {
            name: f" (a sequence of {modality.sequence_of!r})" if modality.sequence_of else ""
            for name, modality in measured.modalities.items()
        }
        has = ", ".join(f"{name!r}{steps}" for name, steps in known.items())
        takes = ", ".join(map(repr, learned.modalities))
        return [
            f"{measured.setting}: {measured.name} has {has}, but the encoders take {takes} of {learned.name} "
            f"({learned.setting}). Choose data with such samples, or with sequences of them"
        ]
    problems = []
    for name, encoder in matched.items():
        ours, theirs, is_series = learned.modalities[encoder], measured.modalities[name], name != encoder
        difference = _find_difference(ours, theirs, is_series=is_series, is_free=encoder in any_size)
        if difference:
            has = (
                f"steps of shape {theirs.shape[1:]}"
                if is_series
                else f"layout {theirs.layout} and shape {theirs.shape}"
            )
            problems.append(
                f"{measured.setting}: {name!r} of {measured.name} has {has}, but the encoder takes {encoder!r} of "
                f"{learned.name} ({learned.setting}) with layout {ours.layout} and shape {ours.shape}: {difference}"
            )
    return problems


def _find_difference(ours: Modality, theirs: Modality, *, is_series: bool = False, is_free: bool = False) -> str:
    """Return what differs between two modalities, or a sample and the steps of a series, with advice; '' if nothing does.

    is_free: whether sides, which are not channels, may differ. Sizes in pixels may, as samples are resized, but not steps.
    """
    spec, shape = ours.spec, theirs.shape[is_series:]
    if len(shape) != len(spec.axes) or (theirs.layout != ours.layout and not is_series):
        return "the axes differ. Choose data of the same layout"
    for place, (axis, own, other) in enumerate(zip(spec.axes, ours.shape, shape, strict=True)):
        is_channel = place == spec.channel_axis
        varies = is_free or own == 0 or (spec.has_size and not is_series)
        if own == other or (varies and not is_channel):
            continue
        if is_channel and spec.has_size:
            gray = "Set data.channels=gray, and with pretrain.pool=NAME also pretrain.settings.channels=gray"
            return f"the numbers of {axis} differ. {gray}, where the dataset has this setting"
        fix = "" if is_channel else ", or a backbone that provides any-size"
        return f"the numbers of {axis} differ. Choose data of one shape{fix}"
    return ""


def find_pool_errors(pool: Sequence[Part], setting: str) -> list[str]:
    """Return one message per modality of pooled parts whose samples cannot be in one batch: other shapes, facts or types."""
    problems = []
    for part in pool[1:]:
        first, own = pool[0].dataset.modalities, part.dataset.modalities
        lacking = [name for name in first if name not in own]
        lacking += [
            f"{name}.{fact}" for name in first.keys() & own.keys() for fact in first[name].announced_facts
            if fact not in own[name].facts
        ]  # fmt: skip
        problems += [
            f"{setting}: {part.name} has no {name!r}, which {pool[0].name} has. Pretrain on parts with the same "
            "modalities and facts, with --dataset NAME/PART and pretrain.pool=NAME/PART"
            for name in lacking
        ]
        for name in first.keys() & own.keys():
            types = own[name].stored_dtype, first[name].stored_dtype
            difference = _find_difference(first[name], own[name])
            if not difference and first[name].is_ragged and not own[name].is_ragged:
                difference = "only one states lengths. Choose data of one shape"
            if difference:
                shapes = [f"layout {one.layout} and shape {one.shape}" for one in (own[name], first[name])]
                problem = f"{name!r} of {part.name} has {shapes[0]}, but of {pool[0].name} {shapes[1]}"
                problems.append(f"{setting}: {problem}: {difference}")
            elif types[0] != types[1]:
                problem = f"{setting}: {name!r} of {part.name} holds {types[0]}, but of {pool[0].name} {types[1]}"
                problems.append(f"{problem}. Pool datasets with one type of values")
    return problems


def find_background_errors(parts: Sequence[Part], prepare: PrepareSettings) -> list[str]:
    """Return one message per modality of floats that `prepare.background` cannot invert."""
    if prepare.background == "as-is":
        return []
    problems = [
        f"prepare.background={prepare.background}: inverts images within their range, which {name!r} of {part.name} does "
        "not state for its floats. Set prepare.background=as-is"
        for part in parts
        for name, modality in part.dataset.modalities.items()
        if modality.spec.has_size and modality.stored_dtype == "float32" and modality.range is None
    ]
    return list(dict.fromkeys(problems))


def needs_encoders(choice: Choice) -> bool:
    """Return whether a protocol trains encoders, so that it cannot evaluate a method without them."""
    return Need.ENCODERS in choice.spec.needs
