"""Classes without training or test samples, and samples left out, are listed and counted: record, frames, tables, pages."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console

import sslbench
from sslbench.analysis.tables.run_tables import class_rows, count_tested, count_untrained
from sslbench.analysis.tables.study_frames import classes_frame
from sslbench.api import Outcome, Target, Task
from sslbench.catalog.metrics import core_metrics
from sslbench.data.splits import Division
from sslbench.evaluation.scores import EvaluationKey, write_outcomes
from sslbench.evaluation.stored import read_scores
from sslbench.protocols.gallery import GalleryConfig
from sslbench.protocols.gallery_evaluator import draw_gallery
from sslbench.report.console.terminal import show_report, show_results
from sslbench.report.coverage import describe_coverage, list_counts
from sslbench.report.study import make_report
from sslbench.results.coverage import count_left_out, count_missing_classes
from sslbench.results.frames import load_results
from sslbench.results.old_records import installed_catalog
from sslbench.results.record import decode, encode
from sslbench.study.definition import read_study
from tests.stage_plans import folder, image_tree, planned

SPEC = installed_catalog().components["protocol"]["gallery"].spec

COUNTS = {
    "train": {"ant": 12, "bee": 12, "cod": 4}, "test": {"ant": 5, "bee": 5, "dab": 3, "eel": 1},
    "val": {"ant": 3, "bee": 3, "fox": 2},
}  # fmt: skip
"""Images of each class in each official part: cod is never tested, dab and eel are never learned, fox is neither."""
PART = {"train": "train", "val": "validation", "test": "test"}
FEW = {"protocols": ["knn"], "baselines": "none", "seeds": [0], "view.size": 8, "prepare.size": 8, "threads": 1,
       "protocol_settings.knn.neighbors": [1]}  # fmt: skip


def write_images(root: Path, counts: dict[str, dict[str, int]]) -> None:
    rng = np.random.default_rng(0)
    for place, classes in counts.items():
        for number, (name, images) in enumerate(classes.items()):
            for image in range(images):
                folder = root / place / name
                folder.mkdir(parents=True, exist_ok=True)
                pixels = np.clip(rng.normal(40 + 40 * number, 20, (8, 8)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"dish{image % 3}-{place}{image}.png")


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """One run on a folder whose official split misses classes on each side."""
    folder = tmp_path_factory.mktemp("missing")
    write_images(folder / "animals", COUNTS)
    settings = {**FEW, "data.root": str(folder / "animals")}
    results = sslbench.run("raw-features", "image-folder", out=folder / "runs", settings=settings)
    assert results.records[0].status == "done", results.records[0].reason
    return results


def test_the_record_lists_and_counts_them(official):
    record = official.records[0]
    assert record.evaluated_on[0]["missing_classes"] == {
        "0": {
            "without_training": {"dab": 3, "eel": 1},
            "without_test": {"cod": 4},
            "unknown_in_transfer": {},
            "without_both": {"fox": 2},
        }
    }
    assert record.evaluated_on[0]["left_out"] == {"0": {}}
    assert decode(encode(record)) == record
    taught = {row.name: row.training_samples for row in record.classes}
    assert taught == {"ant": 12, "bee": 12, "cod": 4, "dab": 0, "eel": 0, "fox": 0}


def test_frames_hold_them(official):
    frame = official.missing_classes
    found = {(row["lacks"], row["class"]): row["samples"] for _, row in frame.iterrows()}
    assert found == {
        ("without_training", "dab"): 3, ("without_training", "eel"): 1, ("without_test", "cod"): 4, ("without_both", "fox"): 2,
    }  # fmt: skip
    assert {"run", "method", "dataset", "fold"} <= set(frame.columns)
    assert len(load_results(official.root).missing_classes) == 4
    assert set(classes_frame(official.classes)["class"]) == {"ant", "bee", "cod", "fox"} - {"fox"}


def test_a_class_that_was_never_learned_is_not_among_the_worst(official):
    record = official.records[0]
    dataset = record.evaluated_on[0]["part"]
    assert {row.name for row in class_rows(record, dataset, "knn")} == {"ant", "bee"}
    assert count_untrained(record, dataset, "knn") == {"dab": 3, "eel": 1}
    assert count_tested(record, dataset, "knn") == (4, 6)
    recalls = [row.recall for row in record.classes if row.recall is not None]
    macro = next(s.value for s in record.scores if s.metric == "macro_accuracy" and s.chosen_on == "validation")
    assert macro == pytest.approx(np.mean(recalls))  # over the four tested classes, as the line below states


def test_the_terminal_states_what_the_table_of_classes_does_not_show(official):
    written = io.StringIO()
    show_results(Console(file=written, width=200), official, core_metrics())
    text = written.getvalue()
    for sentence in (
        "2 classes have no training samples and are not among the worst: dab (3 test samples), eel (1 test sample)",
        "1 class has no test samples and is in no mean over classes: cod (4 training samples)",
        "1 class has neither training nor test samples: fox (2 labeled samples)",
        "macro accuracy is the mean over 4 of 6 classes, those with test samples; 2 of them had no training samples",
    ):
        assert sentence in text.replace("\n", " "), sentence
    table = text[text.index("worst and best classes") : text.index("2 classes have")]
    assert "ant" in table
    assert "dab" not in table


def test_the_page_of_a_study_states_them(official, tmp_path):
    table = {
        "name": "classes",
        "source": "classes",
        "rows": ["class"],
        "columns": ["metric"],
        "where": {"protocol": "knn"},
    }
    (tmp_path / "animals.yaml").write_text(
        yaml.safe_dump({"name": "animals", "base": {}, "axes": {}, "tables": [table]})
    )
    study = read_study(tmp_path / "animals.yaml", "")
    report = make_report(study, official, {official.records[0].run: [{}]}, tmp_path, core_metrics())
    page = (tmp_path / "index.html").read_text()
    assert "2 classes have no training samples: dab (3 test samples), eel (1 test sample)" in page
    assert "dab" not in (tmp_path / "tables/classes.csv").read_text()
    written = io.StringIO()
    show_report(Console(file=written, width=300), report, tmp_path)
    assert "not covered: " in written.getvalue()
    assert not describe_coverage([])


def test_a_transfer_counts_unknown_classes_and_rows_of_shared_groups(tmp_path):
    """Camera B has a class that A has not, and both cameras saw dish 0."""
    write_images(tmp_path / "both", {"A": {"ant": 12, "bee": 12}, "B": {"ant": 6, "bee": 6, "gnu": 4}})
    for image in (tmp_path / "both/B").rglob("*.png"):
        number = int(image.stem[4])
        image.rename(image.with_name(f"dish{number and number + 2}-{image.stem}.png"))
    settings = {
        **FEW, "data.root": str(tmp_path / "both"), "data.levels": ["camera", "class"],
        "data.columns": {"dish": r"^dish(\d+)"}, "splits.transfer": "camera", "splits.bank": "A", "splits.query": "B",
        "splits.groups": "dish", "splits.validation": 0.4,
    }  # fmt: skip
    results = sslbench.run("raw-features", "image-folder", out=tmp_path / "runs", settings=settings)
    record = results.records[0]
    assert record.status == "done", record.reason
    data = record.evaluated_on[0]
    assert data["left_out"]["0"]["group_in_test"] == {"samples": 8, "groups": 1}
    assert data["missing_classes"]["0"]["unknown_in_transfer"] == {"gnu": 4}
    written = io.StringIO()
    show_results(Console(file=written, width=200), results, core_metrics())
    text = written.getvalue().replace("\n", " ")
    assert "8 training samples of 1 group left out: the group is in the test set" in text
    told = "1 class has no samples in the transfer's bank and is left out of its test set: gnu (4 left-out samples)"
    assert told in text
    assert f"{data['part']} from A to B: {told}" in describe_coverage(results.records)


def test_counts_of_a_division():
    labels = np.array([0, 0, 0, 1, 1, 2, 3, 4, -1])
    division = Division(
        bank=np.array([0, 3]), validation=np.array([1]), query=np.array([2, 5]),
        left_out={"unknown_class": np.array([6]), "group_in_test": np.array([4])},
    )  # fmt: skip
    assert count_missing_classes(division, labels, Target(kind="class", names=tuple("abcdef"))) == {
        "without_training": {"c": 1}, "without_test": {"b": 1}, "unknown_in_transfer": {"d": 1}, "without_both": {"e": 1, "f": 0},
    }  # fmt: skip
    key = np.array(list("xxxxyyyyy"))
    assert count_left_out(division, key) == {
        "unknown_class": {"samples": 1, "groups": 1}, "group_in_test": {"samples": 1, "groups": 1},
    }  # fmt: skip


def test_a_long_list_is_cut_and_states_how_many_more_there_are():
    counts = {f"class {number}": number + 1 for number in range(9)}
    assert list_counts(counts, "test sample").startswith("class 8 (9 test samples), class 7 (8 test samples), ")
    assert list_counts(counts, "test sample").endswith(" and 4 more")


def test_what_a_protocol_drew_itself_counts_as_its_training_samples(tmp_path):
    """A gallery of all labeled samples holds classes that the task's bank does not; the most of any draw counts."""
    labels, rows = np.array([0, 0, 0, 1, 1, 1]), np.arange(6)
    task = Task(setting={"fold": 0}, bank=rows[:2], validation=rows[:0], query=rows[2:])
    target, where = Target(kind="class", names=("a", "b")), EvaluationKey(protocol="p", seed=0, epoch=None)
    outcomes = [
        Outcome(task=0, draw=draw, rows=rows[2:5], bank=bank, predicted=np.zeros(3, np.int64))
        for draw, bank in enumerate((rows[:1], rows[3:]))
    ]
    write_outcomes(outcomes, [task], target, labels, rows.astype(str), where, tmp_path, SPEC)
    assert [row.training_samples for row in read_scores(tmp_path, "d", core_metrics()).classes] == [1, 3]


def test_a_gallery_counts_a_class_without_any_sample_as_exhausted():
    labels, rows = np.array([0] * 5 + [1] * 5 + [2] * 2), np.arange(12)
    task = Task(setting={"fold": 0}, bank=np.array([0, 1, 2, 5, 6, 7]), validation=rows[:0], query=np.array([3, 8, 10]))
    drawn = draw_gallery(labels, rows.astype(str), task, 2, GalleryConfig(), np.random.default_rng(0))
    assert drawn.exhausted.tolist() == [2]


def test_classes_in_two_spellings_are_named(tmp_path):
    data = folder(image_tree(tmp_path / "mine"))
    assert not [text for text in planned("protocols=[knn]", data=data).warnings if "classes of" in text]
    for old, new in (("a/s0-r0-0.png", "A/1.png"), ("b/s0-r0-1.png", "c d/1.png"), ("a/s0-r0-2.png", "c_d/1.png")):
        (tmp_path / "mine" / new).parent.mkdir(exist_ok=True)
        (tmp_path / "mine" / old).rename(tmp_path / "mine" / new)
    (warning,) = [
        text for text in planned("protocols=[knn]", "splits.folds=2", data=data).warnings if "classes of" in text
    ]
    assert "count as different classes: 'A' and 'a'; 'c d' and 'c_d'. Rename them where they are one class" in warning
