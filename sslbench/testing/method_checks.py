"""Check the contract of a method on the kit's samples, with its smoke settings, in a real run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from sslbench.api.errors import RequestError
from sslbench.api.feature_geometry import describe
from sslbench.api.modules import Backbone, TrainedMethod
from sslbench.environment import seed_everything
from sslbench.testing.check import NotApplicable, Subject, check
from sslbench.testing.method_rig import (
    EPOCHS,
    copy_state,
    make_rig,
    plan_method,
    rig_of,
    take_rows,
    temporary_checkpoint,
    trained_rig,
)


@check(
    "method",
    change="correct the implementation, views() or check(), or set `smoke` to settings that suit 32 rows and images of 16 px",
    needs=("settings_survive_a_round_trip", "has_an_implementation", "uses_known_names"),
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
    view = rig.view()
    with torch.no_grad():
        found, again = method.embed(view), method.embed(view)
        fewer = method.embed(take_rows(view, slice(0, 3)))
    rows = len(next(iter(view.values())))
    for name, encoder in method.encoders.items():
        if name not in found or found[name].shape != (rows, encoder.width):
            shape = tuple(found[name].shape) if name in found else "nothing"
            yield f"embed() returns {shape} for {name!r}, not ({rows}, {encoder.width})"
        for space in subject.spec.spaces:
            if f"{name}.{space}" not in found or found[f"{name}.{space}"].shape[:1] != (rows,):
                yield f"embed() returns no '{name}.{space}' of {rows} rows, but the spec declares the space {space!r}"
    for name, features in found.items():
        if not torch.equal(features, again[name]):
            yield f"embed() returns different features of {name!r} for the same samples"
        elif not torch.allclose(features[:3], fewer[name], rtol=1e-3, atol=1e-4):
            yield f"embed() returns features of {name!r} that depend on the other samples of a batch"


@check(
    "method",
    change="use torch's random generator, which sslbench seeds, only while the method is constructed",
    needs=("loss_changes_no_state",),
)
def is_determined_by_its_seed(subject: Subject) -> Iterator[str]:
    """Runs are repeated from their seed, and five equal runs would not be five independent ones."""
    rig = trained_rig(subject)
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
    rig = trained_rig(subject)
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
    change="add or correct the mechanism against collapse (negatives, a predictor, a variance term, centering)",
    needs=("learns",),
    tier="advised",
)
def does_not_collapse(subject: Subject) -> Iterator[str]:
    """Collapsed features cannot distinguish samples."""
    rig = trained_rig(subject)
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


@check("method", change="use a tensor of shape [1] for a single number", needs=("builds",))
def has_no_scalar_parameters(subject: Subject) -> Iterator[str]:
    """Sharded training (train.strategy=fsdp) splits parameters along their first dimension, which a scalar lacks."""
    for name, parameter in make_rig(subject).build().named_parameters():
        if parameter.dim() == 0:
            yield f"the parameter {name!r} is a scalar"


@check(
    "method",
    change="leave out modalities that a view lacks: [... for name in self.encoders if name in view]",
    needs=("embeds_every_space",),
)
def embeds_what_is_present(subject: Subject) -> Iterator[str]:
    """Data for evaluation may lack a modality, and of series of pairs each side is embedded alone."""
    fewest, most = subject.spec.modalities
    if most < 2:
        raise NotApplicable("takes one modality")
    rig = rig_of(plan_method(subject, count=max(fewest, 2)))
    method, view = rig.build().eval(), rig.view()
    for absent in method.encoders:
        given = {name: x for name, x in view.items() if name.partition(".")[0] != absent}
        with torch.no_grad():
            found = method.embed(given)
        yield from (
            f"embed() returns {name!r} for a view without {absent!r}"
            for name in found
            if name.partition(".")[0] not in given
        )
        yield from (
            f"embed() returns no {name!r} for a view without {absent!r}"
            for name in given
            if name in method.encoders and name not in found
        )


@check(
    "method",
    change="pass '<modality>.length' to the encoder, and average over true steps only",
    needs=("embeds_every_space",),
)
def ignores_padding_of_series(subject: Subject) -> Iterator[str]:
    """Series of a batch are padded to the longest one, which must not change the features of the others."""
    try:
        rig = rig_of(plan_method(subject, need="has_length"))
    except RequestError:
        raise NotApplicable("takes no samples of different lengths") from None
    method, view = rig.build().eval(), rig.view()
    ragged = [name for name in view if f"{name}.length" in view]
    with torch.no_grad():
        together = method.embed(view)
        for row in range(4):
            alone = dict(take_rows(view, slice(row, row + 1)))
            for name in ragged:
                alone[name] = alone[name][:, : int(alone[f"{name}.length"])]
            for name, features in method.embed(alone).items():
                if not torch.allclose(features, together[name][row : row + 1], rtol=1e-3, atol=1e-4):
                    yield f"row {row} has other features of {name!r} without padding than with it"


def _trained_state(subject: Subject) -> Mapping[str, Tensor]:
    """Return the state after the whole smoke training; computed once for all checks."""

    def train_fully() -> Mapping[str, Tensor]:
        rig = trained_rig(subject)
        method = rig.build()
        rig.train(method)
        return copy_state(method)

    return cast("Mapping[str, Tensor]", subject.cached("training", train_fully))
