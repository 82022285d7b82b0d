"""What a backbone promises, on noise of every layout that it says it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from sslbench.api.modules import Backbone, Depth, DropPath, LearnedPositions, PublishedWeights, Tokens
from sslbench.api.values import Modality
from sslbench.environment import seed_everything
from sslbench.testing.check import NotApplicable, Subject, check
from sslbench.testing.method_checks import plain_tensors

ROWS = 6
IMAGES = {f"a image of {c} channel(s)": Modality(layout="image", shape=(c, 32, 32)) for c in (1, 3)}
OTHERS = {
    "a sequence": Modality(layout="sequence", shape=(12, 3)),
    "a vector": Modality(layout="vector", shape=(24,)),
}


def modalities(subject: Subject) -> dict[str, Modality]:
    """What to try it on."""
    return {what: m for what, m in {**IMAGES, **OTHERS}.items() if m.layout in subject.spec.layouts}


def build_encoder(subject: Subject, modality: Modality) -> Backbone:
    """Build it with its smoke settings; torch is seeded as the harness does it."""
    seed_everything(0, "encoder")
    encoder: Backbone = subject.component.implementation()(subject.spec.smoke, modality)
    return encoder.eval()


def random_rows(modality: Modality, rows: int = ROWS) -> Tensor:
    """Rows in the modality's natural range."""
    return torch.rand(rows, *modality.shape, generator=torch.Generator().manual_seed(1))


@check(
    "backbone",
    change="build from the modality's layout and shape, and return [B, width] in float32",
    needs=("has_an_implementation",),
)
def encodes(subject: Subject) -> Iterator[str]:
    """Everything downstream takes one vector of the announced width per sample."""
    for what, modality in modalities(subject).items():
        encoder = build_encoder(subject, modality)
        with torch.no_grad():
            found = encoder(random_rows(modality))
        if found.shape != (ROWS, encoder.width) or found.dtype != torch.float32:
            yield f"{what} becomes {tuple(found.shape)} of {found.dtype}, not ({ROWS}, {encoder.width}) of float32"


@check("backbone", change="switch dropout and the like off in eval()", needs=("encodes",))
def is_deterministic_in_eval(subject: Subject) -> Iterator[str]:
    """Features are extracted once and compared for years: in evaluation nothing may be random."""
    for what, modality in modalities(subject).items():
        encoder, x = build_encoder(subject, modality), random_rows(modality)
        with torch.no_grad():
            if not torch.equal(encoder(x), encoder(x)):
                yield f"{what} has other features when it is encoded again"


@check("backbone", change="use no statistics of the batch in eval()", needs=("is_deterministic_in_eval",))
def is_independent_of_the_batch(subject: Subject) -> Iterator[str]:
    """A sample's features must not depend on who happens to be in the same batch."""
    for what, modality in modalities(subject).items():
        encoder, x = build_encoder(subject, modality), random_rows(modality)
        with torch.no_grad():
            together, alone = encoder(x), torch.cat([encoder(x[row : row + 1]) for row in range(ROWS)])
        if not torch.allclose(together, alone, rtol=1e-3, atol=1e-4):
            yield f"{what} has other features alone than in a batch, by up to {float((together - alone).abs().max()):.2g}"


@check("backbone", change="call self.normalize(x) first in forward()", needs=("is_independent_of_the_batch",))
def normalizes_its_input(subject: Subject) -> Iterator[str]:
    """The harness gives natural ranges and the training rows' statistics; unscaled input learns badly, and unequally."""
    for what, modality in modalities(subject).items():
        channels = modality.shape[-1] if modality.layout != "image" else modality.shape[0]
        scaled = replace(modality, mean=(0.5,) * channels, std=(0.25,) * channels)
        x, encoder, plain = random_rows(modality), build_encoder(subject, scaled), build_encoder(subject, modality)
        plain.load_state_dict({**encoder.state_dict(), **{k: plain.state_dict()[k] for k in ("mean", "std")}})
        with torch.no_grad():
            if not torch.allclose(encoder(x), plain((x - 0.5) / 0.25), rtol=1e-3, atol=1e-4):
                yield f"{what}: mean 0.5 and deviation 0.25 do not act like (x - 0.5) / 0.25"


@check("backbone", change="remove what is not used, or requires_grad_(False)", needs=("encodes",))
def uses_every_parameter(subject: Subject) -> Iterator[str]:
    """A parameter that no feature depends on stops training on several devices."""
    for what, modality in modalities(subject).items():
        encoder = build_encoder(subject, modality).train()
        encoder(random_rows(modality)).square().sum().backward()
        idle = [n for n, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
        yield from (f"{name!r} gets no gradient from {what}" for name in idle)


@check("backbone", change="register tensors with register_buffer(), or as parameters", needs=("encodes",))
def registers_encoder_tensors(subject: Subject) -> Iterator[str]:
    """A tensor in a plain attribute is not saved, and not moved to the device with the model."""
    for modality in modalities(subject).values():
        encoder = build_encoder(subject, modality)
        encoder(random_rows(modality))
        yield from plain_tensors(encoder)


@check("backbone", change="use `length` to leave padded steps out", needs=("is_deterministic_in_eval",))
def ignores_padding(subject: Subject) -> Iterator[str]:
    """Sequences of a batch are padded to the longest, and a sample's features must not depend on it."""
    if "sequence" not in subject.spec.layouts:
        raise NotApplicable("it takes no sequences")
    encoder = build_encoder(subject, Modality(layout="sequence", shape=(0, 3)))
    x, length = torch.rand(ROWS, 8, 3), torch.tensor([8, 3, 5, 8, 1, 2])
    x = x * (torch.arange(8) < length.unsqueeze(1)).unsqueeze(-1)
    with torch.no_grad():
        short, long = encoder(x, length), encoder(torch.cat([x, torch.zeros(ROWS, 4, 3)], 1), length)
    if not torch.allclose(short, long, rtol=1e-3, atol=1e-4):
        yield f"four more padded steps change the features by up to {float((short - long).abs().max()):.2g}"


@check(
    "backbone",
    change="drop 'tokens' from provides(), or implement Tokens: patch, prefix and tokens(x, keep)",
    needs=("is_deterministic_in_eval",),
)
def returns_tokens(subject: Subject) -> Iterator[str]:
    """Masked methods look at some patches only, and count on getting those, in their order."""
    modality = _for_capability(subject, "tokens")
    encoder = build_encoder(subject, modality)
    if not isinstance(encoder, Tokens):
        yield "it provides 'tokens' but lacks patch, prefix or tokens()"
        return
    count = (32 // encoder.patch[0]) * (32 // encoder.patch[1])
    keep = torch.stack([torch.arange(count)[torch.arange(count) % 2 == 0]] * ROWS)
    with torch.no_grad():
        every, some = encoder.tokens(random_rows(modality)), encoder.tokens(random_rows(modality), keep)
        ordered = encoder.tokens(random_rows(modality), torch.arange(count).expand(ROWS, count))
    if every.shape[1] != encoder.prefix + count:
        yield f"tokens() gives {every.shape[1]} tokens, not {encoder.prefix} + {count}"
    if some.shape[1] != encoder.prefix + keep.shape[1]:
        yield f"tokens() with {keep.shape[1]} patches to keep gives {some.shape[1]} tokens"
    if every.shape == ordered.shape and not torch.allclose(every, ordered, rtol=1e-3, atol=1e-4):
        yield "keeping every patch is not the same as keeping none back"


@check(
    "backbone",
    change="drop 'depth' from provides(), or implement Depth: depth and depth_of(parameter)",
    needs=("encodes",),
)
def reports_layer_depths(subject: Subject) -> Iterator[str]:
    """Layer-wise decay gives every parameter a rate by its depth, from 0 at the stem to `depth` at the end."""
    encoder = build_encoder(subject, _for_capability(subject, "depth"))
    if not isinstance(encoder, Depth):
        yield "it provides 'depth' but lacks depth or depth_of()"
        return
    names = [name for name, _ in encoder.named_parameters()]
    found = {name: encoder.depth_of(name) for name in names}
    yield from (f"{name!r} is at {d} of {encoder.depth}" for name, d in found.items() if not 0 <= d <= encoder.depth)


@check("backbone", change="drop 'any-size' from provides(), or pool over whatever is there", needs=("encodes",))
def accepts_any_size(subject: Subject) -> Iterator[str]:
    """Multi-crop methods send large and small views through one encoder."""
    modality = _for_capability(subject, "any-size")
    encoder = build_encoder(subject, modality)
    with torch.no_grad():
        for side in (16, 48):
            found = encoder(torch.rand(2, modality.shape[0], side, side))
            if found.shape != (2, encoder.width):
                yield f"images of {side} px become {tuple(found.shape)}"


@check(
    "backbone", change="drop 'drop-path' from provides(), or implement set_drop_path(rate)", needs=("is_deterministic_in_eval",)
)
def drops_paths_in_training_only(subject: Subject) -> Iterator[str]:
    """Fine-tuning switches it on; features in evaluation must stay what they were."""
    modality = _for_capability(subject, "drop-path")
    encoder, x = build_encoder(subject, modality), random_rows(modality)
    if not isinstance(encoder, DropPath):
        yield "it provides 'drop-path' but lacks set_drop_path()"
        return
    with torch.no_grad():
        before = encoder(x)
        encoder.set_drop_path(0.9)
        if not torch.equal(before, encoder(x)):
            yield "set_drop_path() changes the features in evaluation"


@check(
    "backbone",
    change="drop 'learned-positions' from provides(), or implement fix_positions(): positions that take no gradient",
    needs=("encodes",),
)
def freezes_learned_positions(subject: Subject) -> Iterator[str]:
    """A method that needs fixed positions freezes those of its encoder, and nothing else of it."""
    encoder = build_encoder(subject, _for_capability(subject, "learned-positions"))
    if not isinstance(encoder, LearnedPositions):
        yield "it provides 'learned-positions' but lacks fix_positions()"
        return
    before = {name: (parameter.requires_grad, parameter.clone()) for name, parameter in encoder.named_parameters()}
    encoder.fix_positions()
    after = dict(encoder.named_parameters())
    frozen = [
        name for name, (learns, _) in before.items() if learns and not (name in after and after[name].requires_grad)
    ]
    if len(frozen) != 1:
        yield f"fix_positions() freezes {', '.join(map(repr, frozen)) or 'nothing'}, not its positions alone"
    changed = [n for n, (_, old) in before.items() if n not in frozen and not torch.equal(old, after[n])]
    yield from (f"fix_positions() changes {name!r}" for name in changed)


@check(
    "backbone",
    change="implement published_statistics(): mean and deviation per channel of the images that the weights were trained on",
    needs=("encodes",),
)
def has_statistics_of_published_weights(subject: Subject) -> Iterator[str]:
    """Published weights must receive images normalized as those that they were trained on, not as the data at hand."""
    encoder = build_encoder(subject, next(iter(modalities(subject).values())))
    if not hasattr(encoder, "published"):
        raise NotApplicable("it offers no published weights")
    if not isinstance(encoder, PublishedWeights):
        yield "it has published() but lacks published_statistics()"
        return
    mean, std = encoder.published_statistics()
    if not mean or len(mean) != len(std) or any(one <= 0 for one in std):
        yield f"published_statistics() gives mean {list(mean)} and deviation {list(std)}"


def _for_capability(subject: Subject, capability: str) -> Modality:
    if capability not in subject.spec.provides(subject.spec.smoke):
        raise NotApplicable(f"it does not provide {capability!r}")
    if "image" not in subject.spec.layouts:
        raise NotApplicable("it takes no images")
    return IMAGES["a image of 3 channel(s)"]
