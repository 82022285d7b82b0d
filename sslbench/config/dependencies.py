"""Check that the encoders that methods and protocols use fit the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from sslbench.api.modality import Modality
from sslbench.api.suggestions import did_you_mean
from sslbench.api.values import PlanContext
from sslbench.config.choices import BACKBONE, Choice


def backbone_of(use: Choice) -> Choice:
    """Return the backbone of an encoder that another component uses: itself, or that of a method."""
    return use.uses.get(BACKBONE, use)


def list_modalities(use: Choice, modalities: Mapping[str, Modality]) -> list[str]:
    """List the modalities that a used encoder may take: the one that is stated, or all of its layouts."""
    if use.modality:
        return [use.modality] if use.modality in modalities else []
    return [name for name, modality in modalities.items() if backbone_of(use).spec.takes(modality.layout)]


def add_named_modality(
    use: Choice, encoded: Mapping[str, Modality], data: Mapping[str, Modality]
) -> dict[str, Modality]:
    """Return the modalities that a protocol's encoder may take: those that are encoded, and the one of the data it names."""
    named = {use.modality: data[use.modality]} if use.modality in data and use.modality not in encoded else {}
    return {**encoded, **named}


def input_of(use: Choice, modality: Modality) -> Modality:
    """Return what a used encoder takes: a modality of the run at the size of the encoder, without statistics.

    Published weights bring their own statistics. Those of a pool would give each method, fold and seed another encoder.
    """
    shape, channels = modality.shape, modality.channels
    if use.size and modality.spec.has_size:
        shape = modality.spec.with_sides(shape, (use.size,) * len(modality.sides))
    return replace(modality, shape=shape, mean=(0.0,) * channels, std=(1.0,) * channels)


def dependency_errors(
    user: Choice, path: str, context: PlanContext, data: Mapping[str, Modality] = MappingProxyType({})
) -> list[str]:
    """Return one message per encoder that a method or a protocol uses and that does not fit the modalities of the run.

    data: modalities of all evaluated samples, which a protocol can use although no encoder of the run takes them.
    """
    return [
        f"{path}.dependencies.{slot}: {problem}"
        for slot, use in user.uses.items()
        for problem in _find_errors(use, replace(context, modalities=add_named_modality(use, context.modalities, data)))
    ]


def _find_errors(use: Choice, context: PlanContext) -> Iterator[str]:
    backbone, modalities = backbone_of(use), context.modalities
    takes = ", ".join(sorted(backbone.spec.layouts))
    has = ", ".join(f"{name!r} (layout {modality.layout})" for name, modality in modalities.items())
    names = list_modalities(use, modalities)
    if len(names) > 1:
        yield f"{backbone.name!r} takes {' and '.join(map(repr, names))}. State one of them as modality of the Dependency"
    elif not names and use.modality:
        yield f"the run encodes no modality {use.modality!r}, only {has}{did_you_mean(use.modality, modalities)}"
    elif not names:
        yield f"{backbone.name!r} takes {takes}, but the run encodes {has}. Choose data with such a modality"
    elif not backbone.spec.takes(layout := modalities[names[0]].layout):
        yield f"{backbone.name!r} takes {takes}, but {names[0]!r} has layout {layout}. Choose another backbone"
    elif not use.size and modalities[names[0]].spec.has_size and 0 in modalities[names[0]].sides:
        yield f"{names[0]!r} varies in size. State the size of the Dependency in pixels"
    elif use.size and not modalities[names[0]].spec.has_size:
        yield f"size={use.size}: {names[0]!r} has no size in pixels. Remove it from the Dependency"
    else:
        own = {names[0]: input_of(use, modalities[names[0]])}
        for choice in dict.fromkeys((use, backbone)):
            yield from choice.spec.check(choice.config, replace(context, modalities=own, shapes={}))
