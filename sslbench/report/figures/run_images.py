"""Read the images of a run's page: misclassified test samples and encoder inputs."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as compute
import pyarrow.parquet as parquet
from numpy.typing import NDArray
from PIL import Image

from sslbench.analysis.tables.best_row import own_settings
from sslbench.api.modality import match_encoders
from sslbench.api.values import Modality
from sslbench.data.table import Prepared, open_prepared
from sslbench.report.figures.style import DPI, choose_shown, pyplot, sample_grid
from sslbench.results.record import Record
from sslbench.results.store import PREDICTIONS, Store
from sslbench.results.varied import protocol_of

MAX_MISCLASSIFIED, PER_CLASS = 48, 6
"""Maximum of misclassified samples on a page, and per class."""
MAX_INPUTS = 8
"""Number of test samples shown as encoder inputs."""
CELL = 0.8
"""Side in inches of a sample that is no image: 8 rem on a page."""


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
    """Samples of a modality as its encoder receives them, without augmentation, and their shape, channels first."""

    modality: str
    shape: str
    images: Sequence[str]


def open_table(store: Store, record: Record, dataset: str) -> Prepared | None:
    """Open the prepared samples that a run was evaluated on; None if they are no longer on disk."""
    data = next(data for data in record.evaluated_on if data["part"] == dataset)
    folder = store.prepared / str(data.get("prepared", ""))
    return open_prepared(folder, dataset) if (folder / "meta.json").exists() else None


def find_misclassified(
    store: Store, record: Record, dataset: str, protocol: str, table: Prepared
) -> list[Misclassified]:
    """List misclassified test samples, the most frequently misclassified first."""
    path = store.run(record.run) / PREDICTIONS
    if not path.exists():
        return []
    wanted = own_settings(record, dataset, protocol)
    columns = ["dataset", "protocol", "setting", "epoch", "id", "label", "predicted"]
    answers = parquet.read_table(path, columns=columns)
    answers = answers.filter(
        compute.and_(
            compute.and_(
                compute.equal(answers["dataset"], dataset), compute.equal(answers["protocol"], protocol_of(protocol))
            ),
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
    images = encode_rows(table, rows) if len(rows) else []
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
    """Return the unaugmented inputs of a run's encoders for a few samples; a series is drawn whole."""
    from sslbench.data.views import ViewMaker

    encoders: Mapping[str, Any] = next((one["encoders"] for one in record.training if one.get("encoders")), {})
    matched = match_encoders(encoders, table.modalities)
    sizes = {
        name: tuple(map(int, encoders[name]["size"]))
        for name in matched if name in encoders and table.modalities[name].spec.has_size
    }  # fmt: skip
    if not matched or not len(table):
        return []
    squashed = record.settings["prepare"]["fit"] == "squash"
    maker = ViewMaker(modalities=table.modalities, sizes=sizes, seed=0, squashed=squashed)
    rows = np.unique(np.linspace(0, len(table) - 1, MAX_INPUTS).astype(np.int64))
    view = maker.plain(maker.natural(table.read(rows)))
    shapes = {
        name: (table.modalities[name].channels, *sizes.get(name, table.modalities[name].sides)) for name in matched
    }
    return [
        ShownInput(
            modality=name, shape=" x ".join(str(side or "any") for side in shape),
            images=encode_samples(
                view[name].contiguous().numpy(), table.modalities[name], view.get(f"{name}.length", [None] * len(rows))
            ),
        )
        for name, shape in shapes.items()
    ]  # fmt: skip


def encode_rows(table: Prepared, rows: NDArray[np.int64]) -> list[str]:
    """Encode rows of a table as PNG data URIs, in the modality that represents samples."""
    stored, name = table.read(rows), choose_shown(table.modalities)
    return encode_samples(stored[name], table.modalities[name], stored.get(f"{name}.length", [None] * len(rows)))


def encode_samples(samples: NDArray[Any], modality: Modality, lengths: Iterable[Any]) -> list[str]:
    """Encode samples [n, *shape] as PNG data URIs: as images, or as their layout draws them."""
    if modality.spec.has_image:
        return [_encode(modality.code.to_image(values, modality)) for values in samples]
    encoded = []
    figure, grid = sample_grid(1, 1, cell=CELL, gap=0)
    axes = grid[0, 0]
    for values, length in zip(samples, lengths, strict=True):
        axes.clear()
        axes.axis("off")
        modality.code.draw(axes, values, modality, None if length is None else int(length))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI)
        encoded.append(embed_png(buffer.getvalue()))
    pyplot().close(figure)
    return encoded


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
