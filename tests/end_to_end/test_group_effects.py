"""Test `sslbench class-effects` by label, by number and by group of test samples, on data of a plugin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import average_precision_score

import sslbench
from sslbench.api.errors import RequestError
from sslbench.catalog.metrics import core_metrics
from sslbench.report.class_effects import class_effect_report
from sslbench.report.tables import EffectReport
from sslbench.results.frames import Results
from sslbench.results.record import Record
from sslbench.study.definition import ClassEffectSettings, read_study
from tests.installed_plugin import install_plugin

PLUGIN = '''
from dataclasses import dataclass

import numpy as np

from sslbench.api import Citation, DatasetCard, DatasetSpec, Modality, Target, hookimpl, setting

CITATION = Citation(title="Plates", authors="They", year=2026, url="https://example.org")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatesConfig:
    """Settings."""

    rows: int = setting(240, "Number of images.")


class Plates:
    """Images with stripes, squares or neither on three plates; the images of plate C are almost only noise."""

    def __init__(self, config, source):
        rng = np.random.default_rng(5)
        self.labels = rng.integers(0, 3, config.rows)
        self.target = Target(kind="class", names=("none", "square", "stripes"))
        self.modalities = {"image": Modality(layout="image", shape=(1, 12, 12))}
        rows = np.arange(config.rows)
        plate = np.array(["A", "B", "C"])[rows % 3]
        plate[rows % 20 == 0] = ""
        self.columns = {"id": rows.astype(str), "plate": plate, "well": np.char.add("w", rows.astype(str))}

    def read(self, row, rng):
        image = np.random.default_rng([1, row]).normal(60, 25, (1, 12, 12))
        strength = 8 if row % 3 == 2 else 90
        label = self.labels[row]
        image[:, 4:8, 4:8] += strength * (label == 1)
        image[:, ::3] += strength * (label == 2)
        return {"image": np.clip(image, 0, 255).astype(np.uint8)}

    def fingerprint(self):
        return f"plates-{len(self.labels)}"


class Tags(Plates):
    """The same images with two labels, which occur independently."""

    def __init__(self, config, source):
        super().__init__(config, source)
        self.labels = np.random.default_rng(6).integers(0, 2, (config.rows, 2))
        self.target = Target(kind="labels", names=("square", "stripes"))

    def read(self, row, rng):
        image = np.random.default_rng([1, row]).normal(60, 25, (1, 12, 12))
        strength = 8 if row % 3 == 2 else 90
        image[:, 4:8, 4:8] += strength * self.labels[row, 0]
        image[:, ::3] += strength * self.labels[row, 1]
        return {"image": np.clip(image, 0, 255).astype(np.uint8)}


@hookimpl
def sslbench_datasets():
    for name, build in (("their-plates", Plates), ("their-tags", Tags)):
        yield DatasetSpec(
            name=name, version=1, summary="patterns", citation=CITATION, config=PlatesConfig, smoke=PlatesConfig(rows=40),
            build=build,
            card=DatasetCard(license="MIT", citation=CITATION, source="generated", obtain="it is generated", embedded=True),
        )
'''
STUDY = {
    "name": "plates",
    "base": {"protocols": ["knn"], "baselines": "none", "seeds": [0, 1], "threads": 1, "recipe": "none"},
    "axes": {
        "arm": {"pixels": {"method": "raw-features"}, "encoder": {"method": "random-init", "backbone": {"name": "micro-cnn", "widths": [8, 8, 16, 16]}}},
        "protocol_settings.knn.temperature": [0.05, 0.2, 1.0],
        "samples": {"classes": {"data": "their-plates"}, "tags": {"data": "their-tags"}},
    },
    "class_effects": [
        {"axis": "arm", "protocol": "knn", "by": "label"},
        {"axis": "protocol_settings.knn.temperature", "protocol": "knn", "by": "plate", "overall": "micro_accuracy"},
        {"axis": "arm", "protocol": "knn"},
    ],
}  # fmt: skip
TEMPERATURE = "protocol_settings.knn.temperature"
PLATES = {row: "" if row % 20 == 0 else "ABC"[row % 3] for row in range(240)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, cli):
    """The folder with the runs of the study, and its output."""
    folder = tmp_path_factory.mktemp("groups")
    installed = install_plugin(folder / "plugin", "their_plates", PLUGIN)
    (folder / "plates.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))

    answer = cli("study", "run", "plates.yaml", "--out", "runs", cwd=folder, env={**installed, "COLUMNS": "200"})
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, answer


def make_report(folder: Path, axis: str, **settings: str) -> EffectReport:
    """Analyze the runs of the study in this process."""
    records = sslbench.load_results(folder / "runs").records
    points = {}
    for record in records:
        arm = "pixels" if record.method["name"] == "raw-features" else "encoder"
        samples = "classes" if record.evaluated_on[0]["part"] == "their-plates" else "tags"
        points[record.run] = [{"arm": arm, TEMPERATURE: find_temperature(record), "samples": samples}]
    results = Results(records=records, root=folder / "runs", repeat_shared=True)
    request = ClassEffectSettings(axis=axis, protocol="knn", **settings)
    study = read_study(folder / "plates.yaml", "")
    return class_effect_report(study, results, points, request, core_metrics(), folder / "effects")


def find_temperature(record: Record) -> float:
    (protocol,) = record.protocols
    return protocol["settings"]["temperature"]


def read_predictions(folder: Path, dataset: str, name: str) -> pd.DataFrame:
    """Return the predictions of all runs with arm, temperature and plate."""
    frames = []
    for record in sslbench.load_results(folder / "runs").records:
        if record.evaluated_on[0]["part"] == dataset:
            frame = pd.read_parquet(folder / "runs" / record.run / name)
            frames.append(frame.assign(arm=record.method["name"], temperature=find_temperature(record)))
    found = pd.concat(frames, ignore_index=True)
    return found.assign(plate=found["id"].astype(int).map(PLATES))


def test_a_run_stores_the_columns_of_its_test_samples(finished):
    folder, _ = finished
    for record in sslbench.load_results(folder / "runs").records:
        (name,) = (folder / "runs" / record.run).glob("*predictions.parquet")
        stored = pd.read_parquet(folder / "runs" / record.run / "samples.parquet")
        assert set(stored["column"]) == {"plate", "well"}
        assert set(stored["id"]) == set(pd.read_parquet(name)["id"])
        plates = stored[stored["column"] == "plate"]
        assert plates["value"].tolist() == [PLATES[int(row)] for row in plates["id"]]


def test_names_are_compared_by_group(finished):
    folder, _ = finished
    report = make_report(folder, "arm", by="plate", overall="micro_accuracy")
    assert report.folder == folder / "effects/arm-knn-micro_accuracy-by-plate"
    found = pd.read_csv(report.folder / "differences.csv")
    assert sorted(found["group"]) == sorted([*"ABC"] * 3)
    predictions = read_predictions(folder, "their-plates", "predictions.parquet")
    right = (predictions["label"] == predictions["predicted"]).groupby(
        [predictions["arm"], predictions["temperature"], predictions["plate"]]
    )
    for row in found.to_dict("records"):
        place = (row[TEMPERATURE], row["group"])
        assert row["micro_accuracy"] == pytest.approx(right.mean()["random-init", *place])
        assert row["reference_micro_accuracy"] == pytest.approx(right.mean()["raw-features", *place])
        assert row["test_samples"] == right.size()["raw-features", *place] / 2  # two seeds
    assert report.tables[1].title == "Groups of plate with the largest differences to pixels"
    unknown = predictions[predictions["plate"] == ""]["id"].nunique()
    assert f"{unknown} test samples without a value of plate are left out" in report.tables[1].note


def test_trends_are_tested_by_group(finished):
    folder, answer = finished
    output = folder / f"runs/studies/plates/class-effects/{TEMPERATURE}-knn-micro_accuracy-by-plate"
    found = pd.read_csv(output / "responses.csv")
    predictions = read_predictions(folder, "their-plates", "predictions.parquet")
    right = (
        (predictions["label"] == predictions["predicted"]).groupby([predictions["arm"], predictions["plate"]]).mean()
    )
    assert len(found) == 2 * 3
    for row in found.to_dict("records"):
        assert row["mean"] == pytest.approx(right[row["method"], row["group"]])
        assert row["settings"] == 3
    means = found.groupby("group")["mean"].mean()
    assert means["C"] < min(means["A"], means["B"]) - 0.1  # the plate of faint images
    assert "Groups of plate that fall and rise most" in answer.stdout
    for ending in ("png", "svg"):
        assert (output / f"curves.{ending}").stat().st_size > 5000


def test_names_are_compared_by_label(finished):
    folder, _ = finished
    output = folder / "runs/studies/plates/class-effects/arm-knn-average_precision"
    found = pd.read_csv(output / "differences.csv")
    assert len(found) == 2 * 3
    predictions = read_predictions(folder, "their-tags", "vector_predictions.parquet")
    for row in found.to_dict("records"):
        place = ("square", "stripes").index(row["label"])
        for method, score in (
            ("random-init", row["average_precision"]),
            ("raw-features", row["reference_average_precision"]),
        ):
            own = predictions[(predictions["arm"] == method) & (predictions["temperature"] == row[TEMPERATURE])]
            expected = [
                average_precision_score(
                    [one[place] for one in seed["label"]], [one[place] for one in seed["predicted"]]
                )
                for _, seed in own.groupby("seed")
            ]
            assert score == pytest.approx(np.mean(expected), abs=1e-6)
    assert found["p_holm"].between(0, 1).all()
    page = (folder / "runs/studies/plates/index.html").read_text()
    assert "Labels with the largest differences to pixels" in page
    assert "class-effects/arm-knn-average_precision/differences.svg" in page


def test_trends_are_tested_by_label_and_groups_have_map(finished):
    folder, _ = finished
    report = make_report(folder, TEMPERATURE, by="label")
    assert report.folder == folder / f"effects/{TEMPERATURE}-knn-average_precision"
    found = pd.read_csv(report.folder / "responses.csv")
    assert sorted(found["label"]) == ["square", "square", "stripes", "stripes"]
    assert report.tables[0].title.startswith("Overall macro average precision and its labels over")
    report = make_report(folder, "arm", by="plate", overall="macro_average_precision")
    found = pd.read_csv(report.folder / "differences.csv")
    predictions = read_predictions(folder, "their-tags", "vector_predictions.parquet")
    row = found[(found["group"] == "B") & (found[TEMPERATURE] == 0.2)].iloc[0]
    own = predictions.query("arm == 'random-init' and temperature == 0.2 and plate == 'B'")
    expected = [
        average_precision_score(np.stack(seed["label"].tolist()), np.stack(seed["predicted"].tolist()), average="macro")
        for _, seed in own.groupby("seed")
    ]
    assert row["macro_average_precision"] == pytest.approx(np.mean(expected), abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"by": "plat"}, "by=plat: the test samples of their-plates have no such column. Did you mean 'plate'?"),
        ({"by": "well"}, "by=well: has a different value for every test sample. Name a column whose values several"),
        ({}, "class_effects: the samples of its datasets have one class or several labels. Select one with by=class or by=label"),
        ({"by": "dataset"}, "Select one with overall=macro_accuracy or overall=macro_average_precision"),
        ({"by": "number"}, "class_effects: by=number: the samples have one class. Use by=class"),
        ({"by": "label", "metric": "f1"}, "metric=f1: is not a score of a single label. Use one of: average_precision"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_an_error_of_one_line(finished, settings, sentence):
    folder, _ = finished
    overall = {"overall": "micro_accuracy"} if settings.get("by") in ("plat", "well") else {}
    for axis in ("arm", TEMPERATURE):
        with pytest.raises(RequestError) as error:
            make_report(folder, axis, **settings, **overall)
        (problem,) = error.value.problems
        assert sentence in problem


def test_settings_for_numbers_do_not_suit_names(finished):
    folder, _ = finished
    with pytest.raises(RequestError) as error:
        make_report(folder, "arm", by="dataset", overall="micro_accuracy", compare_protocol="linear", reference="c")
    for place, sentence in enumerate((
        "class_effects: reference=c: axis arm has no such value",
        "class_effects: by=dataset: names are compared on each dataset in the overall table. Remove by",
        "class_effects: compare_protocol=linear: compares the trends of an axis of numbers. Remove it",
    )):  # fmt: skip
        assert sentence in error.value.problems[place]


def test_a_group_has_one_score():
    with pytest.raises(
        ValueError, match=r"metric=f1: by=plate tests the overall score of each value of plate\. Remove metric"
    ):
        ClassEffectSettings(axis="arm", by="plate", metric="f1")


def test_a_study_states_what_it_could_not_compare(finished):
    _, answer = finished
    assert "missing: class_effects: the samples of its datasets have one class or several labels" in answer.stdout


def test_runs_of_earlier_versions_store_no_columns(finished):
    folder, _ = finished
    path = min((folder / "runs").glob("raw-features-*their-plates*/samples.parquet"))
    content = path.read_bytes()
    path.unlink()
    try:
        with pytest.raises(RequestError) as error:
            make_report(folder, "arm", by="plate", overall="micro_accuracy")
    finally:
        path.write_bytes(content)
    assert (
        f"1 run(s) store no columns of test samples, as an earlier version wrote them, such as {path.parent.name}. "
        "Delete their folders and repeat the command that made them: finished stages are kept"
    ) in str(error.value)
