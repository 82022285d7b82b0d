"""One encoder of a run as a program that plain torch loads, with normalization, resizing and weights. Imports torch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sslbench.api.errors import RequestError
from sslbench.api.image_boxes import crop_resize, middle
from sslbench.api.modules import Backbone
from sslbench.api.values import Modality
from sslbench.catalog.facts import Catalog
from sslbench.config.choices import choose

STEPS = 16
"""Steps of the series that a program is recorded with, where series have any length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderInput:
    """What one encoder takes: the modality as stored, the size of its view, and whether it was run in bfloat16.

    `squashed`: images of any shape fill the canvas, so that the program takes their width over their height as well.
    `span`: the values of images of more than 8 bits that are shown as 0 and 255. `selected`: channels were chosen by number.
    """

    modality: Modality
    size: tuple[int, ...]
    bfloat16: bool
    squashed: bool
    span: tuple[float, float] | None = None
    selected: bool = False


class EncoderProgram(nn.Module):
    """A sample as stored to the encoder's vector, in the steps of the harness."""

    def __init__(self, encoder: Backbone, takes: EncoderInput) -> None:
        super().__init__()
        self.encoder = encoder
        self.takes = takes

    def forward(self, values: Tensor, aspect: Tensor | None = None) -> Tensor:
        """[1, *shape] -> [1, width]; images as uint8, `aspect` [1] only of squashed ones."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.takes.bfloat16):
            x = values.to(torch.float32)
            if self.takes.modality.layout == "image":
                x = x * (1 / 255)
                if x.shape[2:] != self.takes.size:
                    x = crop_resize(x, middle(x, aspect), (self.takes.size[0], self.takes.size[1]))
            vector: Tensor = self.encoder(x)
        return vector.float()


def rebuild_encoder(
    backbone: Mapping[str, Any], takes: EncoderInput, state: Mapping[str, Tensor], catalog: Catalog
) -> Backbone:
    """Build a backbone as a record describes it and load its state, in evaluation mode.

    Raises RequestError where the component is not installed, has another version, or does not fit the state.
    """
    problems: list[str] = []
    name = str(backbone["name"])
    choice = choose(catalog, "backbone", name, backbone["settings"], "backbone", problems)
    if choice is None or problems:
        raise RequestError(problems)
    if choice.spec.version != backbone["version"]:
        raise RequestError([
            f"backbone {name}: version {choice.spec.version} is installed, and the run used version {backbone['version']}. "
            "Install that version or run again"
        ])  # fmt: skip
    channels = takes.modality.shape[0 if takes.modality.layout == "image" else -1]
    shape = (channels, *takes.size) if takes.modality.layout == "image" else takes.modality.shape
    modality = Modality(
        layout=takes.modality.layout, shape=shape, facts=takes.modality.facts, mean=(0.0,) * channels,
        std=(1.0,) * channels,
    )  # fmt: skip
    encoder: Backbone = choice.without_weights().build(modality)
    for statistic in ("mean", "std"):  # published weights have their own, of another number of channels
        setattr(encoder, statistic, state[statistic].clone())
    try:
        encoder.load_state_dict(state)
    except RuntimeError as error:
        raise RequestError(
            [f"backbone {name}: the run's weights do not fit it: {' '.join(str(error).split())}"]
        ) from error
    return encoder.requires_grad_(False).eval()


def save_program(encoder: Backbone, takes: EncoderInput, path: Path) -> None:
    """Write an encoder with everything before it as a program of torch.export that takes one sample.

    Series may have any length from 2 steps. Raises RequestError where torch cannot record the encoder.
    """
    program = EncoderProgram(encoder, takes).eval()
    sample, dynamic = _example(takes)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", module="torch")  # it warns of its own modules, such as nn.LSTM
        try:
            exported = torch.export.export(program, sample, dynamic_shapes=dynamic)
        except Exception as error:  # whatever torch raises at code that it cannot record
            told = " ".join(str(error).split())[:300]
            raise RequestError([f"{path.name}: torch.export cannot record this encoder: {told}"]) from error
        torch.export.save(exported, path)


def _example(takes: EncoderInput) -> tuple[tuple[Tensor, ...], Any]:
    """A sample to record with, and which of its sides may vary."""
    modality = takes.modality
    if modality.layout == "image":
        image = torch.zeros((1, *modality.shape), dtype=torch.uint8)
        return ((image, torch.ones(1)) if takes.squashed else (image,)), None
    steps: Literal[0] | int = modality.shape[0]
    if modality.layout == "sequence" and steps == 0:
        series = torch.zeros((1, STEPS, *modality.shape[1:]))
        return (series,), ({1: torch.export.Dim("steps", min=2)},)
    return (torch.zeros((1, *modality.shape)),), None
