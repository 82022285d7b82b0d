"""Check the contract of operations and augmentations on random input in its natural range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from sslbench.api.modules import Operation
from sslbench.api.specs import OperationParts
from sslbench.api.values import Modality, Role, Target, View
from sslbench.config.augmentations import PlannedAugmentation, choose_augmentations, fill_in_size
from sslbench.data.keyed_random import CounterRandom
from sslbench.data.table import Column, Pool, Prepared
from sslbench.data.views import BuiltAugmentation, ViewMaker
from sslbench.testing.check import NotApplicable, Subject, check
from sslbench.testing.example_modalities import example_modalities
from sslbench.train.build import build_augmentation

ROWS, SIDE = 8, 32
REFERENCE_ROWS = 32
BATCH_TOLERANCE = {"cpu": 1e-5, "cuda": 1e-3}
"""Largest difference of a sample's views between batches; devices round differently."""


def supported_modalities(subject: Subject) -> dict[str, Modality]:
    """Return the modalities that an operation supports."""
    return {what: m for what, m in example_modalities(subject.catalog).items() if subject.spec.takes(m.layout)}


def random_values(modality: Modality, rows: int = ROWS, seed: int = 1) -> Tensor:
    """Return random samples [rows, *shape] in [0, 1]."""
    return torch.rand(rows, *modality.shape, generator=torch.Generator().manual_seed(seed))


def sample(modality: Modality) -> dict[str, Tensor]:
    """Return rows of one modality called 'x', and a value 'x.mark' that no operation knows."""
    return {"x": random_values(modality), "x.mark": torch.arange(float(ROWS))}


def build_operation(subject: Subject, modality: Modality) -> Operation:
    """Build the operation, with its smoke settings, for one modality called 'x'."""
    config = fill_in_size(subject.spec.smoke, SIDE)
    wanted = subject.spec.reference(config)
    reference = {"x": random_values(modality, wanted, seed=2)} if wanted else {}
    built: Operation = subject.component.implementation()(
        config, OperationParts(modalities={"x": modality}, reference=reference)
    )
    return built


def apply_operation(
    subject: Subject, modality: Modality, view: View, rows: Tensor | None = None, seed: int = 0
) -> View:
    """Apply the operation, with its smoke settings, to a view; its reference samples are the same in every call."""
    operation = build_operation(subject, modality)
    draws = CounterRandom.of(torch.arange(ROWS) if rows is None else rows, seed)
    return operation(view, draws)


def reference_pool(modalities: Mapping[str, Modality]) -> Pool:
    """Return a pool of random samples, from which operations get reference samples as in a run."""
    rows = np.arange(REFERENCE_ROWS)
    random = {name: [m.code.random(m, np.random.default_rng(row)) for row in rows] for name, m in modalities.items()}
    table = Prepared(
        key="kit", name="kit", modalities=modalities, target=Target(kind="none"), labels=np.full(len(rows), -1),
        columns={}, data={name: Column(values=np.stack(values)) for name, values in random.items()}, kept=rows,
    )  # fmt: skip
    return Pool(members=[(table, rows)], modalities=modalities)


@check(
    "operation",
    change="return a mapping in which every modality has the shape that `shapes` announces, in its own dtype",
    needs=("has_an_implementation",),
)
def returns_announced_shapes(subject: Subject) -> Iterator[str]:
    """Runs are planned from the announced shapes, before anything runs."""
    for what, modality in supported_modalities(subject).items():
        made = apply_operation(subject, modality, sample(modality))["x"]
        announced = tuple(subject.spec.shapes(fill_in_size(subject.spec.smoke, SIDE), {"x": modality.shape})["x"])
        if made.shape != (ROWS, *announced) or made.dtype != torch.float32:
            yield f"{what} becomes {tuple(made.shape)} of {made.dtype}; announced: {announced} of float32"


@check(
    "operation",
    change="clamp images to [0, 1], and do not divide by 0",
    needs=("returns_announced_shapes",),
)
def stays_in_range(subject: Subject) -> Iterator[str]:
    """The next operation, and the encoder's statistics, need images in [0, 1] and finite numbers."""
    for what, modality in supported_modalities(subject).items():
        for view in (sample(modality), {k: torch.zeros_like(x) for k, x in sample(modality).items()}):
            made = apply_operation(subject, modality, view)["x"]
            low, high = float(made.min()), float(made.max())
            if not torch.isfinite(made).all() or (modality.has_unit_range and not -1e-4 <= low <= high <= 1 + 1e-4):
                yield f"{what}, at most {float(view['x'].max()):.2g}, becomes [{low:.4g}, {high:.4g}]"


@check(
    "operation",
    change="return a new mapping and new tensors; avoid in-place arithmetic on the input",
    needs=("returns_announced_shapes",),
)
def does_not_modify_its_input(subject: Subject) -> Iterator[str]:
    """Every view is made from the same tensors, so an in-place change would affect all of them."""
    for what, modality in supported_modalities(subject).items():
        view, kept = sample(modality), sample(modality)
        apply_operation(subject, modality, view)
        if view.keys() != kept.keys() or any(not torch.equal(view[name], kept[name]) for name in kept):
            yield f"{what} is modified in place"


@check("operation", change="start from dict(view), which keeps unknown keys", needs=("does_not_modify_its_input",))
def keeps_unknown_keys(subject: Subject) -> Iterator[str]:
    """Additional values, such as an image's original size, must pass through every operation."""
    for what, modality in supported_modalities(subject).items():
        view = sample(modality)
        made = apply_operation(subject, modality, view)
        if "x.mark" not in made or not torch.equal(made["x.mark"], view["x.mark"]):
            yield f"the unknown key of {what} is missing or changed"


@check(
    "operation",
    change="change the facts of sslbench.api.series.step_facts in the same way as the steps",
    needs=("keeps_unknown_keys",),
)
def moves_facts_with_steps(subject: Subject) -> Iterator[str]:
    """A fact such as the time of each step must have as many steps as its sequence."""
    sequences = {what: one for what, one in supported_modalities(subject).items() if one.spec.has_length}
    if not sequences:
        raise NotApplicable("takes no sequences")
    for what, modality in sequences.items():
        time = torch.arange(float(modality.shape[0])).expand(ROWS, -1)
        made = apply_operation(subject, modality, {**sample(modality), "x.time": time})
        if made["x.time"].shape != made["x"].shape[:2]:
            yield f"{what} has {made['x'].shape[1]} steps afterwards, but its fact {tuple(made['x.time'].shape)[1:]}"


@check(
    "operation",
    change="take every random number from draws.uniform() or draws.normal(), and set random=False only without any",
    needs=("does_not_modify_its_input",),
)
def uses_given_random_numbers(subject: Subject) -> Iterator[str]:
    """Views depend on seed, epoch and sample only, so that a resumed run and another machine get the same ones."""
    for what, modality in supported_modalities(subject).items():
        made = []
        for ambient in (0, 1):
            torch.manual_seed(ambient)
            made.append(apply_operation(subject, modality, sample(modality))["x"])
        if not torch.equal(*made):
            yield f"{what} gives different results with the same draws"
        elif not subject.spec.random:
            other = apply_operation(subject, modality, sample(modality), seed=1)["x"]
            if not torch.equal(made[0], other):
                yield f"{what}: has random=False, but other draws give other results"


@check(
    "operation",
    change="do not use batch statistics, or set across_samples=True",
    needs=("uses_given_random_numbers",),
)
def treats_samples_independently(subject: Subject) -> Iterator[str]:
    """A sample's view must be the same in any batch, in one process or several."""
    if subject.spec.across_samples:
        raise NotApplicable("has across_samples=True")
    for what, modality in supported_modalities(subject).items():
        view, rows = sample(modality), torch.tensor([5, 2])
        in_batch = apply_operation(subject, modality, view)["x"][rows]
        single = apply_operation(subject, modality, {name: x[rows] for name, x in view.items()}, rows)["x"]
        if not torch.allclose(in_batch, single, atol=1e-5):
            yield f"{what} has a different view in a smaller batch, by up to {float((in_batch - single).abs().max()):.2g}"


@check("augmentation", change="use installed operations, their settings, and probabilities from 0 to 1")
def uses_installed_operations(subject: Subject) -> Iterator[str]:
    """An augmentation is data: it works only with installed operations and their settings."""
    _, problems = _planned(subject)
    yield from problems


@check(
    "augmentation",
    change="check the order of operations and their settings",
    needs=("uses_installed_operations",),
)
def makes_valid_views(subject: Subject) -> Iterator[str]:
    """The whole augmentation must make finite views in range, the same ones for the same draws, for every role."""
    for (what, modalities, built), (_, _, again) in zip(
        _build_for_each(subject), _build_for_each(subject), strict=True
    ):
        for role in built.roles:
            first, second = (_make_views(one, modalities, role) for one in (built, again))
            yield from (f"{what}, role {role!r}: {wrong}" for wrong in _view_errors(first, second, modalities))


@check(
    "augmentation",
    change="convert tensors to float32 before arithmetic that needs it: an operation may receive bfloat16",
    needs=("makes_valid_views",),
)
def makes_valid_views_under_autocast(subject: Subject) -> Iterator[str]:
    """Alignment is measured on views made under autocast, where an operation may pass half precision to the next."""
    for what, modalities, built in _build_for_each(subject):
        with torch.autocast("cpu", torch.bfloat16):
            views = _make_views(built, modalities, "view")
        unusable = [name for name in modalities if any(not torch.isfinite(view[name].float()).all() for view in views)]
        yield from (f"{what}: views of {name!r} are not finite under bfloat16" for name in unusable)


@check(
    "augmentation",
    change="draw numbers by sample, and use no statistics of the batch; an operation that must sets across_samples=True",
    needs=("makes_valid_views",),
)
def makes_the_same_views_in_any_batch(subject: Subject) -> Iterator[str]:
    """A sample's views may depend on seed, epoch and sample only: not on batch size, order or device."""
    planned, _ = _planned(subject)
    if any(one.choice.spec.across_samples for operations in planned.roles.values() for one in operations):
        raise NotApplicable("has an operation with across_samples=True")
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for what, modalities, built in _build_for_each(subject):
        for role in built.roles:
            expected = _make_views(built, modalities, role)
            rows = torch.tensor([5, 2])
            for device in devices:
                part = _make_views(built, modalities, role, rows, device)
                for name in modalities:
                    pairs = [(one[name][rows], other[name].cpu()) for one, other in zip(expected, part, strict=True)]
                    if any(not torch.allclose(one, other, atol=BATCH_TOLERANCE[device]) for one, other in pairs):
                        yield f"{what}, role {role!r}: views of {name!r} differ in a smaller batch on {device}"


def _seen_by(planned: PlannedAugmentation, examples: Mapping[str, Modality]) -> dict[str, dict[str, Modality]]:
    """Return every modality that all operations support, alone; else one of each supported layout, together."""
    operations = [o.choice.spec for chosen in planned.roles.values() for o in chosen]
    alone = {what: {"x": m} for what, m in examples.items() if all(spec.takes(m.layout) for spec in operations)}
    several = {m.layout: m for m in examples.values() if any(spec.takes(m.layout) for spec in operations)}
    return alone or {"modalities together": {str(layout): m for layout, m in several.items()}}


def _planned(subject: Subject) -> tuple[PlannedAugmentation, list[str]]:
    problems: list[str] = []
    roles = ("view", *subject.spec.roles)
    planned = choose_augmentations(subject.catalog, {"name": subject.spec.name}, roles, problems)
    return planned[0], problems


def _build_for_each(subject: Subject) -> Iterator[tuple[str, dict[str, Modality], BuiltAugmentation]]:
    """Yield the augmentation, with reference samples, for every group of modalities that it changes."""
    planned, _ = _planned(subject)
    for what, modalities in _seen_by(planned, example_modalities(subject.catalog)).items():
        pool = reference_pool(modalities)
        yield what, modalities, build_augmentation(planned.reset_unused(SIDE), modalities, pool)


def _make_views(
    built: BuiltAugmentation,
    modalities: Mapping[str, Modality],
    role: str,
    rows: Tensor | None = None,
    device: str = "cpu",
) -> tuple[View, ...]:
    """Make two views of a role of some of the random samples, with the same random numbers in every call."""
    samples = torch.arange(ROWS) if rows is None else rows
    given = {name: random_values(modality)[samples].to(device) for name, modality in modalities.items()}
    maker = ViewMaker(modalities=modalities, sizes={}, seed=0, device=torch.device(device))
    return maker.make(given, samples.to(device), 0, built, {role: Role(count=2)})[role]


def _view_errors(first: Sequence[View], second: Sequence[View], modalities: Mapping[str, Modality]) -> Iterator[str]:
    for name, modality in modalities.items():
        for one, same in ((a[name], b[name]) for a, b in zip(first, second, strict=True)):
            if not torch.equal(one, same):
                yield "views differ for the same draws"
            if one.dtype != torch.float32:
                yield f"views of {name!r} are {one.dtype}, not float32"
            if not torch.isfinite(one).all():
                yield "views are not finite"
            elif modality.has_unit_range and not -1e-4 <= float(one.min()) <= float(one.max()) <= 1 + 1e-4:
                yield "images exceed [0, 1]"
