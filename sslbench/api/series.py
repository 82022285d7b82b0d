"""Encode the samples of a view, series of samples step by step. Imports torch, so specs must not import it.

A modality with `sequence_of` is a series: each step is a sample of another modality, whose encoder encodes it. Steps that pad
a batch are not encoded, so that they count neither in features nor in batch statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import torch
from torch import Tensor

from sslbench.api.modality import match_encoders as match_encoders
from sslbench.api.modules import Backbone, Method
from sslbench.api.values import Modality, View

STEPS_AT_ONCE = 1024
"""Steps that are encoded at once without gradients, which bounds memory."""


def encode_view(encoders: Mapping[str, Backbone], view: View, modalities: Mapping[str, Modality]) -> dict[str, Tensor]:
    """Encode the modalities of a view that have an encoder.

    modalities: those of the samples, such as `Trial.modalities`.
    Returns [B, width] by modality; for a series [B, T, width], with zeros after its last step.
    """

    def encode(samples: View) -> Mapping[str, Tensor]:
        return {m: e(samples[m], samples.get(f"{m}.length")) for m, e in encoders.items() if m in samples}

    return _embed_modalities(encode, encoders, view, modalities)


def embed_view(method: Method, view: View, modalities: Mapping[str, Modality]) -> dict[str, Tensor]:
    """Embed a view in all spaces of a method, as `encode_view` does; `image.joint` is the embedding in space `joint`."""
    return _embed_modalities(method.embed, method.encoders, view, modalities)


def encode_samples(encoders: Mapping[str, Backbone], view: View, modalities: Mapping[str, Modality]) -> Tensor:
    """Return one vector per sample [B, D]: the features of all modalities, those of a series averaged over its steps.

    D is the sum of the widths of `match_encoders`.
    """
    found = encode_view(encoders, view, modalities)
    vectors = {name: average_steps(x, view.get(f"{name}.length")) if x.ndim == 3 else x for name, x in found.items()}
    return torch.cat([vectors[name] for name in match_encoders(encoders, modalities)], dim=1)


def _embed_modalities(
    embed: Callable[[View], Mapping[str, Tensor]],
    encoders: Collection[str],
    view: View,
    modalities: Mapping[str, Modality],
) -> dict[str, Tensor]:
    matched = {name: encoder for name, encoder in match_encoders(encoders, modalities).items() if name in view}
    found = dict(embed(view)) if any(name == encoder for name, encoder in matched.items()) else {}
    for name, step in matched.items():
        if name != step:
            steps = take_steps(view, name, step)
            pieces = [embed(piece) for piece in _split(steps, len(steps[step]))]
            inside = mask_steps(view[name], view.get(f"{name}.length"))
            for space in pieces[0]:
                joined = torch.cat([piece[space] for piece in pieces])
                found[name + space.removeprefix(step)] = put_steps(joined, inside)
    return found


def _split(view: View, rows: int) -> Iterator[View]:
    """Yield a view in pieces without gradients, and whole while training: its batch statistics are those of all rows."""
    most = rows if torch.is_grad_enabled() else STEPS_AT_ONCE
    for start in range(0, rows, max(most, 1)):
        yield {name: x[start : start + most] for name, x in view.items()}


# ---- steps -----------------------------------------------------------------------------------------------------------


def mask_steps(series: Tensor, length: Tensor | None) -> Tensor:
    """Return [B, T] True for the true steps of [B, T, ...]; without lengths [B] all steps are true."""
    if length is None:
        return torch.ones(series.shape[:2], dtype=torch.bool, device=series.device)
    return torch.arange(series.shape[1], device=series.device) < length.to(series.device).unsqueeze(1)


def take_steps(view: View, name: str, step: str) -> dict[str, Tensor]:
    """Return the true steps of a series as a view of N samples of the modality `step`, in order, with their facts.

    Facts with a value per step keep that of the step; others, such as a position, are repeated for every step.
    Raises ValueError for a fact of other steps than those of the series, which an operation has not changed with them.
    """
    inside = mask_steps(view[name], view.get(f"{name}.length"))
    taken = {step: view[name][inside]}
    for key in (key for key in view if key.startswith(f"{name}.") and key != f"{name}.length"):
        fact = view[key]
        if fact.ndim > 1 and fact.shape[1] != inside.shape[1]:
            raise ValueError(
                f"{key!r} has {fact.shape[1]} steps, but {name!r} has {inside.shape[1]}. Change `step_facts` of a sequence "
                "together with its steps"
            )
        values = fact if fact.ndim > 1 else fact.unsqueeze(1).expand(inside.shape)
        taken[step + key.removeprefix(name)] = values[inside]
    return taken


def put_steps(steps: Tensor, inside: Tensor) -> Tensor:
    """Return steps [N, D] at their places `inside` [B, T] as [B, T, D], with zeros elsewhere."""
    series = steps.new_zeros(*inside.shape, *steps.shape[1:])
    series[inside] = steps
    return series


def average_steps(series: Tensor, length: Tensor | None) -> Tensor:
    """Return the mean [B, D] of the true steps of [B, T, D]."""
    inside = mask_steps(series, length).unsqueeze(2)
    return (series * inside).sum(1) / inside.sum(1).clamp(min=1)


def step_facts(view: View, name: str) -> dict[str, Tensor]:
    """Return the facts [B, T, ...] that have a value for every step of a sequence, such as its times.

    An operation that crops, resamples or reverses the steps of a sequence changes these in the same way.
    """
    return {key: x for key, x in view.items() if key.startswith(f"{name}.") and x.ndim > 1}
