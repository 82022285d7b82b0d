"""Names of datasets in tables, records and files, and data frames of runs that share stages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from PIL import Image

import sslbench
from sslbench.api.errors import DataMissing, RequestError
from sslbench.api.files import name_folder, title_problem
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, make_plan
from sslbench.config.request import read_request
from sslbench.environment import places
from sslbench.results.frames import Results
from sslbench.study.grid import Point, make_grid

CATALOG = discover(installed_entries())


def images(root: Path, seed: int = 0) -> Path:
    """Write thirty gray images of two classes."""
    rng = np.random.default_rng(seed)
    for number in range(30):
        path = root / "ab"[number % 2] / f"p{number // 3}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        bright = 60 * (number % 2)
        Image.fromarray(rng.integers(bright, bright + 120, (8, 8), dtype=np.uint8)).save(path)
    return root


def planned(*overrides: str, **data):
    tree = read_request(None, {"method": {"name": "raw-features"}, "data": data}, ["seeds=[0]", *overrides])
    return make_plan(tree, CATALOG, DatasetCache(places()), Machine(threads=1, precision="float32"))


def run(root: Path, out: Path, **settings):
    asked = {"data.root": str(root), "protocols": ["knn"], "baselines": "none", "seeds": [0], "threads": 1, **settings}
    return sslbench.run("raw-features", "image-folder", out=out, settings=asked)


def stages(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in (out / "stages").glob("*/*")}


@pytest.mark.parametrize("dataset", ["image-folder", "plankton-folder", "cell-folder"])
def test_a_folder_is_called_by_its_name_or_title(tmp_path, monkeypatch, dataset):
    root = images(tmp_path / "mine")
    assert planned(name=dataset, root=str(root)).evaluate_parts[0].name == "mine"
    assert planned(name=dataset, root=str(root), title="lake-7").evaluate_parts[0].name == "lake-7"
    assert planned(name=dataset, root=str(root)).request["data"]["title"] == "mine", "so that it is called so elsewhere"
    monkeypatch.chdir(root)
    assert planned(name=dataset, root=".").evaluate_parts[0].name == "mine"
    monkeypatch.chdir(root / "a")
    assert planned(name=dataset, root="..").evaluate_parts[0].name == "mine"


@pytest.mark.parametrize(
    ("path", "name"),
    [("/data/my images (2)", "my-images-2"), ("/data/Bären.v1", "Bären.v1"), ("/data/.hidden", "hidden"), ("/", ""),
     (f"/{'x' * 300}", "x" * 64), ("/data/a+b", "a-b")],
)  # fmt: skip
def test_a_name_of_a_folder_can_be_part_of_any_file_name(path, name):
    assert name_folder("", Path(path)) == name
    assert not (name and title_problem(name))


def test_a_title_that_cannot_be_a_file_name_is_refused(tmp_path):
    root = images(tmp_path / "mine")
    for title in ("a/b", "a b", "..", "x" * 65, "a+b"):
        with pytest.raises(
            RequestError, match=r"data\.title: '.*' is not a valid title\. Use at most 64 letters, digits and \. _ -"
        ):
            planned(name="image-folder", root=str(root), title=title)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["data.classes=[none]"], "data.classes: 1 without any image"),
        (["data.time=abc"], "data.time: 'abc' has no directive of a time"),
        (["pretrain.pool=image-folder", "pretrain.settings.classes=[none]"], "pretrain.settings.classes: 1 without"),
        (["pretrain.pool=image-folder", "pretrain.settings.clases=[a]"], "pretrain.settings.clases: no such setting"),
        (["evaluate=image-folder", "data.classes=[none]"], "data.classes: 1 without any image"),
    ],
)
def test_a_problem_of_a_dataset_names_the_setting_as_the_user_writes_it(tmp_path, asked, told):
    root = images(tmp_path / "mine")
    with pytest.raises(RequestError) as refused:
        planned(*asked, name="image-folder", root=str(root))
    assert refused.value.problems[0].startswith(told)
    assert len({problem.partition(".")[0] for problem in refused.value.problems}) == 1


def test_two_datasets_of_one_name_in_one_request_are_refused(tmp_path):
    one, other = images(tmp_path / "one/train"), images(tmp_path / "other/train", seed=1)
    pool = ["pretrain.pool=image-folder", f"pretrain.settings.root={other}"]
    with pytest.raises(
        RequestError, match=r"two different datasets of this request are called 'train'\. Set data\.title"
    ):
        planned(*pool, name="image-folder", root=str(one))
    plan = planned(*pool, "pretrain.settings.title=other", name="image-folder", root=str(one))
    assert [part.name for part in (*plan.evaluate_parts, *plan.pretrain_parts)] == ["train", "other"]
    assert plan.pool.startswith("other-")
    elsewhere = images(tmp_path / "elsewhere")
    pool = ["pretrain.pool=image-folder", f"pretrain.settings.root={elsewhere}"]
    plan = planned(*pool, name="image-folder", root=str(one), title="mine")
    assert [part.name for part in (*plan.evaluate_parts, *plan.pretrain_parts)] == ["mine", "elsewhere"]
    same = planned("pretrain.pool=image-folder", f"pretrain.settings.root={one}", name="image-folder", root=str(one))
    assert same.pool != plan.pool
    with pytest.raises(RequestError, match="are called 'train'"):
        planned(name="image-folder+plankton-folder", root=str(one))


def test_two_folders_of_one_name_in_one_study_need_titles(tmp_path):
    roots = [images(tmp_path / "one/train"), images(tmp_path / "other/train", seed=1)]

    def grid(*titles: str):
        points = []
        for root, title in zip(roots, titles, strict=True):
            data = {"name": "image-folder", "root": str(root), "title": title}
            tree = read_request(None, {"method": {"name": "raw-features"}, "data": data}, ["baselines=none"])
            points.append(Point(labels={"from": root.parent.name}, tree=tree))
        machine = Machine(threads=1, precision="float32")
        return make_grid(points, CATALOG, DatasetCache(places()), machine, lambda text: None)

    with pytest.raises(
        RequestError, match=r"data\.title: 'train' names different folders at the points of this study\. Give"
    ):
        grid("", "")
    assert len(grid("one", "other").rows) == 2


def test_two_folders_are_two_datasets_in_a_frame(tmp_path):
    for seed, name in enumerate(("left", "right")):
        run(images(tmp_path / name, seed), tmp_path / "out")
    results = sslbench.load_results(tmp_path / "out")
    for frame in (results.scores, results.classes, results.runs, results.confusions, results.samples, results.labels):
        assert set(frame["dataset"]) == {"left", "right"}
        assert frame.columns[list(frame.columns).index("dataset") + 1] == "fingerprint"
        assert frame.groupby("dataset")["fingerprint"].nunique().tolist() == [1, 1]
        assert frame["fingerprint"].nunique() == 2
    assert (results.scores.groupby(["dataset", "metric"]).size() == 1).all()


def test_a_stage_that_several_requests_share_appears_once(tmp_path):
    root, out = images(tmp_path / "mine"), tmp_path / "out"
    for settings in (
        {},
        {"seeds": [0, 1]},
        {"protocols": ["knn", "clustering"]},
        {"splits.label_fractions": [0.5, 1.0]},
    ):
        run(root, out, **settings)
    results = sslbench.load_results(out)
    assert len(results.records) == 4
    named = ["dataset", "protocol", "seed", "fold", "setting", "metric", "chosen_on"]
    for frame in (results.scores, results.oracles):
        assert not frame.duplicated(named).any()
    assert not results.classes.duplicated(["dataset", "protocol", "seed", "setting", "name"]).any()
    assert not results.confusions.duplicated(
        ["dataset", "protocol", "seed", "setting", "class", "predicted_class"]
    ).any()
    knn = results.scores[(results.scores["protocol"] == "knn") & (results.scores["metric"] == "micro_accuracy")]
    assert sorted(knn["seed"]) == [0, 0, 1], "seed 0 with all labels and with half of them, and seed 1"
    assert set(knn.loc[(knn["seed"] == 0) & (knn["setting"] == "{}"), "run"]) == {results.records[0].run}
    assert len(results.runs) == 4
    every = Results(records=results.records, root=out, repeat_shared=True)
    assert (every.scores.drop(columns="run").duplicated()).sum() == len(every.scores) - len(results.scores)
    first, *others = results.records
    failed = Results(records=(replace(first, status="failed"), *others), root=out)
    assert len(failed.scores) == len(results.scores)
    shared = failed.scores[(failed.scores["seed"] == 0) & (failed.scores["setting"] == "{}")]
    assert first.run not in set(shared.loc[shared["protocol"] == "knn", "run"]), "one that is done shows what both have"


def test_a_training_that_several_requests_share_costs_once(tmp_path):
    run(images(tmp_path / "mine"), tmp_path)
    [record] = sslbench.load_results(tmp_path).records
    trained = replace(record, training=({"seed": 0, "fold": 0, "history": [{"loss": 1.0}], "samples": 30},),
                      settings={**record.settings, "train": {**record.settings["train"], "batch_size": 10}},
                      cost={**record.cost, "samples_per_second": [1.0]})  # fmt: skip
    assert len(Results(records=(trained, replace(trained, run="other"))).costs) == 1
    assert len(Results(records=(trained, replace(trained, run="other")), repeat_shared=True).costs) == 2


def test_another_title_computes_nothing_again_and_names_all_of_its_record(tmp_path):
    root, out = images(tmp_path / "mine"), tmp_path / "out"
    before = run(root, out, protocols=["knn", "clustering"]).records[0]
    made = stages(out)
    after = run(root, out, protocols=["knn", "clustering"], **{"data.title": "lake"}).records[0]
    assert stages(out) == made
    assert before.run != after.run
    for record, name in ((before, "mine"), (after, "lake")):
        folder = out / record.run
        assert {s.dataset for s in record.scores} | {c.dataset for c in record.classes} == {name}
        assert [data["part"] for data in (*record.evaluated_on, *record.pretrained_on)] == [name, name]
        assert {facts["dataset"] for key, facts in record.keys.items() if key.startswith("evaluate/")} == {name}
        assert set(parquet.read_table(folder / "predictions.parquet")["dataset"].to_pylist()) == {name}
        assert set(parquet.read_table(folder / "assignments.parquet")["dataset"].to_pylist()) == {name}
        assert {one["dataset"] for one in json.loads((folder / "confusion.json").read_text())} == {name}
        assert name in record.run
        assert (folder / f"figures/examples-{name}.png").exists()
        artifacts = [path.name for path in (folder / "artifacts").iterdir()]
        assert artifacts
        assert all(file.startswith(name) for file in artifacts)
        assert list((out / "splits").glob(f"{name}-fold0-*.tsv"))
    values = [[replace(s, dataset="") for s in record.scores] for record in (before, after)]
    assert values[0] == values[1]
    assert set(sslbench.load_results(out).scores["dataset"]) == {"mine", "lake"}


def test_a_missing_folder_states_once_how_to_obtain_it():
    with pytest.raises(DataMissing) as missing:
        planned(name="plankton-folder", root="no/such/folder")
    assert str(missing.value).count("it is your own folder of images") == 1
