"""A plugin's dataset with three official splits: each is a fold, in methods with and without training."""

from __future__ import annotations

import pandas as pd

from sslbench import load_results
from tests.installed_plugin import install_plugin

PLUGIN = '''
from dataclasses import dataclass

import numpy as np

from sslbench.api import Citation, DatasetCard, DatasetSpec, Modality, Target, hookimpl

CITATION = Citation(title="Folds", authors="They", year=2026, url="https://example.org")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldsConfig:
    """Settings."""


class Folds:
    """Two patterns in 60 images; a third of the images is the test set of each official split."""

    def __init__(self, config, source):
        self.labels = np.arange(60) % 2
        self.target = Target(kind="class", names=("bars", "columns"))
        self.modalities = {"image": Modality(layout="image", shape=(1, 16, 16))}
        self.columns = {"id": np.arange(60).astype(str)}
        for fold in range(3):
            self.columns[f"split.{fold}"] = np.where(np.arange(60) // 20 == fold, "test", "train")

    def read(self, row, rng):
        image = np.random.default_rng([1, row]).normal(40, 10, (1, 16, 16))
        image[(slice(None), slice(None, None, 4), slice(None))[: 2 + self.labels[row]]] += 80
        return {"image": np.clip(image, 0, 255).astype(np.uint8)}

    def fingerprint(self):
        return "folds"


@hookimpl
def sslbench_datasets():
    yield DatasetSpec(
        name="their-folds", version=1, summary="patterns", citation=CITATION, config=FoldsConfig, smoke=FoldsConfig(),
        build=Folds,
        card=DatasetCard(license="MIT", citation=CITATION, source="generated", obtain="it is generated", embedded=True),
    )
'''


def test_every_official_split_is_a_fold_with_its_own_training(cli, tmp_path):
    installed = install_plugin(tmp_path, "their_folds", PLUGIN)
    answer = cli(
        "run", "--method", "supervised,raw-features", "--dataset", "their-folds", "--backbone", "micro-cnn",
        "--augmentation", "digits", "--protocols", "knn", "--seeds", "0", "--baselines", "none", "folds=all", "train.epochs=1", "recipe=none",
        cwd=tmp_path, env=installed,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "official splits: 3, one per fold" in answer.stdout
    assert (
        "4 pretrainings" in answer.stdout
    )  # one for each fold of the method that learns from labels, and raw-features
    results = load_results(tmp_path / "runs")
    assert sorted(results.scores["fold"].dropna().unique()) == [0, 1, 2]
    for path in (tmp_path / "runs").glob("*/predictions.parquet"):
        predictions = pd.read_parquet(path)
        tested = predictions.groupby("fold")["id"].agg(lambda ids: sorted(int(one) // 20 for one in ids))
        assert tested.to_dict() == {fold: [fold] * 20 for fold in range(3)}
