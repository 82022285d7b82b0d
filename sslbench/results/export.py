"""Write a run's encoders as plain safetensors with a card: each loads in torch without sslbench."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sslbench.api.errors import RequestError
from sslbench.results.frames import read_record
from sslbench.results.write import card


def export_run(run: Path, to: Path, seed: int | None) -> list[Path]:
    """Write `to`/RUN: one file per encoder of one seed, and a card; raises RequestError without such a run or seed."""
    if not (run / "record.json").exists():
        raise RequestError([f"{run} is no run's folder: it holds no record.json; runs are listed by 'ls runs'"])
    record = read_record(run / "record.json")
    seed = record.seeds[0] if seed is None else seed
    files = sorted(run.glob(f"encoder-seed{seed}-fold*.safetensors"))
    if not files:
        raise RequestError([f"{run} has no encoder of seed {seed}; possible: {', '.join(map(str, record.seeds))}"])
    with safe_open(files[0], framework="pt") as opened:
        prefixes = json.loads((opened.metadata() or {}).get("encoders", "{}"))
    state = load_file(files[0])
    to = to / record.run
    to.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    normalised: dict[str, dict[str, str]] = {}
    for modality, prefix in prefixes.items():
        encoder = {k.removeprefix(prefix): v.contiguous() for k, v in state.items() if k.startswith(prefix)}
        backbone = record.backbones.get(modality, {}).get("name", "own")
        path = to / f"{modality}-{backbone}-seed{seed}.safetensors"
        outside = {name: state.get(f"{prefix.removesuffix('network.')}{name}") for name in ("mean", "std")}
        # the shortest decimals that are the same float32 again, for whoever loads the file
        taken = {n: str([float(str(v)) for v in t.flatten().numpy()]) for n, t in outside.items() if t is not None}
        save_file(encoder, path, metadata={"backbone": str(backbone), "run": record.run, "modality": modality, **taken})
        written.append(path)
        normalised[path.name] = taken
    if not written:
        raise RequestError([f"{record.run}: its method has no encoder with weights to export"])
    (to / "card.md").write_text(f"{card(record)}\n{loading(normalised)}")
    return [*written, to / "card.md"]


def loading(files: Mapping[str, Mapping[str, str]]) -> str:
    """How exported files are read again, in words and lines that run without sslbench, and what goes in."""
    lines = []
    for name, taken in files.items():
        less = f"  # less {taken['mean']}, divided by {taken['std']}" if taken else ""
        lines.append(f'    load_file("{name}"){less}')
    return "\n".join([
        "## Loading",
        "",
        "Each file holds one encoder's tensors under the names of its module; one that wraps a timm or torchvision model",
        "loads in that model. Pictures go in from 0 to 1, less the mean and divided by the deviation that stand beside it.",
        "",
        "    from safetensors.torch import load_file",
        "",
        *lines,
        "",
    ])  # fmt: skip
