"""Datasets of a plugin outside the repository: methods are trained on single steps and evaluated on series of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sslbench import load_results
from tests.installed_plugin import install_plugin

PLUGIN = '''
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sslbench.api import (
    ANY_LAYOUT, AugmentationSpec, Citation, DatasetCard, DatasetSpec, Modality, OperationSpec, OperationStep, Target,
    hookimpl, setting,
)

KNOWN = dict(version=1, summary="series", citation=Citation(title="S", authors="They", year=2026, url="https://example.org"))
CARD = DatasetCard(license="MIT", citation=KNOWN["citation"], source="s", obtain="it is generated", embedded=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesConfig:
    """Settings."""

    root: Path | None = setting(None, "Folder of the files; without one, series are generated.")


def read_file(path):
    """Return series [T, 12] and speakers of a file of the UEA archive."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] not in "@#"]
    dimensions = [line.split(":") for line in lines]
    series = [np.array([one.split(",") for one in found[:-1]], np.float32).T for found in dimensions]
    return series, [found[-1] for found in dimensions]


def generate_series(rows, split):
    rng = np.random.default_rng([3, rows])
    names = [("a", "b", "c")[row % 3] for row in range(rows)]
    series = [rng.normal("abc".index(name), 1.0, (int(rng.integers(2, 9)), 6)) for name in names]
    return [one.astype(np.float32) for one in series], names


class Recordings:
    """Series with the time of every step, in two modalities for pairs, and a split."""

    def __init__(self, config, source):
        self.read_all(source)
        self.columns = {"id": np.arange(len(self.names)).astype(str), "split": np.array(self.splits)}
        self.describe_samples()
        found = sorted(set(self.names))
        self.target = Target(kind="class", names=tuple(found))
        self.labels = np.array([found.index(name) for name in self.names])

    def read_all(self, source):
        if source.root is None:
            parts = {"train": generate_series(60, "train"), "test": generate_series(30, "test")}
        else:
            parts = {s: read_file(source.root / f"JapaneseVowels_{s.upper()}.ts") for s in ("train", "test")}
        self.series = [one for series, _ in parts.values() for one in series]
        self.names = [name for _, names in parts.values() for name in names]
        self.splits = [split for split, (series, _) in parts.items() for _ in series]

    def describe_samples(self):
        width = self.series[0].shape[1]
        self.modalities = {
            "utterance": Modality(layout="sequence", shape=(0, width), sequence_of="frame", facts=("time",)),
        }

    def read(self, row, rng):
        return {"utterance": self.series[row], "utterance.time": 0.01 * np.arange(len(self.series[row]))}

    def fingerprint(self):
        return f"{type(self).__name__}-{len(self.names)}"


class Frames(Recordings):
    """The single steps of the training series."""

    def describe_samples(self):
        kept = [row for row, split in enumerate(self.splits) if split == "train"]
        self.names = [self.names[row] for row in kept for _ in self.series[row]]
        self.series = [step for row in kept for step in self.series[row]]
        self.columns = {"id": np.arange(len(self.names)).astype(str)}
        self.modalities = {"frame": Modality(layout="vector", shape=self.series[0].shape)}

    def read(self, row, rng):
        return {"frame": self.series[row]}


class PairedRecordings(Recordings):
    def describe_samples(self):
        self.modalities = {
            f"{one}-series": Modality(layout="sequence", shape=(0, 3), sequence_of=one) for one in ("left", "right")
        }

    def read(self, row, rng):
        left, right = np.split(self.series[row], 2, axis=1)
        return {"left-series": left, "right-series": right[1:] if len(right) > 2 else right}


class PairedFrames(Frames):
    def describe_samples(self):
        super().describe_samples()
        self.modalities = {one: Modality(layout="vector", shape=(3,)) for one in ("left", "right")}

    def read(self, row, rng):
        return dict(zip(("left", "right"), np.split(self.series[row], 2)))


def open_vowels(config, source):
    return {"steps": Frames, "series": Recordings}[source.part](config, source)


def open_pairs(config, source):
    return {"steps": PairedFrames, "series": PairedRecordings}[source.part](config, source)


def parts(config):
    return ("steps", "series")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseConfig:
    """Settings."""

    amount: float = setting(0.2, "Standard deviation.")


def add_noise(config, parts):
    def change(view, draws):
        noisy = {n: view[n] + config.amount * draws.normal(n, *view[n].shape[1:]) for n in parts.modalities if n in view}
        return {**view, **noisy}

    return change


@hookimpl
def sslbench_datasets():
    for name, build in (("their-vowels", open_vowels), ("their-pairs", open_pairs)):
        yield DatasetSpec(name=name, **KNOWN, config=SeriesConfig, smoke=SeriesConfig(), build=build, card=CARD, parts=parts,
                          label_preserving="their-noise")


@hookimpl
def sslbench_operations():
    yield OperationSpec(name="their-shift", **KNOWN, config=NoiseConfig, smoke=NoiseConfig(), build=add_noise,
                        layouts=ANY_LAYOUT)


@hookimpl
def sslbench_augmentations():
    yield AugmentationSpec(name="their-noise", **KNOWN, operations={"shift": OperationStep(operation="their-shift")})
'''
SHORT = (
    "train.batch_size=128", "protocol_settings.finetune.min_steps=12", "protocol_settings.finetune.epochs=1",
    "protocol_settings.linear.epochs=3", "protocol_settings.linear.min_steps=60", "protocol_settings.clustering.seeds=1",
    "protocol_settings.clustering.permutations=2", "seeds=[0]", "recipe=none",
)  # fmt: skip


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    return install_plugin(tmp_path_factory.mktemp("installed"), "their_series", PLUGIN)


def run(cli, plugin, out, method, dataset, *args):
    done = cli(
        "run", "--method", method, "--dataset", f"{dataset}/series", f"pretrain.pool={dataset}/steps", "--augmentation",
        "their-noise", "--out", str(out), *SHORT, *args, env=plugin,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    results = load_results(out)
    assert {record.status for record in results.records} == {"done"}
    return results.scores, done


def value(scores, protocol, metric="micro_accuracy"):
    chosen = scores[(scores.protocol == protocol) & (scores.metric == metric) & (scores.chosen_on != "query")]
    return chosen.value.mean()


def test_simclr_is_trained_on_steps_and_evaluated_on_series_of_real_recordings(cli, plugin, shared, tmp_path):
    scores, _ = run(
        cli, plugin, tmp_path, "simclr", "their-vowels", "--backbone", "vector-mlp", "--baselines", "none",
        f"data.root={shared / 'japanese_vowels'}", "train.epochs=2", "--protocols", "knn,linear,finetune,clustering",
    )  # fmt: skip
    assert set(scores.dataset) == {"their-vowels/series"}
    assert value(scores, "knn") > 0.7  # 9 speakers
    assert value(scores, "linear") > 0.7
    assert value(scores, "finetune") > 0.4
    assert value(scores, "clustering", "ami_max") > 0.2
    (folder,) = (path.parent for path in tmp_path.glob("stages/extract/*/utterance.npy"))
    lengths = np.array(json.loads((folder / "lengths.json").read_text())["utterance"])
    features, projected = (np.load(folder / f"utterance{space}.npy") for space in ("", ".projector"))
    assert features.shape == (640, 29, 128)
    assert projected.shape == (640, 29, 128)
    padding = np.arange(29) >= lengths[:, None]
    assert not features[padding].any()
    assert features[~padding].any(1).all()
    figures = {path.stem for path in tmp_path.glob("*/figures/*.png")}
    assert {"examples-their-vowels-series", "examples-their-vowels-steps", "exemplars-9-their-vowels-series"} <= figures
    (page,) = tmp_path.glob("*/index.html")
    assert "Encoder input: utterance of their-vowels/series, 12 x any" in page.read_text()
    assert page.read_text().count('<img src="data:image/png') > 8


@pytest.mark.slow
def test_every_default_protocol_takes_generated_series(cli, plugin, tmp_path):
    scores, done = run(
        cli, plugin, tmp_path, "vicreg", "their-vowels", "--backbone", "vector-mlp", "train.epochs=1", "--baselines",
        "random-init,raw-features",
    )  # fmt: skip
    assert {"vicreg", "random-init", "raw-features"} == set(scores.method), done.stdout
    for method in ("vicreg", "random-init", "raw-features"):
        own = scores[scores.method == method]
        assert {"knn", "linear", "clustering", "diagnostics"} <= set(own.protocol)
        assert ("finetune" in set(own.protocol)) == (method != "raw-features")
        assert value(own, "knn") > 0.6


def test_pairs_of_steps_are_learned_and_pairs_of_series_compared(cli, plugin, tmp_path):
    scores, _ = run(
        cli, plugin, tmp_path, "clip-pairs", "their-pairs", "backbones.left.name=vector-mlp", "--baselines", "none",
        "backbones.right.name=vector-mlp", "train.epochs=1", "--protocols", "knn,finetune,matching,gallery",
        "protocol_settings.knn.space=joint", "protocol_settings.matching.space=joint",
    )  # fmt: skip
    assert value(scores, "knn") > 0.6
    assert {"knn", "finetune", "matching"} <= set(scores.protocol)
    (folder,) = (path.parent for path in tmp_path.glob("stages/extract/*/left-series.npy"))
    assert {path.stem for path in folder.glob("*.npy")} == {
        "left-series", "left-series.joint", "right-series", "right-series.joint",
    }  # fmt: skip
    assert np.load(folder / "left-series.joint.npy").ndim == 3
