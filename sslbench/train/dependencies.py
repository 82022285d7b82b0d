"""Build the encoders that methods and protocols use, such as teachers, and fetch their weights once."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import torch

from sslbench.api.frozen_encoder import FrozenEncoder
from sslbench.api.modality import Modality
from sslbench.api.modules import Backbone
from sslbench.api.specs import MethodParts
from sslbench.api.values import PlanContext, Target
from sslbench.config.choices import Choice
from sslbench.config.dependencies import backbone_of, input_of, list_modalities
from sslbench.config.settings import TrainSettings
from sslbench.data.key_form import digest
from sslbench.environment import seed_everything

MAX_KEPT = 4
"""Number of encoders with weights that stay in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """Everything that an encoder depends on, as a digest, and what it is built from."""

    digest: str
    use: Choice = field(compare=False)
    modality: str = field(compare=False)
    takes: Modality = field(compare=False)


def build_dependencies(user: Choice, modalities: Mapping[str, Modality]) -> dict[str, FrozenEncoder]:
    """Build the encoders that a method uses, by slot."""
    return {slot: build_dependency(use, modalities) for slot, use in user.uses.items()}


def build_dependency(use: Choice, modalities: Mapping[str, Modality]) -> FrozenEncoder:
    """Build an encoder that another component uses; seeds the global generators.

    It depends on its settings and the shape of its modality alone: it is the same for every method, fold and seed.
    Weights are fetched once in a process.
    Raises Unavailable if they are not available.
    """
    (modality,) = list_modalities(use, modalities)
    takes = input_of(use, modalities[modality])
    if not use.needs_weights:
        return _build(use, modality, takes)
    key = digest(use.key_form(), modality, takes.key_form())
    return copy.deepcopy(_build_once(_Identity(digest=key, use=use, modality=modality, takes=takes)))


@lru_cache(maxsize=MAX_KEPT)
def _build_once(identity: _Identity) -> FrozenEncoder:
    return _build(identity.use, identity.modality, identity.takes)


def _build(use: Choice, modality: str, takes: Modality) -> FrozenEncoder:
    seed_everything("dependency")
    encoder: Backbone = backbone_of(use).build(takes)
    if use.component.kind == "method":
        default = TrainSettings()
        context = PlanContext(
            modalities={modality: takes}, shapes={}, samples=0, batch_size=default.batch_size, epochs=default.epochs,
            target=Target(kind="none"),
        )  # fmt: skip
        parts = MethodParts(
            encoders={modality: encoder}, dependencies={}, context=context, needs_weights=use.needs_weights
        )
        encoder = use.build(parts).encoders[modality]
    frozen = FrozenEncoder(encoder, modality, takes)
    if takes.spec.memory_format:  # convolutions run faster
        frozen.to(memory_format=getattr(torch, takes.spec.memory_format))
    return frozen
