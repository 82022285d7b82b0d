"""Images are not enlarged without a request: the default view and canvas follow the images' own sizes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import sslbench
from sslbench.api import Modality
from sslbench.config import datasets
from sslbench.config.sizes import default_canvas, default_view, warn_of_enlarging
from sslbench.data.subset import Subset

SETTINGS = {"baselines": "none", "protocols": ["knn"], "threads": 1, "seeds": [0]}


def part(shape, sizes=None, rows=10):
    dataset = SimpleNamespace(
        modalities={"image": Modality(layout="image", shape=shape)}, labels=np.zeros(rows, np.int64)
    )
    if sizes is not None:
        dataset.sizes = np.array(sizes)
    return SimpleNamespace(dataset=dataset)


@pytest.mark.parametrize(
    ("of", "view", "canvas"),
    [
        ([part((1, 8, 8))], 8, 8),
        ([part((3, 224, 224))], 224, 224),
        ([part((1, 0, 0))], 64, 128),  # unknown
        ([part((1, 0, 0), [[28, 28]] * 3)], 28, 28),
        ([part((1, 0, 0), [[20, 27], [27, 10], [29, 30]])], 24, 30),  # a multiple of four
        ([part((1, 0, 0), [[20, 27], [0, 0], [27, 27]])], 24, 27),  # a file that cannot be read
        ([part((1, 0, 0), [[100, 200], [300, 90], [80, 40]])], 64, 128),
        ([part((1, 0, 0), [[300, 300]] * 3)], 64, 128),
        ([part((1, 0, 0), [[3, 3], [2, 2], [3, 1]])], 3, 3),
        ([part((1, 12, 30))], 28, 30),
        ([part((1, 8, 8)), part((1, 0, 0), [[40, 40]] * 30)], 40, 40),
    ],
)
def test_defaults_are_at_most_the_images_own_size(of, view, canvas):
    assert default_view(of) == view
    assert default_canvas(view, of) == canvas


def test_only_a_view_that_was_asked_for_and_enlarges_is_warned_of():
    of = [part((1, 0, 0), [[20, 28], [28, 28], [60, 10]])]
    assert list(warn_of_enlarging(0, of)) == []
    assert list(warn_of_enlarging(28, of)) == []
    [sentence] = warn_of_enlarging(64, of)
    assert sentence.startswith("view.size=64: enlarges images, whose longer side is 28 px")
    assert list(warn_of_enlarging(64, [part((1, 0, 0))])) == []


def test_fewer_samples_keep_their_sizes():
    whole = part((1, 0, 0), [[row + 1, row + 1] for row in range(10)]).dataset
    whole.columns, whole.target = {"id": np.arange(10).astype(np.str_)}, None
    fewer = Subset(whole, 3, "stratified")
    assert fewer.sizes.tolist() == [[row + 1, row + 1] for row in fewer.rows]


class Sized:
    """A dataset that states how large its images are."""

    def __init__(self, whole):
        self.whole = whole
        read = [whole.read(row, np.random.default_rng(0))["image"].shape[1:] for row in range(len(whole.labels))]
        self.sizes = np.array(read)

    def __getattr__(self, name):
        return getattr(self.whole, name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for number in range(40):
        path = tmp_path / "cells" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20 + number % 5, 28), dtype=np.uint8)).save(path)
    build = datasets._build
    monkeypatch.setattr(datasets, "_build", lambda *told, **more: Sized(build(*told, **more)))
    return tmp_path / "cells"


def test_small_images_are_prepared_and_shown_at_their_own_size(folder, tmp_path):
    settings = {**SETTINGS, "data.root": str(folder)}
    record = sslbench.run("raw-features", "image-folder", out=tmp_path / "runs", settings=settings).records[0]
    assert (record.settings["view"], record.settings["canvas"]) == (28, 28)
    assert record.status == "done"
    assert not any("enlarges" in sentence for sentence in record.warnings)


def test_a_larger_view_is_a_request_and_is_reported(folder, tmp_path):
    settings = {**SETTINGS, "data.root": str(folder), "view.size": 48}
    record = sslbench.run("raw-features", "image-folder", out=tmp_path / "runs", settings=settings).records[0]
    assert (record.settings["view"], record.settings["canvas"]) == (48, 28)
    assert record.status == "done"
    assert any(sentence.startswith("view.size=48: enlarges images") for sentence in record.warnings)
