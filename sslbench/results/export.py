"""Write a run's encoders for use without sslbench: a program, weights, and a card with example code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from sslbench.api.errors import RequestError
from sslbench.api.layouts import DTYPES
from sslbench.catalog.facts import Catalog
from sslbench.data.table import read_modality
from sslbench.results.card import make_card
from sslbench.results.frames import read_record
from sslbench.results.image_reading import reader_source
from sslbench.results.program import EncoderInput, rebuild_encoder, save_program
from sslbench.results.record import Record

READER = "read_image.py"
READABLE = (1, 3)
"""Numbers of channels that `read_image` reads; other inputs are arrays."""
NETWORK = "network."
"""Prefix of a library module in an encoder that wraps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedEncoder:
    """The files of one encoder, its input and the width of its output.

    `statistics` are mean and standard deviation as text. `program` is empty for an encoder that a method builds itself.
    """

    modality: str
    weights: str
    program: str
    takes: EncoderInput | None
    width: int
    statistics: Mapping[str, str]


def export_run(run: Path, to: Path, seed: int | None, catalog: Catalog) -> list[Path]:
    """Write `to`/RUN: a program and weights of every encoder of one seed, an image reader, and a card.

    `run` is the folder of a run. Raises RequestError if the seed does not exist, or an encoder cannot be built or exported.
    """
    record = read_record(run / "record.json")
    seed = record.seeds[0] if seed is None else seed
    files = sorted(run.glob(f"encoder-seed{seed}-fold*.safetensors"))
    if not files:
        raise RequestError([f"{run} has no encoder of seed {seed}. Seeds: {', '.join(map(str, record.seeds))}"])
    with safe_open(files[0], framework="pt") as opened:
        prefixes = json.loads((opened.metadata() or {}).get("encoders", "{}"))
    if not prefixes:
        raise RequestError([f"{record.run}: its method has no encoder with weights"])
    state = load_file(files[0])
    to = to / record.run
    to.mkdir(parents=True, exist_ok=True)
    exported = [
        _export_encoder(record, modality, _below(state, prefix.removesuffix(NETWORK)), prefix, seed, to, catalog)
        for modality, prefix in prefixes.items()
    ]
    written = [to / name for one in exported for name in (one.program, one.weights) if name]
    if any(one.takes is not None and _is_readable(one.takes) for one in exported):
        (to / READER).write_text(reader_source())
        written.append(to / READER)
    (to / "card.md").write_text(f"{make_card(record)}\n{describe_use(record, exported)}")
    return [*written, to / "card.md"]


def _is_readable(takes: EncoderInput) -> bool:
    """Return whether `read_image` can read the input of an encoder."""
    modality = takes.modality
    is_image_file = modality.spec.has_size and len(modality.sides) == 2 and modality.stored_dtype == "uint8"
    return is_image_file and modality.channels in READABLE and not takes.selected


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _export_encoder(
    record: Record, modality: str, own: Mapping[str, Tensor], prefix: str, seed: int, to: Path, catalog: Catalog
) -> ExportedEncoder:
    name = str(record.backbones.get(modality, {}).get("name", "own"))
    # the shortest decimals that give the same float32 when the file is loaded
    statistics = {n: str([float(str(v)) for v in own[n].flatten().numpy()]) for n in ("mean", "std") if n in own}
    weights = _below(own, NETWORK) if prefix.endswith(NETWORK) else own
    file = f"{modality}-{name}-seed{seed}"
    save_file(
        {key: value.contiguous() for key, value in weights.items()}, to / f"{file}.safetensors",
        metadata={"backbone": name, "run": record.run, "modality": modality, **statistics},
    )  # fmt: skip
    takes, width, program = None, 0, ""
    if modality in record.backbones:
        takes = read_input(record, modality)
        encoder = rebuild_encoder(record.backbones[modality], takes, own, catalog)
        width, program = encoder.width, f"{file}.pt2"
        save_program(encoder, takes, to / program)
    return ExportedEncoder(
        modality=modality,
        weights=f"{file}.safetensors",
        program=program,
        takes=takes,
        width=width,
        statistics=statistics,
    )


def read_input(record: Record, modality: str) -> EncoderInput:
    """Read the input of an encoder from a record. Raises RequestError for a record of an earlier version."""
    known = (data.get("modalities", {}) for data in (*record.evaluated_on, *record.pretrained_on))
    described = next((one[modality] for one in known if modality in one), None)
    facts = next((one["encoders"][modality] for one in record.training if modality in one.get("encoders", {})), None)
    if described is None or facts is None:
        raise RequestError([
            f"{record.run}: its record, written by an earlier version, does not state the size of its samples. Delete "
            "its record.json and repeat the command of the run, which writes only the record again"
        ])  # fmt: skip
    settings: Mapping[str, Any] = record.settings
    span = next((data["intensity_span"] for data in record.evaluated_on if "intensity_span" in data), None)
    return EncoderInput(
        modality=read_modality(described),
        size=tuple(facts["size"]),
        bfloat16=settings["train"]["precision"] == "bfloat16",
        squashed=settings["prepare"]["fit"] == "squash" and "size" in described["facts"],
        span=None if span is None or len(span[0]) > 1 else (span[0][0], span[1][0]),
        selected=any(isinstance(data["settings"].get("channels"), list) for data in record.evaluated_on),
    )


def describe_use(record: Record, exported: Sequence[ExportedEncoder]) -> str:
    """Describe every encoder with the code that applies it to a file without sslbench."""
    parts = ["## Use without sslbench", "", "Run the lines in this folder. They need torch, NumPy and Pillow."]
    for one in exported:
        parts += ["", f"### {one.modality}", ""]
        if one.takes is None:
            parts += ["The method builds this encoder itself: weights only."]
        else:
            parts += _describe_program(record, one, one.takes)
        parts += ["", f"Weights alone, under the names of the encoder's module{_describe_statistics(one)}:", ""]
        parts += ["    from safetensors.torch import load_file", "", f'    state = load_file("{one.weights}")']
    return "\n".join([*parts, ""])


def _describe_statistics(one: ExportedEncoder) -> str:
    if not one.statistics:
        return ""
    return f" (subtract {one.statistics['mean']} from its input, then divide by {one.statistics['std']})"


def _describe_array(takes: EncoderInput) -> str:
    modality, kind = takes.modality, takes.modality.stored_dtype
    sides = " x ".join(str(side or "any") for side in modality.shape)
    units = "in the units of the data" if kind == "float32" else f"values 0 to {DTYPES[kind]}"
    resized = "; the program resizes it" if modality.spec.has_size else ""
    return f"an array {kind} of {' x '.join(modality.spec.axes)}: {sides}, {units}{resized}"


def _array_lines(one: ExportedEncoder, takes: EncoderInput) -> list[str]:
    aspect = ", torch.ones(1)" if takes.squashed else ""
    comment = "  # ones: the width of the image over its height" if takes.squashed else ""
    return [
        f'    values = np.load("{one.modality}.npy").astype(np.{takes.modality.stored_dtype})',
        f"    vector = encoder(torch.from_numpy(values[None]){aspect})[0]  # [{one.width}]{comment}",
    ]


def _describe_program(record: Record, one: ExportedEncoder, takes: EncoderInput) -> list[str]:
    shape, precision = takes.modality.shape, "bfloat16" if takes.bfloat16 else "float32"
    head = ["    import numpy as np", "    import torch"]
    load = f'    encoder = torch.export.load("{one.program}").module()'
    mean, std = one.statistics.get("mean", "none"), one.statistics.get("std", "none")
    facts = [
        f"- width of the vector: {one.width}",
        f"- normalization, in the program: minus {mean}, divided by {std}",
        f"- computed in {precision}; written by torch {record.versions.get('torch', '?')}",
        "- one sample at a time",
    ]
    if not _is_readable(takes):
        return [f"- input: {_describe_array(takes)}", *facts, "", *head, "", load, *_array_lines(one, takes)]
    prepare = record.settings["prepare"]
    call = (
        f"channels={shape[0]}, height={shape[1]}, width={shape[2]}, fit={prepare['fit']!r}, "
        f"background={prepare['background']!r}"
    ).replace("'", '"')
    if takes.span:
        call += f", black={takes.span[0]!r}, white={takes.span[1]!r}"
    extra = ', torch.tensor([read_aspect("image.png")])' if takes.squashed else ""
    size = " x ".join(map(str, takes.size))
    return [
        f"- input: {shape[0]} channel{'s' if shape[0] > 1 else ''}, {shape[1]} x {shape[2]} pixels, values 0 to 255; an "
        f"image of another size is placed on such a canvas ({prepare['fit']})",
        f"- resizing, in the program: to {size} (bilinear, antialiased), values 0 to 1",
        *facts,
        "- steps of the dataset reader, such as padding, happen before and are not in these files",
        "", head[1], "",
        f"    from read_image import {'read_aspect, ' if takes.squashed else ''}read_image", "", load,
        f'    image = read_image("image.png", {call})',
        f"    vector = encoder(torch.from_numpy(image){extra})[0]  # [{one.width}]",
    ]  # fmt: skip
