"""Export one encoder as a torch program with normalization, resizing and weights. Imports torch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sslbench.api.errors import RequestError
from sslbench.api.modules import Backbone
from sslbench.api.values import Modality
from sslbench.catalog.facts import Catalog
from sslbench.config.choices import choose

MAX_REASON = 300
"""Maximum number of characters of an error of torch in a message."""
STEPS = 16
"""Steps of the example series for export if series have any length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderInput:
    """The input of one encoder: the modality as stored, the size of its view, and whether it ran in bfloat16.

    `squashed`: images of any shape fill the canvas, so the program also needs width over height. `span`: the values of images
    of more than 8 bits that map to 0 and 255. `selected`: channels were chosen by number.
    """

    modality: Modality
    size: tuple[int, ...]
    bfloat16: bool
    squashed: bool
    span: tuple[float, float] | None = None
    selected: bool = False


class EncoderProgram(nn.Module):
    """Compute the encoder's vector of a stored sample, with the same steps as in a run."""

    def __init__(self, encoder: Backbone, takes: EncoderInput) -> None:
        super().__init__()
        self.encoder = encoder
        self.takes = takes

    def forward(self, values: Tensor, aspect: Tensor | None = None) -> Tensor:
        """Encode [1, *shape] to [1, width]; `aspect` [1] is for squashed images only."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.takes.bfloat16):
            modality = self.takes.modality
            x = modality.code.natural(values)
            if modality.spec.has_size and modality.spec.sides(x.shape[1:]) != self.takes.size:
                x = modality.code.resize(x, self.takes.size, aspect)
            vector: Tensor = self.encoder(x)
        return vector.float()


def rebuild_encoder(
    backbone: Mapping[str, Any], takes: EncoderInput, state: Mapping[str, Tensor], catalog: Catalog
) -> Backbone:
    """Build a backbone from a record and load its state, in evaluation mode.

    Raises RequestError if the component is not installed, has another version, or does not fit the state.
    """
    problems: list[str] = []
    name = str(backbone["name"])
    choice = choose(catalog, "backbone", name, backbone["settings"], "backbone", problems)
    if choice is None or problems:
        raise RequestError(problems)
    if choice.spec.version != backbone["version"]:
        raise RequestError([
            f"backbone {name}: version {choice.spec.version} is installed, but the run used version {backbone['version']}. "
            "Install that version or run again"
        ])  # fmt: skip
    spec, shape, channels = takes.modality.spec, takes.modality.shape, takes.modality.channels
    shape = spec.with_sides(shape, takes.size) if spec.has_size else shape
    modality = replace(takes.modality, shape=shape, mean=(0.0,) * channels, std=(1.0,) * channels)
    encoder: Backbone = choice.without_weights().build(modality)
    for statistic in ("mean", "std"):  # published weights may have statistics for another number of channels
        setattr(encoder, statistic, state[statistic].clone())
    try:
        encoder.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:MAX_REASON]
        raise RequestError(
            [f"backbone {name}: is not the network of the run: {reason}. Install the plugin version of the run"]
        ) from error
    return encoder.requires_grad_(False).eval()


def save_program(encoder: Backbone, takes: EncoderInput, path: Path) -> None:
    """Write an encoder and its input steps as a torch.export program for one sample.

    Series may have any length from 2 steps. Raises RequestError if torch cannot export the encoder.
    """
    program = EncoderProgram(encoder, takes).eval()
    sample, dynamic = _example(takes)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", module="torch")  # torch warns about its own modules, such as nn.LSTM
        try:
            exported = torch.export.export(program, sample, dynamic_shapes=dynamic)
        except Exception as error:  # torch raises many types for code that it cannot export
            reason = " ".join(str(error).split())[:MAX_REASON]
            fix = "Use the weights instead, or report it to the authors of the backbone"
            raise RequestError(
                [f"{path.name}: torch cannot export this encoder as a program: {reason}. {fix}"]
            ) from error
        torch.export.save(exported, path)


def _example(takes: EncoderInput) -> tuple[tuple[Tensor, ...], Any]:
    """Return an example input and the sides that may vary."""
    modality, kind = takes.modality, getattr(torch, takes.modality.stored_dtype)
    if modality.is_ragged:
        series = torch.zeros((1, STEPS, *modality.shape[1:]), dtype=kind)
        return (series,), ({1: torch.export.Dim(modality.spec.axes[0], min=2)},)
    sample = torch.zeros((1, *modality.shape), dtype=kind)
    return ((sample, torch.ones(1)) if takes.squashed else (sample,)), None
