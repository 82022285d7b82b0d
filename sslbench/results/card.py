"""Write the model card of a run."""

from __future__ import annotations

from sslbench.results.record import Record


def make_card(record: Record) -> str:
    """Write the model card: the encoder, its pretraining data, and its input."""
    backbone = ", ".join(f"{m}: {b['name']}" for m, b in record.backbones.items()) or "the method's own"
    learned = ", ".join(dict.fromkeys(str(t["samples"]) for t in record.training if "samples" in t)) or "no"
    data = f"{learned} samples of " + ", ".join(f"{d['part']} ({d.get('samples', '?')})" for d in record.pretrained_on)
    lines = [
        f"# {record.run}",
        "",
        f"- method: {record.method['name']} (version {record.method['version']}, {record.method['from']})",
        f"- backbone: {backbone}",
        f"- pretrained on: {data}; pool: {record.pool}",
        f"- recipe: {record.recipe}; seeds: {', '.join(map(str, record.seeds))}",
        *input_lines(record),
        *(["- views: identical, nothing is augmented"] if record.method.get("identical_views") else []),
        f"- labels used in pretraining: {'yes' if record.method['uses_labels'] else 'no'}",
        f"- status: {record.status} {record.reason}".rstrip(),
    ]
    return "\n".join(lines) + "\n"


def input_lines(record: Record) -> list[str]:
    """Describe the input of each encoder: size, statistics and pooling.

    One line per modality, and more if trainings differ.
    """
    lines: dict[str, None] = {}
    for training in record.training:
        for modality, encoder in training.get("encoders", {}).items():
            mean, std = (", ".join(f"{value:g}" for value in encoder[name]) for name in ("mean", "std"))
            size = " x ".join(str(side or "any") for side in encoder["size"])
            pooling = f"; pooling {encoder['pooling']}" if encoder["pooling"] else ""
            lines[f"- input {modality}: {size}, normalized with mean {mean} and deviation {std}{pooling}"] = None
    return list(lines)
