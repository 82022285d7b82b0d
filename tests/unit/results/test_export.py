"""Exported encoders: the lines of every card run in a process that cannot import sslbench, and give the stored vectors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sslbench import environment
from sslbench.api.errors import RequestError
from sslbench.app.run import run_requests
from sslbench.catalog.discovery import PluginEntry, discover, installed_entries
from sslbench.catalog.facts import Origin
from sslbench.data.table import open_prepared
from sslbench.progress import NoDisplay
from sslbench.results.export import export_run
from sslbench.results.frames import read_record
from sslbench.results.record import encode
from tests.toys import data

TOYS = PluginEntry(origin=Origin(plugin="toys", distribution="toys", version="1"), load=lambda: data)
CATALOG = discover([*installed_entries(), TOYS], disabled=())
COMMON = {"seeds": [0], "baselines": "none", "protocols": ["knn"], "train.precision": "float32", "view.size": 32}
IMAGES = {
    "micro-cnn": {"backbone": {"name": "micro-cnn", "widths": [8, 8, 16, 16]}},
    "micro-vit": {"backbone": {"name": "micro-vit", "depth": 1, "width": 16, "heads": 2}},
    "timm": {"backbone": {"name": "test_vit"}},
    "torchvision": {"backbone": {"name": "torchvision-resnet18"}},
    "color": {
        "backbone": {"name": "micro-cnn", "widths": [8, 8, 16, 16]}, "data.channels": "color", "prepare.fit": "squash",
    },
    "deep": {"backbone": {"name": "micro-cnn", "widths": [8, 8, 16, 16]}},
    "bfloat16": {
        "backbone": {"name": "micro-cnn", "widths": [8, 8, 16, 16]}, "train.precision": "bfloat16", "prepare.fit": "crop",
        "prepare.background": "light",
    },
}  # fmt: skip
SERIES = {
    "profile-cnn": {"widths": [8, 8, 16, 16], "steps": 32},
    "profile-lstm": {"width": 8, "steps": 8},
    "profile-transformer": {"width": 16, "heads": 2, "depth": 1, "hidden": 16, "steps": 32},
}
APART = """
import os, sys
import numpy

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("sslbench"):
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Refuse())
try:
    import sslbench
except ImportError:
    pass
else:
    raise SystemExit("sslbench can be imported")
for folder in sys.argv[1:]:
    os.chdir(folder)
    sys.modules.pop("read_image", None)
    with open("lines.py") as file:
        names = {}
        exec(file.read(), names)
    assert isinstance(names["state"], dict) and names["state"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Images of many shapes in two classes: gray, color and palettes, and the same with 12 bits in 16."""
    root, rng = tmp_path_factory.mktemp("files") / "images", np.random.default_rng(0)
    for number in range(20):
        path = root / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = rng.integers(20, 90, 2)
        channels = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
        image = Image.fromarray(channels).resize((int(width), int(height)), Image.Resampling.BILINEAR)
        image.convert(("RGB", "L", "P")[number % 3]).save(path)
        deep = np.asarray(image.convert("L"), np.uint16) * 16 + number  # 12 bits in files of 16
        (root.parent / "deep" / path.parent.name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(deep).save(root.parent / "deep" / path.parent.name / path.name)
    return root.parent


@pytest.fixture(scope="module")
def exported(folder, tmp_path_factory) -> dict[str, tuple[Path, np.ndarray]]:
    """Every kind of encoder exported with its card: the export's folder, and the vector of one sample in the store."""
    out = tmp_path_factory.mktemp("export")
    found = {}
    for name, settings in IMAGES.items():
        root = folder / ("deep" if name == "deep" else "images")
        record = _run("image-folder", out / "runs", {"data.root": str(root), "data.channels": "gray", **settings})
        target = _exported(out, record, name)
        row, vector, identifier = _stored(out / "runs", record, "image")
        (target / "image.png").write_bytes((root / identifier).read_bytes())
        found[name] = (target, vector, row)
    for name, settings in SERIES.items():
        asked = {"backbones": {"profile": {"name": name, **settings}}, "prepare.samples": 40}
        record = _run("pulse-pairs/lab", out / "runs", asked)
        target = _exported(out, record, name)
        row, vector, _ = _stored(out / "runs", record, "profile")
        np.save(target / "profile.npy", row)
        found[name] = (target, vector, row)
    record = _run("toy-spectra", out / "runs", {"backbone": {"name": "vector-mlp", "width": 8}})
    target = _exported(out, record, "vector-mlp")
    row, vector, _ = _stored(out / "runs", record, "spectrum")
    np.save(target / "spectrum.npy", row)
    found["vector-mlp"] = (target, vector, row)
    for target, _, _ in found.values():
        card = (target / "card.md").read_text()
        (target / "lines.py").write_text(
            "\n".join(line[4:] for line in card.splitlines() if line.startswith("    ") or not line)
            + "\nnumpy = __import__('numpy')\nnumpy.save('vector.npy', vector.numpy())\n"
        )
    return found


def _run(dataset: str, out: Path, settings: dict):
    overrides = [f"{name}={json.dumps(value)}" for name, value in {**COMMON, **settings}.items()]
    lists = {"method": ["random-init"], "data": [dataset]}
    record = run_requests(lists, {}, overrides, None, out, CATALOG, NoDisplay()).records[0]
    assert record.status == "done", record.reason
    return record


def _exported(out: Path, record, name: str) -> Path:
    export_run(out / "runs" / record.run, out / name, None, CATALOG)
    return out / name / record.run


def _stored(out: Path, record, modality: str) -> tuple[np.ndarray, np.ndarray, str]:
    """The last sample as prepared, its vector in the store, and its id."""
    key = next(key for key in record.keys if key.startswith("extract/"))
    vectors = np.load(out / "stages" / key / f"{modality}.npy")
    data = record.evaluated_on[0]
    table = open_prepared(environment.places().data / "prepared" / data["prepared"], data["part"])
    row = np.array([len(table) - 1])
    stored = table.read(row)
    sample = stored[modality][0]
    if f"{modality}.length" in stored:
        sample = sample[: int(stored[f"{modality}.length"][0])]
    return sample, vectors[-1], str(table.columns["id"][-1])


def test_the_lines_of_every_card_give_the_stored_vectors_without_sslbench(exported):
    folders = [str(target) for target, _, _ in exported.values()]
    answer = subprocess.run(
        [sys.executable, "-c", APART, *folders], capture_output=True, text=True, env={"HOME": folders[0]}, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert len(exported) > 1
    for name, (target, vector, _) in exported.items():
        found = np.load(target / "vector.npy")
        assert found.shape == vector.shape, name
        tolerance = 2e-2 if name == "bfloat16" else 1e-5
        np.testing.assert_allclose(found, vector, rtol=tolerance, atol=tolerance, err_msg=name)
        assert np.ptp(vector) > 100 * tolerance * (name != "bfloat16"), name


def test_a_card_states_size_channels_resizing_normalization_and_width(exported):
    target, vector, row = exported["color"]
    card = (target / "card.md").read_text()
    assert f"- input: 3 channels, {row.shape[1]} x {row.shape[2]} pixels" in card
    assert "- resizing, in the program: to 32 x 32" in card
    assert f"- width of the vector: {len(vector)}" in card
    assert re.search(r"- normalization, in the program: minus \[0\.\d+, 0\.\d+, 0\.\d+\], divided by \[0\.\d+", card)


def test_an_export_that_cannot_be_made_is_an_error(exported, tmp_path):
    source = next((exported["micro-cnn"][0].parents[1] / "runs").glob("random-init-micro-cnn-images-*"))
    record = read_record(source / "record.json")
    for change, sentence in (
        ({"version": 99}, "backbone micro-cnn: version 1 is installed, but the run used version 99"),
        ({"settings": {"blocks": 1, "widths": [4, 4, 4, 4]}}, "backbone micro-cnn: is not the network of the run"),
    ):
        changed = {**record.backbones["image"], **change}
        run = tmp_path / "run"
        run.mkdir(exist_ok=True)
        for file in source.glob("encoder-*"):
            (run / file.name).write_bytes(file.read_bytes())
        tree = json.loads(encode(record))
        tree["backbones"]["image"] = changed
        (run / "record.json").write_text(json.dumps(tree))
        with pytest.raises(RequestError, match=re.escape(sentence)):
            export_run(run, tmp_path / "to", None, CATALOG)
