"""A plugin brings its own layout, or images of floats, and both go through a run without a line of the core."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SPECS = '''
from dataclasses import dataclass
from sslbench.api import (ANY_LAYOUT, BackboneSpec, Citation, DatasetCard, DatasetSpec, LayoutSpec, Modality, hookimpl, setting)

CITATION = Citation(title="t", authors="a", year=2026, url="https://example.org")
KNOWN = dict(version=1, summary="a toy", citation=CITATION)
CARD = DatasetCard(license="MIT", citation=CITATION, source="generated", obtain="it is generated", embedded=True)

@dataclass(frozen=True, kw_only=True)
class None_:
    """No settings."""

def modality(name):
    return {
        "toy-volumes": Modality(layout="volume", shape=(2, 0, 0, 0), range=(-4.0, 4.0)),
        "toy-points": Modality(layout="points", shape=(0, 3)),
        "toy-spectral": Modality(layout="image", shape=(5, 16, 16), dtype="float32", shown=(4, 2, 0)),
        "toy-deep": Modality(layout="image", shape=(2, 0, 0), dtype="uint16"),
        "toy-photos": Modality(layout="photo", shape=(3, 8, 8)),
        "toy-flat": Modality(layout="image", shape=(3, 8)),
    }[name]

@hookimpl
def sslbench_layouts():
    yield LayoutSpec(name="volume", **KNOWN, build="toy_layouts.code:Volume", axes=("channels", "planes", "rows", "columns"),
                     channel_axis=0, example=(2, 12, 12, 12), has_size=True, has_image=True)
    yield LayoutSpec(name="points", **KNOWN, build="toy_layouts.code:Points", axes=("points", "coordinates"), channel_axis=1,
                     example=(20, 3), has_length=True)

@hookimpl
def sslbench_datasets():
    for name in ("toy-volumes", "toy-points", "toy-spectral", "toy-deep", "toy-photos", "toy-flat"):
        yield DatasetSpec(name=name, **KNOWN, config=None_, smoke=None_(), build=f"toy_layouts.code:{name[4:].title()}Data",
                          card=CARD)

@hookimpl
def sslbench_backbones():
    yield BackboneSpec(name="toy-mean", **KNOWN, config=None_, smoke=None_(), build="toy_layouts.code:Mean",
                       layouts=ANY_LAYOUT, provides=lambda config: frozenset({"any-size"}))
'''
CODE = '''
import numpy as np
import torch
from torch import nn
from sslbench.api import Layout, Target, scale_to_range
from sslbench.api.modules import Backbone
from toy_layouts.specs import modality

class Volume(Layout):
    def fit(self, value, stored, options):
        if value.shape == stored.shape:
            return value
        return nn.functional.interpolate(torch.from_numpy(value)[None], stored.shape[1:], mode="area")[0].numpy()

    def resize(self, x, sides, aspect):
        return nn.functional.interpolate(x, sides, mode="area")

    def to_image(self, values, modality):
        return scale_to_range(values[0, values.shape[1] // 2], modality.shown_range, (0, 1))

class Points(Layout):
    def draw(self, axes, values, modality, length=None):
        axes.scatter(values[:length, 0], values[:length, 1])

class Data:
    """Three classes that differ in their mean; sides of 0 are drawn for every sample."""
    name = ""
    rows = 48

    def __init__(self, config, source):
        self.modalities = {"sample": modality(self.name)}
        self.target = Target(kind="class", names=("a", "b", "c"))
        self.labels = np.arange(self.rows) % 3
        self.columns = {"id": self.labels.astype(str) if not self.rows else np.arange(self.rows).astype(str)}

    def fingerprint(self):
        return self.name

    def shape(self, own):
        return tuple(side or int(own.integers(8, 13)) for side in self.modalities["sample"].shape)

    def read(self, row, rng):
        own = np.random.default_rng([5, row])
        values = own.normal(size=self.shape(own)) + 3 * self.labels[row]
        return {"sample": self.convert(values)}

    def convert(self, values):
        return values.astype(np.float32)

class VolumesData(Data):
    name = "toy-volumes"

class PointsData(Data):
    name = "toy-points"

class SpectralData(Data):
    name = "toy-spectral"

    def convert(self, values):
        return (250 + 20 * values).astype(np.float32)

class DeepData(Data):
    name = "toy-deep"

    def convert(self, values):
        return np.clip(4000 + 1000 * values, 0, 65535).astype(np.uint16)

class PhotosData(Data):
    name = "toy-photos"

class FlatData(Data):
    name = "toy-flat"

class Mean(Backbone):
    width = 8

    def __init__(self, config, modality):
        super().__init__(modality)
        self.axis = modality.spec.channel_axis + 1
        self.linear = nn.Linear(modality.channels, self.width)

    def forward(self, x, length=None):
        places = self.normalize(x).movedim(self.axis, -1)
        if length is None:
            return self.linear(places.reshape(len(x), -1, places.shape[-1]).mean(1))
        inside = (torch.arange(places.shape[1], device=x.device) < length.unsqueeze(1)).unsqueeze(-1)
        return self.linear((places * inside).sum(1) / length.unsqueeze(1))
'''


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """Write a package with an entry point, and return the environment in which it is installed."""
    root = tmp_path_factory.mktemp("plugin")
    package = root / "toy_layouts"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "specs.py").write_text(SPECS)
    (package / "code.py").write_text(CODE)
    facts = root / "toy_layouts-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-layouts\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[sslbench]\ntoy-layouts = toy_layouts.specs\n")
    return {"PYTHONPATH": str(root)}


def run(cli, plugin, out, *args):
    done = cli("run", "--recipe", "none", "--seeds", "0", "--protocols", "knn", "--out", str(out), *args, env=plugin)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def scores(out):
    """Return the accuracy of k-NN by method."""
    import sslbench

    table = sslbench.load_results(out).scores
    return dict(table[table.metric == "micro_accuracy"].groupby("method").value.mean())


@pytest.mark.parametrize("dataset", [pytest.param("toy-volumes", marks=pytest.mark.slow), "toy-points"])
def test_a_layout_of_a_plugin_goes_through_a_run(dataset, cli, plugin, tmp_path):
    run(cli, plugin, tmp_path, "--method", "random-init", "--dataset", dataset, "--backbone", "toy-mean", "view.size=6")
    found = scores(tmp_path)
    assert found["random-init"] > 0.9
    assert found["raw-features"] > 0.5
    drawn = {path.stem for path in tmp_path.rglob("*.png")}
    assert ("examples-toy-volumes" in drawn) == (dataset == "toy-volumes")
    if dataset == "toy-volumes":
        (page,) = {path for path in tmp_path.rglob("index.html") if path.parent.name.startswith("random-init")}
        assert "Encoder input: sample of toy-volumes, 2 x 6 x 6 x 6" in page.read_text()
        exported = cli("export", page.parent.name, "--out", str(tmp_path), "--to", str(tmp_path / "export"), env=plugin)
        assert exported.returncode == 0, exported.stderr
        card = (tmp_path / "export" / page.parent.name / "card.md").read_text()
        assert "an array float32 of channels x planes x rows x columns: 2 x 12 x 12 x 12" in card


def test_images_of_floats_are_learned_from(cli, plugin, tmp_path):
    settings = ("--baselines", "none", "train.epochs=1", "train.batch_size=16")
    request = ("--method", "simclr", "--dataset", "toy-spectral", "--backbone", "resnet18")
    run(cli, plugin, tmp_path, *request, "--augmentation", "crop-flip", *settings)
    found = scores(tmp_path)
    assert found["simclr"] > 0.5
    assert {"examples-toy-spectral", "seen"} <= {path.stem for path in tmp_path.rglob("*.png")}
    refused = cli(
        "run", *request, "--recipe", "none", "--augmentation", "simclr", "prepare.background=dark", "--out", str(tmp_path),
        env=plugin,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "changes images in [0, 1], but 'sample' holds floats of another or an unknown range" in refused.stderr
    assert (
        "prepare.background=dark: inverts images within their range, which 'sample' of toy-spectral" in refused.stderr
    )


def test_images_of_16_bits_of_mixed_size_fill_a_canvas(cli, plugin, tmp_path):
    settings = ("--baselines", "none", "prepare.background=dark", "view.size=8")
    run(cli, plugin, tmp_path, "--method", "random-init", "--dataset", "toy-deep", "--backbone", "toy-mean", *settings)
    assert scores(tmp_path)["random-init"] > 0.8


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("toy-photos", "toy-photos: modality 'sample' has an unknown layout: layout 'photo' is not installed"),
        (
            "toy-flat",
            "toy-flat: modality 'sample' has shape (3, 8), but layout 'image' has 3 axes: channels, height, width",
        ),
    ],
)
def test_a_modality_that_no_layout_fits_is_refused_in_one_line(dataset, said, cli, plugin, tmp_path):
    done = cli("run", "--method", "random-init", "--dataset", dataset, "--out", str(tmp_path), env=plugin)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_kit_checks_layouts_of_plugins(cli, plugin):
    listed = cli("list", "layouts", env=plugin)
    assert "volume    a toy  [toy-layouts 1]" in listed.stdout
    shown = cli("show", "layout", "volume", env=plugin)
    assert "axes: channels, planes, rows, columns" in shown.stdout
    for name in ("layout/volume", "layout/points", "backbone/toy-mean"):
        checked = cli("plugin", "check", name, env=plugin)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "passed          prepares_samples" in checked.stdout or "backbone" in name


LOOK_UP = "from sslbench.api import Modality; print(Modality(layout={layout!r}, shape=(0, 3)).spec.axes)"


def look_up(layout: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Look up a layout in a process that has discovered nothing, as a loader's process does."""
    command = [sys.executable, "-c", LOOK_UP.format(layout=layout)]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_a_process_without_a_discovery_finds_layouts_of_plugins(plugin):
    found = look_up("points", plugin)
    assert found.stdout.strip() == "('points', 'coordinates')", found.stderr
    assert look_up("vector", plugin).returncode == 0


def test_a_process_without_a_discovery_leaves_out_disabled_plugins(plugin):
    found = look_up("points", {**plugin, "SSLBENCH_DISABLE": "toy-layouts"})
    assert found.returncode == 1
    assert "layout 'points' is not installed" in found.stderr
    assert "SSLBENCH_DISABLE=toy-layouts: these plugins are not used" in found.stderr
    assert look_up("vector", {**plugin, "SSLBENCH_DISABLE": "toy-layouts"}).returncode == 0


def test_a_process_without_a_discovery_names_a_plugin_that_fails(plugin, tmp_path):
    (tmp_path / "torn_layouts.py").write_text("raise ImportError('no such library')\n")
    facts = tmp_path / "torn_layouts-2.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: torn-layouts\nVersion: 2\n")
    (facts / "entry_points.txt").write_text("[sslbench]\ntorn = torn_layouts\n")
    environment = {"PYTHONPATH": f"{plugin['PYTHONPATH']}{os.pathsep}{tmp_path}"}
    found = look_up("tubes", environment)
    assert found.returncode == 1
    assert "layout 'tubes' is not installed" in found.stderr
    assert "plugin 'torn' (torn-layouts 2) at import: ImportError: no such library" in found.stderr
    assert look_up("points", environment).returncode == 0
