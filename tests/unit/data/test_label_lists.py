"""Lists of ids as subsets of the labels: files, lists of datasets, errors, keys, and a run on real images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sslbench
from sslbench.api.errors import RequestError
from sslbench.api.transformed_dataset import TransformedDataset
from sslbench.catalog.metrics import core_metrics
from sslbench.data.label_lists import LabelList, divide_by_list, find_list_problems, read_label_lists
from sslbench.data.splits import Division
from sslbench.report.tables import build_frames, make_table
from sslbench.study.output_settings import TableSettings
from sslbench.testing.plans import divide_part, open_dataset, plan_run, stage_keys

LABELS = np.array([0, 1, 2] * 10)
IDS = np.array([f"s{row:02}" for row in range(30)])
DIVISION = Division(bank=np.arange(18), validation=np.arange(18, 24), query=np.arange(24, 30))


def problems_of(*ids: str, labels: np.ndarray = LABELS, key: np.ndarray | None = None) -> list[str]:
    subset = LabelList(name="few", ids=ids)
    return list(find_list_problems(subset, IDS, labels, ("a", "b", "c"), {0: DIVISION}, key))


def test_files_of_lines_and_of_columns_are_read(tmp_path):
    (tmp_path / "lines.txt").write_text("s00\n\n s01 \n")
    (tmp_path / "table.csv").write_text("class,id\na,s00\nb,s04\n")
    (tmp_path / "other.tsv").write_text("file\tclass\ns02\tc\n")
    texts = [str(tmp_path / "lines.txt"), str(tmp_path / "table.csv"), f"{tmp_path / 'other.tsv'}:file", "own"]
    found = read_label_lists(texts, {"own": ["s05"]})
    assert [(one.name, one.ids) for one in found] == [
        ("lines", ("s00", "s01")), ("table", ("s00", "s04")), ("other", ("s02",)), ("own", ("s05",)),
    ]  # fmt: skip


def test_files_that_are_no_lists_are_named_at_once(tmp_path):
    for name, text in (("empty.txt", "\n"), ("columns.csv", "a,b\n1,2\n"), ("lines.txt", "s00\n")):
        (tmp_path / name).write_text(text)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/lines.txt").write_text("s01\n")
    texts = [
        "1prcent",
        *(f"{tmp_path}/{name}" for name in ("empty.txt", "columns.csv", "columns.csv:c", "lines.txt:a")),
    ]
    with pytest.raises(RequestError) as caught:
        read_label_lists([*texts, f"{tmp_path}/lines.txt", f"{tmp_path}/other/lines.txt"], {"1percent": ["s00"]})
    told = [problem.removeprefix("splits.label_lists").replace(str(tmp_path), "T") for problem in caught.value.problems]
    assert told[0].startswith("=1prcent: neither a file nor a list of the data")
    assert "Did you mean '1percent'?" in told[0]
    assert told[1:] == [
        "=T/empty.txt: contains no id. Write one id per line",
        "=T/columns.csv: has several columns; possible: a, b. Write FILE:COLUMN",
        "=T/columns.csv:c: has no column 'c'; possible: a, b. Write FILE:COLUMN",
        "=T/lines.txt:a: lines.txt has no columns. Remove ':a', or name a .csv or .tsv file",
        ": two lists have the name 'lines'. Rename one of the files",
    ]


def test_a_list_that_fits_has_no_problem():
    assert problems_of("s00", "s01", "s02", "s20") == []


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (("s00", "s01", "s02", "s00"), "has 1 id ('s00') twice. Remove the duplicates"),
        (("s00", "s01", "s02", "x", "y"), "has 2 ids (such as 'x') that the data lacks. Its ids are such as 's00'"),
        (("s00", "s01", "s02", "s25"), ", fold 0: the test set contains 1 id ('s25'). Remove them"),
        (("s00", "s01"), ", fold 0: 1 class ('c') without a listed sample. Add ids of every class"),
        ((*IDS[:3], *IDS[18:24]), ", fold 0: no validation sample is left. Remove ids"),
    ],
)
def test_ids_that_cannot_be_trained_on_are_errors(ids, told):
    (problem,) = problems_of(*ids)
    assert problem.startswith("splits.label_lists: list 'few'")
    assert told in problem


def test_unlabeled_samples_and_groups_of_the_test_set_are_errors():
    labels = np.where(IDS == "s03", -1, LABELS)
    (problem,) = problems_of("s00", "s01", "s02", "s03", labels=labels)
    assert "has 1 sample ('s03') without a label" in problem
    key = np.where(np.isin(IDS, ["s00", "s27"]), "same", IDS)
    (problem,) = problems_of("s00", "s01", "s02", key=key)
    assert "groups of the test set contain 1 id ('s00')" in problem


def test_listed_validation_samples_are_trained_on_and_their_groups_leave_the_validation_part():
    key = np.where(np.isin(IDS, ["s18", "s19"]), "same", IDS)
    bank, validation = divide_by_list(LabelList(name="few", ids=("s00", "s18")), IDS, DIVISION, key)
    assert IDS[bank].tolist() == ["s00", "s18"]
    assert IDS[validation].tolist() == ["s20", "s21", "s22", "s23"]


def test_only_evaluations_on_a_list_depend_on_its_ids(tmp_path):
    (part,) = open_dataset("digits")
    ids = part.dataset.columns["id"][divide_part(part).bank].tolist()
    path = tmp_path / "few.txt"

    def keys(*listed: str) -> dict[str, frozenset[str]]:
        path.write_text("\n".join(listed))
        overrides = [f"splits.label_lists=[{path}]"] if listed else []
        return stage_keys(plan_run("raw-features", "digits", "protocols=[knn,clustering]", "seeds=[0]", *overrides))

    without, first, second = keys(), keys(*ids[:200]), keys(*ids[:201])
    assert keys(*reversed(ids[:200])) == first, "the order of ids changes nothing"
    for kind in ("prepare", "pretrain", "extract"):
        assert first[kind] == second[kind] == without[kind]
    assert without["evaluate"] == first["evaluate"] & second["evaluate"]
    assert [len(one["evaluate"]) for one in (without, first, second)] == [2, 3, 3], "clustering uses no labels"


def test_a_wrapped_dataset_offers_the_lists_of_the_wrapped_one():
    dataset = open_dataset("digits")[0].dataset
    wrapped = TransformedDataset(dataset, dataset.modalities)
    assert getattr(wrapped, "label_lists", {}) == {}
    dataset.label_lists = {"few": ["0"]}
    try:
        assert wrapped.label_lists == {"few": ["0"]}
    finally:
        del dataset.label_lists


def test_a_run_on_real_images_shows_the_list_by_its_name(shared: Path, tmp_path):
    data = {"root": str(shared / "bccd_cells/images"), "title": "cells"}
    (part,) = open_dataset("image-folder", data)
    labels, ids, bank = part.dataset.labels, part.dataset.columns["id"], divide_part(part).bank
    rows = np.concatenate([bank[labels[bank] == code][:3] for code in range(len(part.dataset.target.names))])
    path = tmp_path / "three-each.txt"
    path.write_text("\n".join(ids[rows]))
    settings = {
        "protocols": ["knn"], "baselines": "none", "data": data, "splits.label_lists": [str(path)], "seeds": [0],
        "splits.label_fractions": [0.5], "prepare.size": 16,
    }  # fmt: skip
    results = sslbench.run("raw-features", "image-folder", out=tmp_path / "runs", settings=settings)
    (record,) = results.records
    assert record.status == "done", record.reason
    counted = results.labels.set_index("fraction")
    assert counted.loc["three-each", ["samples", "min", "max"]].tolist() == [len(rows), 3, 3]
    scores = results.scores.query("metric == 'macro_accuracy'").groupby("setting")["value"].mean()
    assert scores.index.tolist() == ['{"fraction": "three-each"}', '{"fraction": 0.5}']
    frames = build_frames(results, {record.run: [{}]}, None, "", core_metrics())
    table = make_table(frames, TableSettings(rows=("fraction",), where={"metric": "macro_accuracy"}), [], tmp_path)
    assert table is not None
    assert {row[0] for row in table.rows} == {"three-each", "0.5"}


def test_a_list_of_test_samples_stops_the_plan_and_names_the_data(tmp_path):
    (part,) = open_dataset("digits")
    ids = part.dataset.columns["id"][divide_part(part).query]
    (tmp_path / "wrong.txt").write_text("\n".join(ids[:5]))
    with pytest.raises(RequestError) as caught:
        plan_run("raw-features", "digits", "protocols=[knn]", f"splits.label_lists=[{tmp_path}/wrong.txt]")
    (problem,) = caught.value.problems
    assert problem.startswith("splits.label_lists: list 'wrong', fold 0: the test set contains 5 ids")
    assert problem.endswith("(digits)")


def test_no_share_and_no_list_of_labels_is_an_error():
    with pytest.raises(RequestError) as caught:
        plan_run("raw-features", "digits", "splits.label_fractions=[]")
    assert caught.value.problems == (
        "splits.label_fractions: is empty, and so is splits.label_lists. Name one of them",
    )
