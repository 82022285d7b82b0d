"""Check the contract of a method on the kit's samples, with its smoke settings, in a real run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from sslbench.api.errors import RequestError
from sslbench.api.feature_geometry import describe
from sslbench.api.modules import Backbone, TrainedMethod
from sslbench.api.specs import Kind, MethodSpec, Recipe
from sslbench.api.suggestions import did_you_mean
from sslbench.catalog.facts import Catalog
from sslbench.config.plan import LABEL_PRESERVING
from sslbench.config.request_schema import KEYS
from sslbench.config.settings import TrainSettings
from sslbench.convert import convert
from sslbench.environment import seed_everything
from sslbench.testing.check import NotApplicable, Subject, check
from sslbench.testing.method_rig import EPOCHS, copy_state, make_rig, plan_method, temporary_checkpoint

REPEATS, RATES = 20, (3e-3, 3e-4, 3e-5, 3e-6)


@check(
    "method",
    change="correct the implementation, views() or check(), or set `smoke` to settings that suit 32 rows and images of 16 px",
    needs=("settings_survive_a_round_trip", "has_an_implementation"),
)
def builds(subject: Subject) -> Iterator[str]:
    """A method that cannot be planned and built cannot be measured."""
    rig = make_rig(subject)
    method = rig.build()
    if subject.spec.trains and not isinstance(method, TrainedMethod):
        yield f"the implementation is a {type(method).__name__}, but the spec has trains=True: return a TrainedMethod"
    for name, encoder in method.encoders.items():
        if not isinstance(encoder, Backbone):
            yield f"encoders[{name!r}] is a {type(encoder).__name__}, not a Backbone"
        if name not in rig.material.modalities:
            yield f"encoders contains {name!r}, which is not a modality of the data"


@check(
    "method",
    change="return [B, width] for every modality from embed(), and '<modality>.<space>' for every space of the spec",
    needs=("builds",),
)
def embeds_every_space(subject: Subject) -> Iterator[str]:
    """Protocols measure one vector per sample in the encoder's space and in every space that the spec declares."""
    rig = make_rig(subject)
    method = rig.build().eval()
    feed = rig.feed()
    view = next(iter(feed.unaugmented_pass()()))[1]
    with torch.no_grad():
        found = method.embed(view)
    rows = len(next(iter(view.values())))
    for name, encoder in method.encoders.items():
        if name not in found or found[name].shape != (rows, encoder.width):
            shape = tuple(found[name].shape) if name in found else "nothing"
            yield f"embed() returns {shape} for {name!r}, not ({rows}, {encoder.width})"
        for space in subject.spec.spaces:
            if f"{name}.{space}" not in found or found[f"{name}.{space}"].shape[:1] != (rows,):
                yield f"embed() returns no '{name}.{space}' of {rows} rows, but the spec declares the space {space!r}"


@check("method", change="return Loss(total=...) with a finite scalar", needs=("builds",))
def returns_a_finite_loss(subject: Subject) -> Iterator[str]:
    """A loss that is not finite stops a run as diverged."""
    total = _first_loss(subject)
    if total.shape != ():
        yield f"the loss has the shape {tuple(total.shape)}"
    elif not torch.isfinite(total):
        yield f"the loss is {float(total)} at the first step"


@check(
    "method",
    change="update state in before_epoch() and after_step() only, and draw from batch.random or step.random",
    needs=("returns_a_finite_loss",),
)
def loss_changes_no_state(subject: Subject) -> Iterator[str]:
    """A step may compute the loss several times (accumulation, two augmentations), so loss() must have no side effects."""
    rig, method = _started_method(subject)
    batch, step = rig.batch(), rig.step()
    method.eval()
    before = copy_state(method)
    first, second = method.loss(batch, step).total, method.loss(batch, step).total
    if not torch.equal(first, second):
        yield f"two calls of loss() on one batch return {float(first):.6g} and {float(second):.6g}"
    yield from (
        f"{name!r} changes in loss()"
        for name, value in method.state_dict().items()
        if not torch.equal(before[name], value)
    )


@check(
    "method",
    change="use torch's random generator, which sslbench seeds, only while the method is constructed",
    needs=("loss_changes_no_state",),
)
def is_determined_by_its_seed(subject: Subject) -> Iterator[str]:
    """Runs are repeated from their seed, and five equal runs would not be five independent ones."""
    rig = _trained_rig(subject)
    states = [copy_state(rig.build(seed)) for seed in (0, 0, 1)]
    trainable = {name for name, p in rig.build().named_parameters() if p.requires_grad}
    yield from (
        f"{n!r} differs between two builds of one seed"
        for n in states[0]
        if not torch.equal(states[0][n], states[1][n])
    )
    if trainable and all(torch.equal(states[0][name], states[2][name]) for name in trainable):
        yield "seeds 0 and 1 give the same initial weights"


@check(
    "method",
    change="put every trainable parameter into exactly one group and into the loss; call requires_grad_(False) on the others",
    needs=("returns_a_finite_loss",),
)
def trains_every_parameter(subject: Subject) -> Iterator[str]:
    """A parameter without gradient is never learned, and stops training on several devices."""
    rig, method = _started_method(subject)
    method.loss(rig.batch(), rig.step(EPOCHS - 1)).total.backward()
    groups = method.groups()
    group_counts = {id(p): sum(any(p is q for q in group.parameters) for group in groups) for p in method.parameters()}
    for name, parameter in method.named_parameters():
        if parameter.requires_grad and group_counts[id(parameter)] != 1:
            yield f"{name!r} is in {group_counts[id(parameter)]} groups"
        elif parameter.requires_grad and parameter.grad is None:
            yield f"{name!r} gets no gradient"


@check(
    "method",
    change="register tensors with register_buffer(), or as parameters with requires_grad_(False)",
    needs=("returns_a_finite_loss",),
)
def registers_method_tensors(subject: Subject) -> Iterator[str]:
    """A tensor in a plain attribute is not saved, not restored and not moved to the device with the model."""
    rig = make_rig(subject)
    method = rig.build()
    if subject.spec.trains:
        rig.train(method)
    yield from plain_tensors(method)


def plain_tensors(module: nn.Module) -> Iterator[str]:
    """Yield the attributes of a module and its submodules that hold unregistered tensors, also in lists and mappings."""
    state = {id(tensor) for tensor in (*module.parameters(), *module.buffers())}
    for path, inner in module.named_modules():
        registered = {"_parameters", "_buffers", "_modules"}
        for name, value in vars(inner).items():
            inside = (
                value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else [value]
            )
            if name not in registered and any(isinstance(item, Tensor) and id(item) not in state for item in inside):
                yield f"{'.'.join(filter(None, (path, name)))!r} is a tensor but not a buffer"


@check(
    "method",
    change="keep all state in parameters and buffers, counters included",
    needs=("registers_method_tensors", "is_determined_by_its_seed"),
)
def resumes_exactly(subject: Subject) -> Iterator[str]:
    """A run resumes from its checkpoint, and must end with the same weights as an uninterrupted one."""
    rig = _trained_rig(subject)
    uninterrupted = _trained_state(subject)
    with temporary_checkpoint() as path:
        seed_everything("somewhere else")
        rig.train_and_stop(rig.build(), EPOCHS // 2, path)
        resumed = rig.build()
        rig.train(resumed, checkpoint=path)
    state = copy_state(resumed)
    different = [name for name, value in state.items() if not torch.equal(uninterrupted[name], value)]
    yield from (f"{name!r} differs after resuming" for name in different)


@check(
    "method",
    change="check the sign of the loss, detached terms, and parameters without gradient",
    needs=("returns_a_finite_loss",),
)
def learns(subject: Subject) -> Iterator[str]:
    """A loss that does not fall on one repeated batch reveals a bug, and every later result is meaningless."""
    histories = [_losses_on_one_batch(subject, rate) for rate in RATES]
    if not any(min(losses[1:]) < losses[0] for losses in histories):
        first, last = histories[0][0], ", ".join(f"{losses[-1]:.4g}" for losses in histories)
        rates = ", ".join(map(str, RATES))
        yield f"{REPEATS} steps on one batch change the loss from {first:.4g} to {last} at learning rates {rates}"


def _losses_on_one_batch(subject: Subject, rate: float) -> list[float]:
    """Return the losses of repeated steps on one batch."""
    rig, method = _started_method(subject)
    batch, step = rig.batch(), rig.step()
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=rate)
    losses = []
    for _ in range(REPEATS):
        optimizer.zero_grad()
        total = method.loss(batch, step).total
        total.backward()
        optimizer.step()
        losses.append(float(total.detach()))
    return losses


@check(
    "method",
    change="add or correct the mechanism against collapse (negatives, a predictor, a variance term, centering)",
    needs=("learns",),
    tier="advised",
)
def does_not_collapse(subject: Subject) -> Iterator[str]:
    """Collapsed features cannot distinguish samples."""
    rig = _trained_rig(subject)
    state = _trained_state(subject)
    method = rig.build()
    method.load_state_dict(state)
    with torch.no_grad():
        found = [method.eval().embed(view) for _, view in rig.feed().unaugmented_pass()()]
    for name in method.encoders:
        features = torch.cat([piece[name] for piece in found]).detach().numpy()
        shape = describe(features, len(features))
        if shape["collapsed"]:
            rank = shape["centered_effective_rank"]
            yield f"the features of {name!r} have rank {rank:.2f} and spread {shape['spread']:.2g}"


@check(
    "method",
    change="mark equations with @equation, which converts half-precision tensors to float32, or convert them yourself",
    needs=("returns_a_finite_loss",),
)
def stays_finite_in_half_precision(subject: Subject) -> Iterator[str]:
    """Most runs use bfloat16, where sums and exponentials lose precision that float32 has."""
    rig, method = _started_method(subject)
    with torch.autocast("cpu", torch.bfloat16):
        half = method.loss(rig.batch(), rig.step()).total
    half.backward()
    if not torch.isfinite(half):
        yield f"the loss is {float(half)} under bfloat16"
    bad = [n for n, p in method.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    yield from (f"the gradient of {name!r} is not finite under bfloat16" for name in bad)


@check("method", change="use a tensor of shape [1] for a single number", needs=("builds",))
def has_no_scalar_parameters(subject: Subject) -> Iterator[str]:
    """Sharded training (train.strategy=fsdp) splits parameters along their first dimension, which a scalar lacks."""
    for name, parameter in make_rig(subject).build().named_parameters():
        if parameter.dim() == 0:
            yield f"the parameter {name!r} is a scalar"


@check(
    "method",
    change="reject it in check() with a message that states the smallest batch size",
    needs=("returns_a_finite_loss",),
)
def accepts_or_rejects_a_batch_of_one(subject: Subject) -> Iterator[str]:
    """A batch of one has no negatives and no statistics: it must be rejected before anything runs, or work."""
    _trained_rig(subject)
    try:
        plan_method(subject, batch=1)
    except RequestError:
        return
    rig, method = _started_method(subject)
    batch = rig.batch()
    views = {role: tuple({k: x[:1] for k, x in view.items()} for view in made) for role, made in batch.views.items()}
    target = None if batch.target is None else batch.target[:1]
    one = type(batch)(views=views, index=batch.index[:1], random=batch.random[torch.tensor([0])], target=target)
    total = method.loss(one, rig.step()).total
    if not torch.isfinite(total):
        yield f"train.batch_size=1 is accepted, but the loss of one row is {float(total)}"


@check(
    "method", change="correct the recipe's paths and values, or name components that are installed", needs=("builds",)
)
def has_valid_recipes(subject: Subject) -> Iterator[str]:
    """Most users run a recipe: one with a misspelled setting fails for them."""
    for recipe in subject.spec.recipes:
        yield from (
            f"recipe {recipe.name!r}: {problem}" for problem in recipe_errors(recipe, subject.spec, subject.catalog)
        )


def recipe_errors(recipe: Recipe, method: MethodSpec[Any], catalog: Catalog) -> Iterator[str]:
    """Yield unknown settings of a recipe, invalid values, and components that are not installed."""
    unknown = [path for path in recipe.settings if path.partition(".")[0] not in KEYS]
    yield from (f"{path}: no such setting{did_you_mean(path, KEYS)}" for path in unknown)
    for section, cls in (("method", method.config), ("train", TrainSettings)):
        given = {p.partition(".")[2]: v for p, v in recipe.settings.items() if p.startswith(f"{section}.")}
        problems: list[str] = []
        convert(given, cls, section, problems)
        yield from problems
    kinds: tuple[Kind, ...] = ("backbone", "augmentation")
    for kind in kinds:
        name = recipe.settings.get(f"{kind}.name", LABEL_PRESERVING)
        found = catalog.find(kind, str(name)) if name != LABEL_PRESERVING else None
        if isinstance(found, str):
            yield found


def _trained_rig(subject: Subject) -> Any:
    if not subject.spec.trains:
        raise NotApplicable("does not train")
    return make_rig(subject)


def _started_method(subject: Subject) -> tuple[Any, Any]:
    """Return the rig and a new method after before_epoch(), as in a training loop."""
    rig = _trained_rig(subject)
    method = rig.build()
    with torch.no_grad():
        method.before_epoch(rig.step(), rig.feed().unaugmented_pass())
    return rig, method


def _first_loss(subject: Subject) -> Tensor:
    rig, method = _started_method(subject)
    total: Tensor = method.train().loss(rig.batch(), rig.step()).total
    return total.detach()


def _trained_state(subject: Subject) -> Mapping[str, Tensor]:
    """Return the state after the whole smoke training; computed once for all checks."""

    def train_fully() -> Mapping[str, Tensor]:
        rig = _trained_rig(subject)
        method = rig.build()
        rig.train(method)
        return copy_state(method)

    return cast("Mapping[str, Tensor]", subject.cached("training", train_fully))
