"""A complete study of pools and few labels: what was learned and measured, hypotheses, and published numbers next to ours."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from sslbench.api.errors import RequestError
from sslbench.catalog.metrics import core_metrics
from sslbench.study.published import published_problems, read_published
from tests.conftest import TINY
from tests.varied_settings import VARIED

PUBLISHED = """metric,scale,arm,fraction,member,value,spread,source
micro_accuracy,small,with,0.1,,0.5,0.02,Table 1
micro_accuracy,small,with,all labels,,0.9,,Table 1
micro_accuracy,small,scratch,0.1,,lost,,Table 1
micro_accuracy,large,scratch,0.1,,0.3,,Table 1
labels,small,,0.1,,99,,Table 2
kept,small,with,,all,100,,Table 3
"""
STUDY = {
    "name": "few",
    "base": {
        **{k: v for k, v in TINY.items() if not k.startswith("train")}, "folds": "all", "baselines": "none", "threads": 1,
        "view.size": 8, "protocols": ["knn", "finetune"], "train.precision": "float32", "splits.folds": 3,
        "data": {"name": "image-folder", "root": "scans/target", "columns": {"second": r"t(\d+)"}},
        "splits": {"label_fractions": [0.1, 1.0], "groups": "second", "group_gap": 1},
    },
    "published": "${folder}/published.csv",
    "axes": {
        "arm": {
            "with": {"method": "mae", "train.steps": 6, "train.batch_size": 64, "augmentation": "crop", "pretrain": {
                "pool": "pool", "settings": {"members": {"here": {"name": "image-folder", "root": "scans/target"},
                                                         "there": {"name": "image-folder", "root": "scans/other"}}}}},
            "scratch": {"method": "random-init", "backbone": "micro-vit", "pretrain.pool": "all"},
        },
    },
    "tables": [
        {"name": "pools", "source": "pools", "rows": ["arm"]},
        {"name": "samples", "source": "samples", "rows": ["arm"]},
        {"name": "labels", "source": "labels", "rows": ["dataset"], "columns": ["fraction"]},
        {"name": "accuracy", "spread": "deviation", "rows": ["arm"], "columns": ["fraction"],
         "where": {"protocol": "finetune", "metric": "micro_accuracy"}},
        {"name": "classes", "source": "classes", "rows": ["class"], "columns": ["arm"], "where": {"protocol": "knn", "metric": "recall"}},
        {"name": "theirs", "source": "published", "rows": ["arm"], "columns": ["fraction"], "where": {"metric": "micro_accuracy"}},
    ],
    "figures": [
        {"name": "curve", "x": "fraction", "log": True, "hue": "arm", "spread": "deviation",
         "where": {"protocol": "finetune", "metric": "micro_accuracy"}},
        {"name": "seen", "kind": "shown", "file": "examples-pool", "where": {"arm": "with"}},
        {"name": "rebuilt", "kind": "shown", "file": "triplets", "where": {"arm": "with"}},
        {"name": "none", "kind": "shown", "file": "triplets", "where": {"arm": "scratch"}},
    ],
    "hypotheses": [
        {"claim": "more labels help", "greater": {"fraction": "all labels"}, "lesser": {"fraction": 0.1},
         "where": {"protocol": "knn", "metric": "micro_accuracy"}, "by": ["arm"]},
    ],
    "scales": {
        "small": {"cost": "seconds", "tables": [{"name": "own", "rows": ["arm", "method", "only here"], "where": {"protocol": "knn"}},
                  {"name": "over", "rows": ["metric"], "columns": [], "aggregate_over": "arm",
                   "where": {"protocol": "finetune", "metric": "micro_accuracy", "fraction": 0.1}}],
                  "figures": [
            {"name": "dots", "kind": "dots", "source": "classes", "x": "class", "hue": "arm",
             "where": {"protocol": "finetune", "metric": "recall"}},
            {"name": "bars", "kind": "bar", "x": "arm", "chance": "macro_accuracy", "panels": "dataset",
             "where": {"protocol": "knn", "metric": "micro_accuracy"}},
        ]},
        "large": {"figures": [{"name": "never"}], "axes": {"method": ["mae"], "only here": [1]}},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cli) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("few")
    digits = load_digits()
    for place, (scan, label) in enumerate(zip(digits.images[:400], digits.target[:400], strict=True)):
        at = folder / "scans" / ("target" if place < 240 else "other") / f"digit {label}"
        at.mkdir(parents=True, exist_ok=True)
        Image.fromarray((scan * 15).astype("uint8")).save(at / f"t{place // 3 * 10}-{place}.png")
    (folder / "published.csv").write_text(PUBLISHED)
    (folder / "few.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    answer = cli(
        "study", "run", str(folder / "few.yaml"), "--scale", "small", "--out", str(folder / "runs"),
        env={"SSLBENCH_SOURCES": str(folder), "COLUMNS": "240"},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder / "runs/studies/few-small", answer.stdout


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"tables/{name}.csv")


def test_tables_state_what_was_learned_from_and_measured_on(finished):
    folder, _ = finished
    pools = table(folder, "pools").set_index("member")
    assert pools.loc["all", "kept"] == 400
    assert (pools.loc["all", "published"], pools.loc["all", "difference"]) == (100, 300)
    assert pools["published"].notna().sum() == 1
    samples = table(folder, "samples")
    assert samples["samples"].tolist() == [240, 240]
    assert set(samples["groups"]) == {"80 of second within 1"}
    labels = table(folder, "labels")
    assert labels["min"].tolist()[0] >= 1
    assert labels["samples"].max() < 240 * 2 / 3
    assert "published 99" in (folder / "tables/labels.md").read_text()


def test_deviations_over_folds_with_both_denominators(finished):
    folder, _ = finished
    found = table(folder, "accuracy")
    assert set(found["n"]) == {3}
    assert set(found["unit"]) == {"folds"}
    assert np.allclose(found["deviation_n"], found["deviation"] * np.sqrt(2 / 3))
    ours = found[(found["arm"] == "with") & (found["fraction"] == 0.1)].iloc[0]
    assert ours["difference"] == pytest.approx(ours["mean"] - 0.5)
    assert found[found["arm"] == "scratch"]["published"].isna().all()  # published for another scale
    shown = (folder / "tables/accuracy.md").read_text()
    assert "(published number lost)" in shown
    values, over = found.loc[found["fraction"] == 0.1, "mean"], table(folder, "over").iloc[0]
    assert (over["mean"], over["deviation"]) == pytest.approx((values.mean(), values.std(ddof=1)))
    assert (over["n"], over["unit"]) == (2, "values of arm")
    assert "(published 0.500 ±0.020, " in shown
    assert "lost / 0.300" in (folder / "tables/theirs.md").read_text()


def test_classes_figures_and_claims_are_there(finished):
    folder, printed = finished
    assert table(folder, "classes")["class"].nunique() == 10
    for name in ("curve", "seen", "rebuilt", "dots", "bars"):
        for ending in ("png", "svg"):
            assert (folder / f"figures/{name}.{ending}").stat().st_size > 1000
    assert (
        len(pd.read_csv(folder / "figures/dots.csv")) == 2 * 10
    )  # a scale's own figures and tables come with the others
    assert "dashed: macro accuracy" in (folder / "figures/bars.svg").read_text()
    assert set(table(folder, "own")["method"]) == {
        "mae",
        "random-init",
    }  # an axis of another scale, but a fact of every score
    assert "only here" not in table(folder, "own")
    assert "figure none: no matching run has triplets.png" in printed
    claims = table(folder, "directions")
    assert claims["place"].tolist() == ["with", "scratch"]
    assert set(claims["verdict"]) <= {"holds", "fails", "undecided"}
    assert claims["n"].tolist() == [3, 3]
    page = (folder / "index.html").read_text()
    assert "more labels help" in page
    assert "seen.csv" not in page  # an image has no numbers
    assert "more labels help" in printed


def test_equal_steps_whatever_the_pool(finished):
    folder, _ = finished
    records = [pd.read_json(path, typ="series") for path in folder.parents[1].glob("mae-*/record.json")]
    assert [len(record["training"][0]["history"]) for record in records] == [1]  # 7 steps of 64 are nearest to 6
    with (folder / "tables/pools.csv").open() as opened:
        assert {row["arm"] for row in csv.DictReader(opened)} == {"with"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("arm,value\na,1\n", "has no column 'metric', only arm, value"),
        ("metric,value\nx,high\n", "value 'high': must be a number"),
        ("metric,value\nx,\n", "value '': must be a number"),
        ("metric,value,min,max\nx,1,2,a\n", "max 'a': must be a number"),
        ("metric,value,min,max\nx,1,2,1\n", "min and max of 1: must be two numbers in ascending order"),
        ("metric,value,min,max\nx,1,2,\n", "min and max of 1: must be two numbers in ascending order"),
        (None, "No such file"),
    ],
)
def test_what_is_wrong_with_published_numbers_is_stated(text, sentence, tmp_path):
    path = tmp_path / "published.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RequestError) as raised:
        read_published(path)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("micro_accuracy,96.9", ["published: micro_accuracy 96.9: must be a number from 0 to 1"]),
        ("ami_max,-1.2", ["published: ami_max -1.2: must be a number from -1 to 1"]),
        ("ami_max,-0.01", []),
        ("rank_me,120", []),
        ("samples,1797", []),
        ("samples,-1", ["published: samples -1: must be a number from 0 to inf"]),
        ("recall,96.9", ["published: recall 96.9: must be a number from 0 to 1"]),
        ("micro_accuracy_gain,17.2", []),
        ("micro_accuracy_gain,-0.3", []),
    ],
)
def test_a_published_value_lies_in_the_range_of_its_metric(text, problems, tmp_path):
    (tmp_path / "published.csv").write_text(f"metric,value\n{text}\n")
    study = SimpleNamespace(published=tmp_path / "published.csv", tables=(), axes=(), dropped=())
    assert published_problems(study, core_metrics(), [*VARIED]) == problems
