"""`sslbench bias` as a user meets it: a study over numbers, and what each class does along them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from .conftest import TINY

STUDY = {
    "name": "hidden",
    "base": {**TINY, "train.epochs": 1, "seeds": [0, 1], "data": "digits", "threads": 1, "measure": ["knn"], "baselines": "none"},
    "bias": [{"axis": "method.mask", "protocol": "knn", "metric": "f1"}],
    "axes": {"method.mask": [0.25, 0.5, 0.75], "kind": {"a": {"method": "mae"}}},
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cli) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("bias")
    (folder / "hidden.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    answer = cli("study", "run", str(folder / "hidden.yaml"), "--out", str(folder / "runs"))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder / "hidden.yaml", folder / "runs"


def test_every_class_has_its_answer(finished, cli):
    file, out = finished
    answer = cli(
        "bias", str(file), "--axis", "method.mask", "--protocol", "knn", "--out", str(out), env={"COLUMNS": "200"}
    )
    assert answer.returncode == 0, answer.stderr
    folder = out / "studies/hidden/bias/method.mask-knn-recall"
    found = pd.read_csv(folder / "responses.csv")
    assert sorted(found["class"]) == list(range(10))
    assert set(found["settings"]) == {3}
    assert set(found["seeds"]) == {2}
    overall = pd.read_csv(folder / "overall.csv").iloc[0]
    assert found["mean"].mean() == pytest.approx(overall["mean"], abs=0.02)  # classes of digits are of one size
    counts = pd.read_csv(folder / "trends.csv")
    assert (counts[["ascending", "descending", "none"]].sum(axis=1) == 10).all()
    assert "Overall accuracy and its classes over method.mask (knn)" in answer.stdout
    for name in ("curves", "trends"):
        for ending in ("png", "svg"):
            assert (folder / f"{name}.{ending}").stat().st_size > 5000


def test_a_study_may_ask_for_it(finished):
    _, out = finished
    folder = out / "studies/hidden"
    assert len(pd.read_csv(folder / "bias/method.mask-knn-f1/responses.csv")) == 10
    page = (folder / "index.html").read_text()
    assert "bias/method.mask-knn-f1/curves.svg" in page
    assert "Overall accuracy and its classes over method.mask (knn)" in page


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--axis", "method.msk"], "'hidden' has no such axis; did you mean 'method.mask'?"),
        (["--axis", "kind"], "its values are no numbers (a); name an axis of numbers"),
        (
            ["--axis", "method.mask", "--protocol", "linear"],
            "no run of this study that is done was measured with linear",
        ),
        (
            ["--axis", "method.mask", "--metric", "recal"],
            "bias.metric: 'recal' is not possible; did you mean 'recall'?",
        ),
    ],
)
def test_what_cannot_be_judged_is_a_sentence(finished, cli, options, sentence):
    file, out = finished
    answer = cli("bias", str(file), "--out", str(out), "--protocol", "knn", *options)
    assert answer.returncode == 2
    assert sentence in answer.stderr, answer.stderr
    assert "Traceback" not in answer.stderr
