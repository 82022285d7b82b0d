"""Test `sslbench class-effects`: how an axis of a study changes the score of every class."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

import sslbench
from tests.conftest import TINY

STUDY = {
    "name": "hidden",
    "base": {**TINY, "train.epochs": 1, "seeds": [0, 1], "data": "digits", "threads": 1, "protocols": ["knn", "linear"], "baselines": "none"},
    "class_effects": [{"axis": "method.mask", "protocol": "knn", "metric": "f1"}],
    "axes": {"method.mask": [0.25, 0.5, 0.75], "kind": {"a": {"method": "mae"}}},
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cli) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("class-effects")
    (folder / "hidden.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    answer = cli("study", "run", str(folder / "hidden.yaml"), "--out", str(folder / "runs"))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder / "hidden.yaml", folder / "runs"


def test_every_class_has_its_answer(finished, cli):
    file, out = finished
    answer = cli(
        "class-effects",
        str(file),
        "--axis",
        "method.mask",
        "--protocol",
        "knn",
        "--out",
        str(out),
        env={"COLUMNS": "200"},
    )
    assert answer.returncode == 0, answer.stderr
    folder = out / "studies/hidden/class-effects/method.mask-knn-recall"
    found = pd.read_csv(folder / "responses.csv")
    assert sorted(found["class"]) == list(range(10))
    assert set(found["settings"]) == {3}
    assert set(found["seeds"]) == {2}
    assert "by means and ranks, p is at least 0.33 for 3 settings, so no trend can be significant" in answer.stdout
    overall = pd.read_csv(folder / "overall.csv").iloc[0]
    assert found["mean"].mean() == pytest.approx(overall["mean"], abs=0.02)  # classes of digits are of one size
    pairs = pd.read_csv(folder / "mistaken.csv")
    assert pairs["class"].str.fullmatch(r"\d as \d").all()
    assert (pairs["highest"] >= 0.02).all()
    missed = pairs.assign(of=pairs["class"].str[0].astype(int)).groupby("of")["mean"].sum()
    recall = found.set_index("class")["mean"]
    assert (missed <= 1 - recall[missed.index] + 1e-9).all()
    assert missed.sum() > 0.5 * (1 - recall).sum()  # rare confusions are left out, and only those
    assert "Pairs whose confusion falls and rises most" in answer.stdout
    cells = sslbench.load_results(out).confusions
    whole = cells.groupby(["run", "protocol", "seed", "fold", "setting", "class"])["share"].sum()
    assert whole.to_numpy() == pytest.approx(1)
    counts = pd.read_csv(folder / "trends.csv")
    assert (counts[["ascending", "descending", "none"]].sum(axis=1) == 10).all()
    assert "Overall accuracy and its classes over method.mask (knn)" in answer.stdout
    for name in ("curves", "trends"):
        for ending in ("png", "svg"):
            assert (folder / f"{name}.{ending}").stat().st_size > 5000


def test_datasets_are_judged_like_classes_and_protocols_are_compared(finished, cli):
    file, out = finished
    options = ["--protocol", "knn", "--by", "dataset", "--compare-protocol", "linear", "--out", str(out)]
    answer = cli("class-effects", str(file), "--axis", "method.mask", *options, env={"COLUMNS": "200"})
    assert answer.returncode == 0, answer.stderr
    folder = out / "studies/hidden/class-effects/method.mask-knn-micro_accuracy"
    found, overall = pd.read_csv(folder / "responses.csv"), pd.read_csv(folder / "overall.csv")
    assert found["class"].tolist() == ["digits"]
    assert found["mean"].item() == pytest.approx(overall["mean"].item())
    agreed = pd.read_csv(folder / "agreement.csv")
    assert agreed["classes"].item() == 1
    assert {"falling by knn", "falling by linear", "same trend"} <= set(agreed.columns)
    assert "Trends by knn and by linear" in answer.stdout
    power = pd.read_csv(folder / "power.csv")
    assert power["settings"].unique().tolist() == [3, 6, 10, 20]
    assert (power["seeds"] == 2).all()
    assert power["power"].between(0, 1).all()


def test_a_study_may_ask_for_it(finished):
    _, out = finished
    folder = out / "studies/hidden"
    assert len(pd.read_csv(folder / "class-effects/method.mask-knn-f1/responses.csv")) == 10
    page = (folder / "index.html").read_text()
    assert "class-effects/method.mask-knn-f1/curves.svg" in page
    assert "Overall accuracy and its classes over method.mask (knn)" in page


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--axis", "method.msk"], "'hidden' has no such axis. Did you mean 'method.mask'?"),
        (
            ["--axis", "method.mask", "--by", "dataset", "--metric", "f1"],
            "class-effects.metric=f1: by=dataset tests the overall score of each dataset. Remove metric",
        ),
        (
            ["--axis", "kind", "--reference", "c"],
            "class_effects: reference=c: axis kind has no such value",
        ),
        (
            ["--axis", "kind", "--metric", "f1"],
            "class_effects: metric=f1: the recalls of names are compared. Remove metric",
        ),
        (
            ["--axis", "kind"],
            "class_effects: axis kind, protocol knn: no finished run of 'a' and of another value predicted the same",
        ),
        (
            ["--axis", "method.mask", "--reference", "0.5"],
            "class_effects: reference=0.5: axis method.mask has numbers, whose trend is tested. Remove it",
        ),
        (
            ["--axis", "method.mask", "--protocol", "finetune"],
            "class_effects: protocol finetune: no finished run was evaluated with it. Evaluated: knn, linear",
        ),
        (
            ["--axis", "method.mask", "--metric", "recal"],
            "class-effects.metric=recal: must be one of",
        ),
    ],
)
def test_what_cannot_be_judged_is_an_error_of_one_line(finished, cli, options, sentence):
    file, out = finished
    answer = cli("class-effects", str(file), "--out", str(out), "--protocol", "knn", *options)
    assert answer.returncode == 2
    assert sentence in answer.stderr, answer.stderr
    assert "Traceback" not in answer.stderr


NAMES = {
    "name": "names",
    "base": {**TINY, "train.epochs": 1, "seeds": [0, 1], "data": "digits", "threads": 1, "protocols": ["knn"], "baselines": "none"},
    "class_effects": [{"axis": "arm", "protocol": "knn", "reference": "untrained"}],
    "axes": {
        "arm": {"trained": {"method": "mae"}, "untrained": {"method": "random-init", "backbone": "micro-vit"}, "pixels": {"method": "raw-features"},
                "other-split": {"method": "raw-features", "splits.folds": 4}},
        "splits.label_fractions": {"few": {"splits.label_fractions": [0.2]}, "all": {"splits.label_fractions": [1.0]}},
    },
}  # fmt: skip


def test_names_are_compared_class_by_class_on_the_same_samples(tmp_path, cli):
    """The differences are those of the recalls of the records, for every arm and fraction of labels."""
    (tmp_path / "names.yaml").write_text(yaml.safe_dump(NAMES, sort_keys=False))
    answer = cli("study", "run", str(tmp_path / "names.yaml"), "--out", str(tmp_path / "runs"))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    folder = tmp_path / "runs/studies/names/class-effects/arm-knn-recall-to-untrained"
    found = pd.read_csv(folder / "differences.csv")
    assert found.columns[:2].tolist() == ["splits.label_fractions", "arm"]
    assert len(found) == 2 * 2 * 10
    assert found["p_holm"].between(0, 1).all()
    results = sslbench.load_results(tmp_path / "runs")
    paired = [record.run for record in results.records if record.settings["splits"]["folds"] == 5]
    classes = results.classes[results.classes["run"].isin(paired)]
    classes = classes.assign(few=classes["setting"].str.contains("0.2"))
    recalls = classes.groupby(["method", "few", "name"])["recall"].mean()
    methods = {"trained": "mae", "pixels": "raw-features"}
    for row in found.to_dict("records"):
        place = (row["splits.label_fractions"] == "few", str(row["class"]))
        assert row["recall"] == pytest.approx(recalls[methods[row["arm"]], *place])
        assert row["reference_recall"] == pytest.approx(recalls["random-init", *place])
        assert row["difference"] == pytest.approx(row["recall"] - row["reference_recall"])
    overall = pd.read_csv(folder / "overall.csv")
    assert (overall["better"] > 0).any()  # pixels of digits score far above an untrained encoder
    page = (tmp_path / "runs/studies/names/index.html").read_text()
    assert "class-effects/arm-knn-recall-to-untrained/differences.svg" in page
    assert "arm: differences to untrained (knn)" in page
    assert "left out: 2 result(s) for which untrained has not the same test samples" in page
