"""Read the images of a run's page: misclassified test samples and encoder inputs."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as compute
import pyarrow.parquet as parquet
from numpy.typing import NDArray
from PIL import Image

from sslbench.analysis.tables.best_row import own_settings
from sslbench.api.values import Modality
from sslbench.data.table import Prepared, open_prepared
from sslbench.results.record import Record
from sslbench.results.store import PREDICTIONS, Store

MAX_MISCLASSIFIED, PER_CLASS = 48, 6
"""Maximum of misclassified images on a page, and per class."""
MAX_INPUTS = 8
"""Number of test images shown as encoder inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misclassified:
    """A misclassified test sample: its class, the class predicted most often, counts of predictions, and its image."""

    id: str
    label: str
    predicted: str
    wrong_predictions: int
    predictions: int
    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownInput:
    """Samples as one encoder receives them, without augmentation, and their size in pixels."""

    modality: str
    channels: int
    size: str
    images: Sequence[str]


def open_table(store: Store, record: Record, dataset: str) -> Prepared | None:
    """Open the prepared samples that a run was evaluated on; None if they are no longer on disk."""
    data = next(data for data in record.evaluated_on if data["part"] == dataset)
    folder = store.prepared / str(data.get("prepared", ""))
    return open_prepared(folder, dataset) if (folder / "meta.json").exists() else None


def find_misclassified(
    store: Store, record: Record, dataset: str, protocol: str, table: Prepared
) -> list[Misclassified]:
    """List misclassified test samples, the most frequently misclassified first; empty without images."""
    modality = next((name for name, what in table.modalities.items() if what.spec.has_image), None)
    path = store.run(record.run) / PREDICTIONS
    if modality is None or not path.exists():
        return []
    wanted = own_settings(record, dataset, protocol)
    columns = ["dataset", "protocol", "setting", "epoch", "id", "label", "predicted"]
    answers = parquet.read_table(path, columns=columns)
    answers = answers.filter(
        compute.and_(
            compute.and_(compute.equal(answers["dataset"], dataset), compute.equal(answers["protocol"], protocol)),
            compute.is_null(answers["epoch"]),
        )
    )
    predictions: Counter[str] = Counter()
    wrong: dict[str, Counter[int]] = {}
    labels: dict[str, int] = {}
    for row in answers.to_pylist():
        if row["setting"] not in wanted:
            continue
        predictions[row["id"]] += 1
        labels[row["id"]] = row["label"]
        if row["label"] != row["predicted"]:
            wrong.setdefault(row["id"], Counter())[row["predicted"]] += 1
    chosen = _choose(wrong, labels)
    places = {name: place for place, name in enumerate(table.columns["id"].tolist())}
    rows = np.array([places[name] for name in chosen if name in places], np.int64)
    images = encode_images(table.read(rows)[modality], table.modalities[modality]) if len(rows) else []
    names = table.target.names
    return [
        Misclassified(
            id=name, label=names[labels[name]], predicted=names[wrong[name].most_common(1)[0][0]],
            wrong_predictions=wrong[name].total(), predictions=predictions[name], image=image,
        )
        for name, image in zip([name for name in chosen if name in places], images, strict=True)
    ]  # fmt: skip


def _choose(wrong: Mapping[str, Counter[int]], labels: Mapping[str, int]) -> list[str]:
    """Choose the most frequently misclassified samples, at most PER_CLASS of each class."""
    kept: list[str] = []
    by_class: Counter[int] = Counter()
    for name in sorted(wrong, key=lambda name: (-wrong[name].total(), labels[name], name)):
        if by_class[labels[name]] < PER_CLASS:
            by_class[labels[name]] += 1
            kept.append(name)
    return kept[:MAX_MISCLASSIFIED]


def encoder_inputs(record: Record, table: Prepared) -> list[ShownInput]:
    """Return the unaugmented inputs of a run's encoders for a few samples, for every modality with images."""
    from sslbench.data.views import ViewMaker

    encoders: Mapping[str, Any] = next((one["encoders"] for one in record.training if one.get("encoders")), {})
    sizes = {
        name: tuple(map(int, facts["size"]))
        for name, facts in encoders.items()
        if name in table.modalities and table.modalities[name].spec.has_image and table.modalities[name].spec.has_size
    }
    if not sizes or not len(table):
        return []
    squashed = record.settings["prepare"]["fit"] == "squash"
    maker = ViewMaker(modalities=table.modalities, sizes=sizes, seed=0, squashed=squashed)
    rows = np.unique(np.linspace(0, len(table) - 1, MAX_INPUTS).astype(np.int64))
    view = maker.plain(maker.natural(table.read(rows)))
    return [
        ShownInput(
            modality=name, channels=table.modalities[name].channels, size=" x ".join(map(str, size)),
            images=encode_images(view[name].contiguous().numpy(), table.modalities[name]),
        )
        for name, size in sizes.items()
    ]  # fmt: skip


def encode_images(samples: NDArray[Any], modality: Modality) -> list[str]:
    """Encode the images of samples [n, *shape] as PNG data URIs."""
    return [_encode(modality.code.to_image(values, modality)) for values in samples]


def _encode(image: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG")
    return embed_png(buffer.getvalue())


def embed_png(content: bytes) -> str:
    """Encode a PNG as a data URI, so that a page is a single file."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def figure_uri(path: Path) -> str | None:
    """Return a figure of a run as a data URI; None if it was not drawn."""
    return embed_png(path.read_bytes()) if path.exists() else None
