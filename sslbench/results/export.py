"""Write a run's encoders as plain safetensors with a card: each loads in torch without sslbench."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from sslbench.api.errors import RequestError
from sslbench.results.frames import read_record
from sslbench.results.write import card


def export_run(run: Path, to: Path, seed: int | None) -> list[Path]:
    """Write one file per encoder of one seed, and the card; raises RequestError when there is no such run or seed."""
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
    to.mkdir(parents=True, exist_ok=True)
    written = []
    for modality, prefix in prefixes.items():
        encoder = {k.removeprefix(prefix): v.contiguous() for k, v in state.items() if k.startswith(prefix)}
        backbone = record.backbones.get(modality, {}).get("name", "own")
        path = to / f"{modality}-{backbone}-seed{seed}.safetensors"
        facts = {"backbone": str(backbone), "run": record.run, "modality": modality}
        save_file(encoder, path, metadata=facts)
        written.append(path)
    if not written:
        raise RequestError([f"{record.run}: its method has no encoder with weights to export"])
    (to / "card.md").write_text(card(record))
    return [*written, to / "card.md"]
