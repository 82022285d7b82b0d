"""Check the contract of a backbone on random input of every layout that it supports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from sslbench.api.modules import Backbone, Depth, DropPath, LearnedPositions, PublishedWeights
from sslbench.api.values import Modality
from sslbench.environment import seed_everything
from sslbench.testing.check import NotApplicable, Subject, check
from sslbench.testing.example_modalities import example_modalities
from sslbench.testing.method_checks import plain_tensors

ROWS = 6


def modalities(subject: Subject) -> dict[str, Modality]:
    """Return the modalities to test the backbone on."""
    return {what: m for what, m in example_modalities(subject.catalog).items() if subject.spec.takes(m.layout)}


def build_encoder(subject: Subject, modality: Modality) -> Backbone:
    """Build the backbone with its smoke settings; torch is seeded as in a run."""
    seed_everything(0, "encoder")
    encoder: Backbone = subject.component.implementation()(subject.spec.smoke, modality)
    return encoder.eval()


def random_rows(modality: Modality, rows: int = ROWS) -> Tensor:
    """Return rows in the modality's natural range."""
    return torch.rand(rows, *modality.shape, generator=torch.Generator().manual_seed(1))


@check(
    "backbone",
    change="build from the modality's layout and shape, and return [B, width] in float32",
    needs=("has_an_implementation",),
)
def encodes(subject: Subject) -> Iterator[str]:
    """Protocols and methods need one vector of the announced width per sample."""
    for what, modality in modalities(subject).items():
        encoder = build_encoder(subject, modality)
        with torch.no_grad():
            found = encoder(random_rows(modality))
        if found.shape != (ROWS, encoder.width) or found.dtype != torch.float32:
            yield f"{what} becomes {tuple(found.shape)} of {found.dtype}, not ({ROWS}, {encoder.width}) of float32"


@check("backbone", change="switch off dropout and other randomness in eval()", needs=("encodes",))
def is_deterministic_in_eval(subject: Subject) -> Iterator[str]:
    """Features are extracted once and reused, so nothing may be random in evaluation."""
    for what, modality in modalities(subject).items():
        encoder, x = build_encoder(subject, modality), random_rows(modality)
        with torch.no_grad():
            if not torch.equal(encoder(x), encoder(x)):
                yield f"{what} has different features when encoded twice"


@check("backbone", change="do not use batch statistics in eval()", needs=("is_deterministic_in_eval",))
def is_independent_of_the_batch(subject: Subject) -> Iterator[str]:
    """A sample's features must not depend on the other samples of its batch."""
    for what, modality in modalities(subject).items():
        encoder, x = build_encoder(subject, modality), random_rows(modality)
        with torch.no_grad():
            in_batch, single = encoder(x), torch.cat([encoder(x[row : row + 1]) for row in range(ROWS)])
        if not torch.allclose(in_batch, single, rtol=1e-3, atol=1e-4):
            yield f"{what} has different features alone and in a batch, by up to {float((in_batch - single).abs().max()):.2g}"


@check("backbone", change="call self.normalize(x) first in forward()", needs=("is_independent_of_the_batch",))
def normalizes_its_input(subject: Subject) -> Iterator[str]:
    """Runs pass natural ranges and the statistics of the training images; unscaled input trains poorly."""
    for what, modality in modalities(subject).items():
        scaled = replace(modality, mean=(0.5,) * modality.channels, std=(0.25,) * modality.channels)
        x, encoder, plain = random_rows(modality), build_encoder(subject, scaled), build_encoder(subject, modality)
        plain.load_state_dict({**encoder.state_dict(), **{k: plain.state_dict()[k] for k in ("mean", "std")}})
        with torch.no_grad():
            if not torch.allclose(encoder(x), plain((x - 0.5) / 0.25), rtol=1e-3, atol=1e-4):
                yield f"{what}: with mean 0.5 and deviation 0.25 the features differ from those of (x - 0.5) / 0.25"


@check(
    "backbone",
    change="call self.normalize(x), and keep no statistics but those of Backbone, which use_statistics() replaces",
    needs=("normalizes_its_input",),
)
def keeps_its_statistics(subject: Subject) -> Iterator[str]:
    """Published weights bring their own statistics, which a saved encoder must restore, also for images of one channel."""
    for what, modality in modalities(subject).items():
        x, scaled = (
            random_rows(modality),
            replace(modality, mean=(0.0,) * modality.channels, std=(1.0,) * modality.channels),
        )
        encoder, restored = (build_encoder(subject, scaled) for _ in range(2))
        channels = encoder.get_buffer("mean").numel()  # those of its weights, which may be more than those of the data
        mean, std = example_statistics(channels)
        with torch.no_grad():
            encoder.use_statistics((0.0,) * channels, (1.0,) * channels)
            axes = (-1, *(1,) * (len(modality.shape) - 1 - modality.spec.channel_axis))
            expected = encoder((x - torch.tensor(mean).view(axes)) / torch.tensor(std).view(axes))
            encoder.use_statistics(mean, std)
            own = encoder(x)
            if not torch.allclose(own, expected, rtol=1e-3, atol=1e-4):
                yield f"{what}: after use_statistics() the features differ from those of the normalized input"
            restored.load_state_dict(encoder.state_dict())
            if not torch.allclose(own, restored(x), rtol=1e-3, atol=1e-4):
                yield f"{what}: an encoder with the saved state of another one has different features"
    yield from _channel_errors(subject)


def example_statistics(channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return a different mean and standard deviation per channel."""
    return tuple(0.3 + 0.4 * c / channels for c in range(channels)), tuple(
        0.2 + 0.1 * c / channels for c in range(channels)
    )


def _channel_errors(subject: Subject) -> Iterator[str]:
    """Compare images of one channel with the same images of three, where both fit the same weights."""
    three = next((m for m in modalities(subject).values() if m.spec.has_image and m.channels == 3), None)
    if three is None:
        return
    axis = three.spec.channel_axis
    one = replace(three, shape=three.spec.with_channels(three.shape, 1))
    encoder, gray = build_encoder(subject, three), build_encoder(subject, one)
    mean, std = example_statistics(3)
    for each in (encoder, gray):
        each.use_statistics(mean, std)
    state, own = encoder.state_dict(), gray.state_dict()
    if any(name not in own or own[name].shape != value.shape for name, value in state.items()):
        return  # the weights are those of one channel, so no weights of three are used
    gray.load_state_dict(state)
    x = random_rows(one)
    with torch.no_grad():
        found, expected = gray(x), encoder(x.repeat_interleave(3, axis + 1))
    if not torch.allclose(found, expected, rtol=1e-3, atol=1e-4):
        yield "images of one channel have different features than the same images repeated to three channels"


@check("backbone", change="remove unused parameters, or call requires_grad_(False)", needs=("encodes",))
def uses_every_parameter(subject: Subject) -> Iterator[str]:
    """A parameter without a gradient stops training on several devices."""
    for what, modality in modalities(subject).items():
        encoder = build_encoder(subject, modality).train()
        if not any(parameter.requires_grad for parameter in encoder.parameters()):
            raise NotApplicable("has no parameters to train")
        encoder(random_rows(modality)).square().sum().backward()
        unused = [n for n, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
        yield from (f"{name!r} gets no gradient from {what}" for name in unused)


@check("backbone", change="register tensors with register_buffer(), or as parameters", needs=("encodes",))
def registers_encoder_tensors(subject: Subject) -> Iterator[str]:
    """A tensor in a plain attribute is not saved, and not moved to the device with the model."""
    for modality in modalities(subject).values():
        encoder = build_encoder(subject, modality)
        encoder(random_rows(modality))
        yield from plain_tensors(encoder)


@check("backbone", change="use `length` to exclude padded steps", needs=("is_independent_of_the_batch",))
def ignores_padding(subject: Subject) -> Iterator[str]:
    """Sequences of a batch are padded to the longest one, and a sample's features must not depend on that."""
    padded = next((m for m in modalities(subject).values() if m.spec.has_length), None)
    if padded is None:
        raise NotApplicable("does not support samples of different lengths")
    others = padded.shape[1:]
    encoder = build_encoder(subject, replace(padded, shape=(0, *others)))
    x, length = torch.rand(ROWS, 8, *others), torch.tensor([8, 3, 5, 8, 1, 2])
    x = x * (torch.arange(8) < length.unsqueeze(1)).view(ROWS, 8, *(1,) * len(others))
    with torch.no_grad():
        short, long = encoder(x, length), encoder(torch.cat([x, torch.zeros(ROWS, 4, *others)], 1), length)
        alone = [encoder(x[row : row + 1, :steps], length[row : row + 1]) for row, steps in enumerate(length.tolist())]
    if not torch.allclose(short, long, rtol=1e-3, atol=1e-4):
        yield f"four more padded steps change the features by up to {float((short - long).abs().max()):.2g}"
    elif not torch.allclose(short, torch.cat(alone), rtol=1e-3, atol=1e-4):
        difference = float((short - torch.cat(alone)).abs().max())
        yield f"a sequence has different features alone and padded to 8 steps, by up to {difference:.2g}"


@check(
    "backbone",
    change="drop 'depth' from provides(), or implement Depth: depth and depth_of(parameter)",
    needs=("encodes",),
)
def reports_layer_depths(subject: Subject) -> Iterator[str]:
    """Layer-wise decay gives every parameter a learning rate by its depth, from 0 (stem) to `depth` (end)."""
    encoder = build_encoder(subject, modality_for(subject, "depth"))
    if not isinstance(encoder, Depth):
        yield "provides 'depth' but lacks depth or depth_of()"
        return
    names = [name for name, _ in encoder.named_parameters()]
    found = {name: encoder.depth_of(name) for name in names}
    wrong = {name: depth for name, depth in found.items() if not 0 <= depth <= encoder.depth}
    yield from (f"{name!r} has depth {depth}, outside 0 to {encoder.depth}" for name, depth in wrong.items())


@check("backbone", change="drop 'any-size' from provides(), or pool over all places", needs=("encodes",))
def accepts_any_size(subject: Subject) -> Iterator[str]:
    """Multi-crop methods encode large and small views with one encoder."""
    modality = modality_for(subject, "any-size")
    encoder = build_encoder(subject, modality)
    with torch.no_grad():
        for side in (16, 48):
            found = encoder(torch.rand(2, modality.shape[0], side, side))
            if found.shape != (2, encoder.width):
                yield f"images of {side} px become {tuple(found.shape)}"


@check(
    "backbone",
    change="drop 'drop-path' from provides(), or implement set_drop_path(rate)",
    needs=("is_deterministic_in_eval",),
)
def drops_paths_in_training_only(subject: Subject) -> Iterator[str]:
    """Fine-tuning switches drop path on; features in evaluation must stay the same."""
    modality = modality_for(subject, "drop-path")
    encoder, x = build_encoder(subject, modality), random_rows(modality)
    if not isinstance(encoder, DropPath):
        yield "provides 'drop-path' but lacks set_drop_path()"
        return
    with torch.no_grad():
        before = encoder(x)
        encoder.set_drop_path(0.9)
        if not torch.equal(before, encoder(x)):
            yield "set_drop_path() changes the features in evaluation"


@check(
    "backbone",
    change="drop 'learned-positions' from provides(), or implement fix_positions(): positions without a gradient",
    needs=("encodes",),
)
def freezes_learned_positions(subject: Subject) -> Iterator[str]:
    """A method that needs fixed positions freezes those of its encoder, and nothing else."""
    encoder = build_encoder(subject, modality_for(subject, "learned-positions"))
    if not isinstance(encoder, LearnedPositions):
        yield "provides 'learned-positions' but lacks fix_positions()"
        return
    before = {name: (parameter.requires_grad, parameter.clone()) for name, parameter in encoder.named_parameters()}
    encoder.fix_positions()
    after = dict(encoder.named_parameters())
    frozen = [
        name
        for name, (trainable, _) in before.items()
        if trainable and not (name in after and after[name].requires_grad)
    ]
    if len(frozen) != 1:
        yield f"fix_positions() freezes {', '.join(map(repr, frozen)) or 'nothing'}; expected its positions only"
    changed = [n for n, (_, old) in before.items() if n not in frozen and not torch.equal(old, after[n])]
    yield from (f"fix_positions() changes {name!r}" for name in changed)


@check(
    "backbone",
    change="implement published_statistics(): mean and deviation per channel of the training images",
    needs=("encodes",),
)
def has_statistics_of_published_weights(subject: Subject) -> Iterator[str]:
    """Published weights need images normalized with the statistics of their own training images."""
    encoder = build_encoder(subject, next(iter(modalities(subject).values())))
    if not hasattr(encoder, "published"):
        raise NotApplicable("has no published weights")
    if not isinstance(encoder, PublishedWeights):
        yield "has published() but lacks published_statistics()"
        return
    mean, std = encoder.published_statistics()
    if not mean or len(mean) != len(std) or any(one <= 0 for one in std):
        yield f"published_statistics() returns mean {list(mean)} and deviation {list(std)}"


@check("backbone", change="return settings of the same architecture from without_weights()", needs=("encodes",))
def has_the_same_tensors_without_weights(subject: Subject) -> Iterator[str]:
    """A saved state is loaded into an encoder that was built without weights, which must have the same tensors."""
    spec = subject.spec
    settings = spec.without_weights(spec.smoke)
    if settings == spec.smoke:
        raise NotApplicable("its smoke settings load no weights")
    for what, modality in modalities(subject).items():
        shapes = {name: value.shape for name, value in build_encoder(subject, modality).state_dict().items()}
        seed_everything(0, "encoder")
        other = subject.component.implementation()(settings, modality).state_dict()
        wrong = [
            name for name in shapes.keys() | other.keys() if name not in other or other[name].shape != shapes.get(name)
        ]
        yield from (
            f"{what}: {name!r} differs in shape with the settings of without_weights()" for name in sorted(wrong)
        )


def modality_for(subject: Subject, capability: str) -> Modality:
    """Return a color image for a backbone that provides a capability; raises NotApplicable for others."""
    if capability not in subject.spec.provides(subject.spec.smoke):
        raise NotApplicable(f"does not provide {capability!r}")
    sized = [m for m in modalities(subject).values() if m.spec.has_size and m.channels > 1]
    if not sized:
        raise NotApplicable("does not support samples with sizes in pixels")
    return sized[0]
