"""What a method promises: on the kit's samples, with its smoke settings, through the harness's own plan and loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from sslbench.analysis.statistics.feature_geometry import describe
from sslbench.api.errors import RequestError
from sslbench.api.modules import Backbone, TrainedMethod
from sslbench.api.specs import Kind, MethodSpec, Recipe
from sslbench.catalog.facts import Catalog, did_you_mean
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
    change="correct the implementation, views() or check(), or give `smoke` settings that suit 32 rows and images of 16 px",
    needs=("settings_survive_a_round_trip", "has_an_implementation"),
)
def builds(subject: Subject) -> Iterator[str]:
    """Nothing can be measured of a method that cannot be planned and built."""
    rig = make_rig(subject)
    method = rig.build()
    if subject.spec.trains and not isinstance(method, TrainedMethod):
        yield f"the implementation is a {type(method).__name__}, not a TrainedMethod, although the spec says that it trains"
    for name, encoder in method.encoders.items():
        if not isinstance(encoder, Backbone):
            yield f"encoders[{name!r}] is a {type(encoder).__name__}, not a Backbone"
        if name not in rig.material.modalities:
            yield f"encoders has {name!r}, which is no modality of the data"


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
            yield f"embed() gives {shape} for {name!r}, not ({rows}, {encoder.width})"
        for space in subject.spec.spaces:
            if f"{name}.{space}" not in found or found[f"{name}.{space}"].shape[:1] != (rows,):
                yield f"embed() gives no '{name}.{space}' of {rows} rows, although the spec declares the space {space!r}"


@check("method", change="return Loss(total=...) with one finite number in it", needs=("builds",))
def returns_a_finite_loss(subject: Subject) -> Iterator[str]:
    """A loss that is no finite number stops a run as diverged."""
    total = _first_loss(subject)
    if total.shape != ():
        yield f"the loss has the shape {tuple(total.shape)}"
    elif not torch.isfinite(total):
        yield f"the loss is {float(total)} at the first step"


@check(
    "method",
    change="keep whatever changes for before_epoch() and after_step(), and draw from batch.random or step.random",
    needs=("returns_a_finite_loss",),
)
def loss_changes_no_state(subject: Subject) -> Iterator[str]:
    """The loop may ask for a loss several times a step (accumulation, two augmentations), so asking must change nothing."""
    rig, method = _started_method(subject)
    batch, step = rig.batch(), rig.step()
    method.eval()
    before = copy_state(method)
    first, second = method.loss(batch, step).total, method.loss(batch, step).total
    if not torch.equal(first, second):
        yield f"asked twice for one batch it says {float(first):.6g} and {float(second):.6g}"
    yield from (
        f"{name!r} changes in loss()"
        for name, value in method.state_dict().items()
        if not torch.equal(before[name], value)
    )


@check(
    "method",
    change="take random numbers from torch's generator only while the method is constructed; sslbench seeds it",
    needs=("loss_changes_no_state",),
)
def is_determined_by_its_seed(subject: Subject) -> Iterator[str]:
    """Runs are repeated from their seed, and five equal seeds would be no five independent runs."""
    rig = _trained_rig(subject)
    states = [copy_state(rig.build(seed)) for seed in (0, 0, 1)]
    moving = {name for name, p in rig.build().named_parameters() if p.requires_grad}
    yield from (
        f"{n!r} differs between two builds of one seed"
        for n in states[0]
        if not torch.equal(states[0][n], states[1][n])
    )
    if moving and all(torch.equal(states[0][name], states[2][name]) for name in moving):
        yield "seeds 0 and 1 start from the same weights"


@check(
    "method",
    change="put every trainable parameter into exactly one group and into the loss; requires_grad_(False) for the others",
    needs=("returns_a_finite_loss",),
)
def trains_every_parameter(subject: Subject) -> Iterator[str]:
    """A parameter without gradient is never learned, and stops training on several devices."""
    rig, method = _started_method(subject)
    method.loss(rig.batch(), rig.step(EPOCHS - 1)).total.backward()
    groups = method.groups()
    places = {id(p): sum(any(p is q for q in group.parameters) for group in groups) for p in method.parameters()}
    for name, parameter in method.named_parameters():
        if parameter.requires_grad and places[id(parameter)] != 1:
            yield f"{name!r} is in {places[id(parameter)]} groups"
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
    """Say which attributes of a module, or of one inside it, hold tensors that are no state (nor lists of what is)."""
    state = {id(tensor) for tensor in (*module.parameters(), *module.buffers())}
    for path, inner in module.named_modules():
        known = {"_parameters", "_buffers", "_modules"}
        for name, value in vars(inner).items():
            inside = (
                value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else [value]
            )
            if name not in known and any(isinstance(item, Tensor) and id(item) not in state for item in inside):
                yield f"{'.'.join(filter(None, (path, name)))!r} is a tensor but no buffer"


@check(
    "method",
    change="keep all state in parameters and buffers, counters included",
    needs=("registers_method_tensors", "is_determined_by_its_seed"),
)
def resumes_exactly(subject: Subject) -> Iterator[str]:
    """A killed run goes on from its checkpoint, and must end in the very weights of one that was left alone."""
    rig = _trained_rig(subject)
    whole = _trained_state(subject)
    with temporary_checkpoint() as path:
        seed_everything("somewhere else")
        rig.train_and_stop(rig.build(), EPOCHS // 2, path)
        again = rig.build()
        rig.train(again, checkpoint=path)
    yield from (f"{name!r} differs" for name, value in copy_state(again).items() if not torch.equal(whole[name], value))


@check(
    "method",
    change="look for a sign, a detached term or a parameter that no loss reaches",
    needs=("returns_a_finite_loss",),
)
def learns(subject: Subject) -> Iterator[str]:
    """A loss that does not fall on one batch, shown again and again, hides a bug, and all that follows measures nothing."""
    shown = [_losses_on_one_batch(subject, rate) for rate in RATES]
    if not any(min(losses[1:]) < losses[0] for losses in shown):
        first, last = shown[0][0], ", ".join(f"{losses[-1]:.4g}" for losses in shown)
        rates = ", ".join(map(str, RATES))
        yield f"{REPEATS} steps on one batch take the loss from {first:.4g} to {last} at learning rates {rates}"


def _losses_on_one_batch(subject: Subject, rate: float) -> list[float]:
    """The losses of one batch that is shown again and again."""
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
    change="give it what keeps features apart (negatives, a predictor, a variance term, centering), or mend that",
    needs=("learns",),
    tier="advised",
)
def does_not_collapse(subject: Subject) -> Iterator[str]:
    """Features that are one point tell no sample from another."""
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
    change="mark equations with @equation, which widens half-precision tensors, or widen them yourself",
    needs=("returns_a_finite_loss",),
)
def stays_finite_in_half_precision(subject: Subject) -> Iterator[str]:
    """Most runs use bfloat16, in which sums and exponentials lose what float32 keeps."""
    rig, method = _started_method(subject)
    with torch.autocast("cpu", torch.bfloat16):
        half = method.loss(rig.batch(), rig.step()).total
    half.backward()
    if not torch.isfinite(half):
        yield f"the loss is {float(half)} under bfloat16"
    bad = [n for n, p in method.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    yield from (f"the gradient of {name!r} is not finite under bfloat16" for name in bad)


@check("method", change="keep the one number in a tensor of shape [1]", needs=("builds",))
def has_no_scalar_parameters(subject: Subject) -> Iterator[str]:
    """Processes that share the weights (train.strategy=fsdp) part them along a first dimension, which a scalar has not."""
    for name, parameter in make_rig(subject).build().named_parameters():
        if parameter.dim() == 0:
            yield f"the parameter {name!r} is a scalar"


@check(
    "method", change="refuse it in check() with a sentence that says what is possible", needs=("returns_a_finite_loss",)
)
def accepts_or_rejects_a_batch_of_one(subject: Subject) -> Iterator[str]:
    """A batch of one has no negatives and no statistics: it must be refused before anything runs, or work."""
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
        yield f"train.batch_size = 1 is accepted, and the loss of one row is {float(total)}"


@check(
    "method", change="correct the recipe's paths and values, or name components that are installed", needs=("builds",)
)
def has_valid_recipes(subject: Subject) -> Iterator[str]:
    """A recipe is what most people run: one with a misspelt setting fails in their hands."""
    for recipe in subject.spec.recipes:
        yield from (
            f"recipe {recipe.name!r}: {problem}" for problem in recipe_errors(recipe, subject.spec, subject.catalog)
        )


def recipe_errors(recipe: Recipe, method: MethodSpec[Any], catalog: Catalog) -> Iterator[str]:
    """Say which settings of a recipe nobody has, and which components it names are not installed."""
    strangers = [path for path in recipe.settings if path.partition(".")[0] not in KEYS]
    yield from (f"{path}: no such setting{did_you_mean(path, KEYS)}" for path in strangers)
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
        raise NotApplicable("it trains nothing")
    return make_rig(subject)


def _started_method(subject: Subject) -> tuple[Any, Any]:
    """The rig, and a fresh method that has done what it does before an epoch, as the loop would have it."""
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
    """What the whole smoke training leaves, once for all checks."""

    def whole() -> Mapping[str, Tensor]:
        rig = _trained_rig(subject)
        method = rig.build()
        rig.train(method)
        return copy_state(method)

    return cast("Mapping[str, Tensor]", subject.cached("training", whole))
