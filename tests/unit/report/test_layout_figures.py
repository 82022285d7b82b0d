"""Figures and pages draw samples of every layout as the layout draws them, without the steps that pad a batch."""

from __future__ import annotations

import base64
import io

import matplotlib.image
import numpy as np
import pytest

from sslbench.api import Modality, Target
from sslbench.data.table import Column, Prepared
from sslbench.report.figures.dataset_examples import draw_examples
from sslbench.report.figures.method_illustrations import draw_illustrations
from sslbench.report.figures.run_images import encode_rows, encode_samples
from tests.contract.test_contract import BOTH, run

SEQUENCE = Modality(layout="sequence", shape=(0, 2))
VECTOR = Modality(layout="vector", shape=(5,))


def table_of(modalities: dict[str, Modality], data: dict[str, Column], rows: int) -> Prepared:
    return Prepared(
        key="k", name="toys/part", modalities=modalities, target=Target(kind="class", names=("a", "b")),
        labels=np.arange(rows) % 2, columns={"id": np.arange(rows).astype(str)}, data=data, kept=np.arange(rows),
    )  # fmt: skip


@pytest.fixture
def table() -> Prepared:
    """Six ragged sequences, and a vector each."""
    rng = np.random.default_rng(0)
    flat, offsets = rng.normal(size=(40, 2)).astype(np.float32), np.array([0, 4, 12, 15, 24, 30, 40])
    vectors = rng.normal(size=(6, 5)).astype(np.float32)
    data = {"series": Column(values=flat, offsets=offsets), "table": Column(values=vectors)}
    return table_of({"series": SEQUENCE, "table": VECTOR}, data, 6)


def pixels(uri: str) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(base64.b64decode(uri.partition(",")[2])))[..., :3]


def test_examples_are_drawn_for_every_modality(table, tmp_path):
    paths = draw_examples(table, tmp_path)
    assert [path.name for path in paths] == ["examples-toys-part-series.png", "examples-toys-part-table.png"]
    for path in paths:
        assert (matplotlib.image.imread(path)[..., :3].min(2) < 0.9).sum() > 500


def test_samples_that_are_no_images_are_drawn_on_pages_without_padding(table):
    encoded = encode_rows(table, np.array([2, 1]))
    stored = table.read(np.array([2, 1]))
    assert stored["series.length"].tolist() == [3, 8]
    alone = encode_samples(stored["series"][:1, :3], SEQUENCE, [None])
    assert encoded[0] == alone[0]
    assert encoded[0] != encode_samples(stored["series"][:1], SEQUENCE, [None])[0]
    assert pixels(encoded[1]).shape == (128, 128, 3)
    assert (pixels(encoded[1]).min(2) < 0.9).sum() > 50
    assert encode_samples(stored["table"], VECTOR, [None, None])[0] != encoded[0]


def test_images_are_shown_as_images(table):
    modality = Modality(layout="image", shape=(1, 3, 3))
    data = {**table.data, "image": Column(values=np.full((6, 1, 3, 3), 7, np.uint8))}
    (uri,) = encode_rows(table_of({**table.modalities, "image": modality}, data, 6), np.array([0]))
    assert (np.round(255 * pixels(uri)) == 7).all()


@pytest.mark.parametrize("settings", [("toy-spectra", "backbone.name=toy-mean"), ("toy-pairs", *BOTH)])
def test_illustrations_of_a_method_are_drawn_for_every_layout(settings, tmp_path):
    dataset, *others = settings
    record = run(tmp_path, "toy-masks", dataset, "augmentation.name=toy-shift", *others, "train.epochs=1")
    figures = {path.stem for path in (tmp_path / record.run / "figures").glob("*.png")}
    names = {"toy-spectra": ["spectrum"], "toy-pairs": ["image", "profile"]}[dataset]
    assert {f"inputs-{name}" for name in names} <= figures
    examples = [f"examples-{dataset}" if len(names) == 1 else f"examples-{dataset}-{name}" for name in names]
    assert set(examples) <= figures
    assert not record.reason


def test_illustrations_leave_out_padding(tmp_path):
    values = np.random.default_rng(0).normal(size=(1, 6, 2)).astype(np.float32)
    cut, described = values.copy(), np.array('{"layout": "sequence"}')
    cut[:, 3:] = 1000
    drawn = []
    for name, arrays in (("whole", {"x": values[:, :3]}), ("cut", {"x": cut, "x.length": np.array([3])})):
        np.savez(tmp_path / f"illustration-{name}.npz", **arrays, **{".modality": described})
        drawn.append(draw_illustrations(tmp_path, tmp_path / "figures")[0].read_bytes())
        (tmp_path / f"illustration-{name}.npz").unlink()
    assert drawn[0] == drawn[1]
