"""Check the loss of a method: finite, without side effects, the same in any batch, and falling."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn

from sslbench.api.errors import RequestError
from sslbench.data.keyed_random import CounterRandom
from sslbench.testing.check import NotApplicable, Subject, check
from sslbench.testing.method_rig import (
    EPOCHS,
    MethodRig,
    copy_state,
    plan_method,
    rig_of,
    select_rows,
    start_method,
    trained_rig,
)

REPEATS, RATES = 20, (3e-3, 3e-4, 3e-5, 3e-6)


@check("method", change="return Loss(total=...) with a finite scalar", needs=("builds",))
def returns_a_finite_loss(subject: Subject) -> Iterator[str]:
    """A loss that is not finite stops a run as diverged."""
    rig, method = start_method(subject)
    total = method.train().loss(rig.batch(), rig.step()).total
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
    rig, method = start_method(subject)
    batch, step = rig.batch(), rig.step()
    method.eval()
    before = copy_state(method)
    first, second = method.loss(batch, step).total, method.loss(batch, step).total
    if not torch.equal(first, second):
        yield f"two calls of loss() on one batch return {float(first):.6g} and {float(second):.6g}"
    method.train().loss(batch, step)
    follows_batch = _batch_statistics(method)
    yield from (
        f"{name!r} changes in loss()"
        for name, value in method.state_dict().items()
        if name not in follows_batch and not torch.equal(before[name], value)
    )


def _batch_statistics(module: nn.Module) -> set[str]:
    """Return the names of buffers that layers of normalization update in every forward pass."""
    layers = [(path, m) for path, m in module.named_modules() if hasattr(m, "track_running_stats")]
    return {f"{path}.{name}".lstrip(".") for path, layer in layers for name, _ in layer.named_buffers(recurse=False)}


@check(
    "method",
    change="draw from batch.random, which is keyed by sample, and do not use the place of a row in its batch",
    needs=("loss_changes_no_state",),
)
def ignores_the_order_of_a_batch(subject: Subject) -> Iterator[str]:
    """Masks and noise belong to a sample, so that other batch sizes, processes and resumed runs repeat them."""
    rig, method = start_method(subject)
    batch, step = rig.batch(), rig.step()
    order = torch.randperm(len(batch.index), generator=torch.Generator().manual_seed(0))
    other = replace(step, random=CounterRandom.of(batch.index[:1], "other"))
    with torch.no_grad():
        first, second = (method.eval().loss(one, step).total for one in (batch, select_rows(batch, order)))
        if not torch.equal(first, method.loss(batch, other).total):
            raise NotApplicable("divides the batch by step.random")
    if not torch.allclose(first, second, rtol=1e-4, atol=1e-6):
        yield f"the loss is {float(first):.6g}, and {float(second):.6g} with the rows of the batch in another order"


@check(
    "method",
    change="put every trainable parameter into exactly one group and into the loss; call requires_grad_(False) on the others",
    needs=("returns_a_finite_loss",),
)
def trains_every_parameter(subject: Subject) -> Iterator[str]:
    """A parameter without gradient is never learned, and stops training on several devices."""
    rig, method = start_method(subject)
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
    change="check the sign of the loss, detached terms, and parameters without gradient",
    needs=("returns_a_finite_loss",),
)
def learns(subject: Subject) -> Iterator[str]:
    """A loss that does not fall on one repeated batch reveals a bug, and every later result is meaningless."""
    rig = trained_rig(subject)
    histories = [losses_on_one_batch(rig, rate) for rate in RATES]
    if not any(min(losses[1:]) < losses[0] for losses in histories):
        first, last = histories[0][0], ", ".join(f"{losses[-1]:.4g}" for losses in histories)
        rates = ", ".join(map(str, RATES))
        yield f"{REPEATS} steps on one batch change the loss from {first:.4g} to {last} at learning rates {rates}"


def losses_on_one_batch(rig: MethodRig, rate: float) -> list[float]:
    """Return the losses of repeated steps on one batch."""
    method, batch, step = rig.start(), rig.batch(), rig.step()
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
    change="mark equations with @equation, which converts half-precision tensors to float32, or convert them yourself",
    needs=("returns_a_finite_loss",),
)
def stays_finite_in_half_precision(subject: Subject) -> Iterator[str]:
    """Most runs use bfloat16, where sums and exponentials lose precision that float32 has."""
    rig, method = start_method(subject)
    with torch.autocast("cpu", torch.bfloat16):
        half = method.loss(rig.batch(), rig.step()).total
    half.backward()
    if not torch.isfinite(half):
        yield f"the loss is {float(half)} under bfloat16"
    bad = [n for n, p in method.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    yield from (f"the gradient of {name!r} is not finite under bfloat16" for name in bad)


@check(
    "method",
    change="add a small number where you divide by a norm or a deviation, or take its logarithm or root",
    needs=("returns_a_finite_loss",),
)
def stays_finite_on_constant_samples(subject: Subject) -> Iterator[str]:
    """Real data has black images and silent channels; one of them must not stop a run as diverged."""
    rig, method = start_method(subject)
    batch, half = rig.batch(), len(rig.batch().index) // 2
    for views in batch.views.values():
        for view in views:
            for name in rig.material.modalities.keys() & view.keys():
                view[name][:half] = 0
    total = method.train().loss(batch, rig.step()).total
    total.backward()
    if not torch.isfinite(total):
        yield f"the loss is {float(total)} where half of the samples are zeros"
    bad = [n for n, p in method.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()]
    yield from (f"the gradient of {name!r} is not finite where half of the samples are zeros" for name in bad)


@check(
    "method",
    change="reject it in check() with a message that states the smallest batch size",
    needs=("returns_a_finite_loss",),
)
def accepts_or_rejects_a_batch_of_one(subject: Subject) -> Iterator[str]:
    """A batch of one has no negatives and no statistics: it must be rejected before anything runs, or work."""
    trained_rig(subject)
    try:
        plan_method(subject, batch=1)
    except RequestError:
        return
    rig, method = start_method(subject)
    total = method.loss(select_rows(rig.batch(), torch.tensor([0])), rig.step()).total.detach()
    if not torch.isfinite(total):
        yield f"train.batch_size=1 is accepted, but the loss of one row is {float(total)}"


@check(
    "method",
    change="take labels from batch.target by sslbench.api.target_losses.loss_of, and ignore NaN, which is unknown",
    needs=("returns_a_finite_loss",),
)
def learns_from_every_target(subject: Subject) -> Iterator[str]:
    """A method that uses labels must learn every kind that its spec declares, also where some are unknown."""
    if not subject.spec.uses_labels:
        raise NotApplicable("uses no labels")
    for kind in sorted(subject.spec.targets):
        rig = rig_of(plan_method(subject, target=kind))
        losses = losses_on_one_batch(rig, RATES[0])
        if not all(map(math.isfinite, losses)):
            yield f"{kind}: the loss is not finite"
        elif min(losses[1:]) >= losses[0]:
            yield f"{kind}: {REPEATS} steps on one batch do not lower the loss of {losses[0]:.4g}"
