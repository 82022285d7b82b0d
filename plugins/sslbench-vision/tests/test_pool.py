"""Test pools: which images of several datasets are kept, and why others are left out."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sslbench_vision.datasets.pool_rules import (
    REASONS,
    Member,
    count_reasons,
    find_reasons,
    make_naming,
    normalize_class_name,
)

import sslbench
from sslbench.api.errors import RequestError, SslbenchError
from sslbench.testing.plans import SMALL_RUN


def make_member(label: str, *images: tuple[str, str, str]) -> Member:
    contents, names, classes = zip(*images, strict=True) if images else ((), (), ())
    return Member(label=label, contents=contents, names=names, classes=classes)


SEA = make_member("sea", ("1", "a.png", "Ciliata"), ("2", "b.png", "Dinophyceae"))
LAKE = make_member(
    "lake",
    ("1", "x.png", "other"),
    ("3", "a.png", "other"),
    ("4", "y.png", "ciliata"),
    ("5", "z.png", ""),
    ("5", "w.png", ""),
)


def test_each_rule_leaves_out_its_images():
    found = find_reasons([SEA, LAKE], ["sea"], make_naming({}), by_name=True)
    assert found == {"sea": ["target"] * 2, "lake": ["same bytes", "same name", "shared class", "", "repeated"]}
    assert find_reasons([SEA, LAKE], ["sea"], make_naming({}), by_name=False)["lake"][1] == ""
    complete = find_reasons([SEA, LAKE], [], make_naming({}), by_name=True)
    assert complete == {"sea": ["", ""], "lake": ["repeated", "", "", "", "repeated"]}
    mapped = make_naming({("lake", "other"): "Dinophyceae"})
    assert find_reasons([SEA, LAKE], ["sea"], mapped, by_name=False)["lake"][1] == "shared class"
    rows = count_reasons(found)
    assert rows[1] == {"member": "lake", "images": 5, "target": 0, "same bytes": 1, "same name": 1, "shared class": 1,
                       "repeated": 1, "not drawn": 0, "kept": 1}  # fmt: skip
    assert rows[-1]["images"] == 7


def test_different_spellings_of_a_class_are_equal():
    assert normalize_class_name("Cryptophyceae-Teleaulax") == normalize_class_name("cryptophyceae_ teleaulax")
    assert normalize_class_name("Dolichospermum-Anabaenopsis") != normalize_class_name(
        "Dolichospermum-Anabaenopsis-coiled"
    )


IMAGES = st.lists(
    st.tuples(st.sampled_from("123456"), st.sampled_from("abc"), st.sampled_from(["", "x", "y", "z"])), max_size=12
)


@given(IMAGES, IMAGES, IMAGES, st.booleans())
def test_no_image_or_class_of_a_target_is_kept(target, one, two, by_name):
    members = [make_member("one", *one), make_member("target", *target), make_member("two", *two)]
    found = find_reasons(members, ["target"], make_naming({}), by_name=by_name)
    kept = [
        (c, n, k)
        for m in members
        for c, n, k, reason in zip(m.contents, m.names, m.classes, found[m.label], strict=True)
        if not reason
    ]
    assert not {c for c, _, _ in kept} & {c for c, _, _ in target}
    assert not {k for _, _, k in kept if k} & {k for _, _, k in target}
    assert max(Counter(c for c, _, _ in kept).values(), default=0) <= 1
    for row in count_reasons(found):
        assert row["images"] == row["kept"] + sum(row[reason] for reason in REASONS)


def test_a_run_on_a_pool_reports_its_training_data(tmp_path, cli):
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for place, (scan, label) in enumerate(zip(digits.images[:160], digits.target[:160], strict=True)):
        folder = tmp_path / ("target" if place < 80 else "other") / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((scan * 15).astype("uint8")).save(folder / f"{place}.png")
    shutil.copy(tmp_path / "target/0/0.png", tmp_path / "other/1/again.png")
    target = {"name": "image-folder", "root": str(tmp_path / "target")}
    members = {"target": target, "other": {"name": "image-folder", "root": str(tmp_path / "other")}}
    (tmp_path / "names.csv").write_text("member,class,name\n" + "".join(f"other,{n},other {n}\n" for n in range(10)))
    pool = {"members": members, "without": ["target"], "crosswalk": str(tmp_path / "names.csv")}
    tree = {"method": {"name": "mae"}, "data": target, "pretrain": {"pool": "pool", "settings": pool}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    settings = {**SMALL_RUN, "backbone.depth": 1, "view.size": 8, "protocols": ["knn"], "baselines": "random-init"}
    overrides = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
    answer = cli(
        "run",
        "--config",
        str(tmp_path / "run.yaml"),
        "--out",
        str(tmp_path / "runs"),
        *overrides,
        env={"COLUMNS": "160"},
    )
    assert answer.returncode == 0, answer.stderr
    records = sslbench.load_results(tmp_path / "runs").records
    (record,) = [record for record in records if record.method["name"] == "mae"]
    assert record.status == "done", record.reason
    assert record.pool.startswith("pool-")
    assert record.training[0]["samples"] == 80
    assert record.pretrained_on[0]["account"]["rows"][1] == ["other", 81, 0, 1, 0, 0, 0, 0, 80]
    assert "pool: training data" in answer.stdout
    row = next(line for line in answer.stdout.splitlines() if line.startswith("other"))
    assert row.split()[1:] == ["81", "0", "1", "0", "0", "0", "0", "80"]


def test_settings_without_a_pool_are_rejected():
    with pytest.raises(RequestError, match=r"pretrain\.settings: has no effect with pretrain\.pool=train"):
        sslbench.run("mae", "digits", settings={"pretrain.settings.members": {"a": "digits"}})


@pytest.mark.parametrize(
    ("members", "without", "sentence"),
    [
        ({"a": "digits"}, ["b"], "without: 'b' is not a member. Choose from: a"),
        ({"a": 3}, [], "members.a: names no dataset. Write a: NAME or a: {name: NAME, …}"),
        ({"a/b": "digits"}, [], "members.a/b: a label must not contain '/'"),
        ({"a": "digitz"}, [], "dataset 'digitz' is not installed. Did you mean 'digits'?"),
        ({"a": "digits"}, ["a"], "pretrain.settings.without=['a']: leaves no image of a"),
        ({"a": "digits/test"}, [], "pretrain.settings.dependencies.a: 'digits' has no part 'test'"),
        ({"a": "mnist"}, [], "a (mnist): looked in"),
        ({"a": "digits+mnist"}, [], "members.a: joins several datasets by '+'"),
        ({}, [], "pretrain.settings.members: the pool has no members. Set members.LABEL=DATASET"),
    ],
)
def test_an_impossible_pool_is_reported(members, without, sentence):
    assert sentence in error_of_pool({"members": members, "without": without})


def test_settings_of_a_pool_that_do_not_fit_its_members_are_named(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    color = {"name": "image-folder", "root": str(tmp_path)}
    assert error_of_pool({"members": {"a": "digits", "b": color}}) == (
        "pretrain.settings.members: 'b' has 3 channels of 'image', but 'a' has 1 channels of 'image'. "
        "Choose members with equal channels, or set their settings channels"
    )
    assert error_of_pool({"members": {"a": "digits"}, "crosswalk": str(tmp_path)}).startswith(
        f"pretrain.settings.crosswalk={tmp_path}: is not a file. Set it to a CSV file"
    )


def test_a_pool_without_members_was_not_searched_for(cli):
    answer = cli("run", "--method", "raw-features", "--dataset", "pool")
    assert answer.returncode == RequestError.exit_code
    assert "data.members: the pool has no members. Set members.LABEL=DATASET" in answer.stderr
    assert "was not found" not in answer.stderr
    assert "data: pool: needs settings (members: the pool has no members" in cli("doctor").stdout


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("a,3,\n", "'a', '3' has no name. Enter one, or remove the line"),
        ("b,3,three\n", "'b'"),
        ("a,eleven,three\n", "'eleven'"),
    ],
)
def test_an_invalid_crosswalk_line_is_reported(lines, sentence, tmp_path):
    (tmp_path / "names.csv").write_text(f"member,class,name\n{lines}")
    assert sentence in error_of_pool({"members": {"a": "digits"}, "crosswalk": str(tmp_path / "names.csv")})


def error_of_pool(pool: dict) -> str:
    settings = {"pretrain.pool": "pool", "pretrain.settings": pool}
    with pytest.raises(SslbenchError) as error:
        sslbench.run("mae", "digits", settings=settings)
    return str(error.value)
