"""Stage keys: whatever a stage depends on changes its key, and nothing else does."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sslbench import environment
from sslbench.api.files import contents
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.choices import choose
from sslbench.config.keys import run_id
from sslbench.config.parts import Shelf
from sslbench.config.plan import Machine, Plan, make_plan
from sslbench.config.request import read_request
from sslbench.data.prepare import Job, prepare
from sslbench.execute.here import run_requests
from sslbench.pipeline import stages_of
from sslbench.report.live import Quiet
from sslbench.results.store import Store

CATALOG = discover(installed_entries())
MACHINE = Machine(threads=1, precision="float32")
ALL = ("prepare", "pretrain", "extract", "evaluate")


def planned(*overrides: str, method: str = "mae", machine: Machine = MACHINE, catalog=CATALOG, data="digits") -> Plan:
    options = {"method": {"name": method}, "data": {"name": data} if isinstance(data, str) else data}
    tree = read_request(None, options, ["seeds=[0]", *overrides])
    return make_plan(tree, catalog, Shelf(environment.places()), machine)


def keys_of(plan: Plan) -> dict[str, set[str]]:
    """The keys of a plan's stages by kind."""
    found: dict[str, set[str]] = {kind: set() for kind in ALL}
    for stage in stages_of(plan, Store(root=Path("out"), prepared=Path("prepared"))):
        found[stage.kind].add(stage.key)
    return found


def answers_of(plan: Plan) -> dict[tuple[str, float | None], str]:
    """The keys of the answers by protocol and share of labels."""
    stages = list(stages_of(plan, Store(root=Path("out"), prepared=Path("prepared"))))
    return {(s.facts["protocol"], s.facts["fraction"]): s.key for s in stages if s.kind == "evaluate"}


def changed(first: Plan, second: Plan) -> set[str]:
    """The kinds of stages of which any key differs."""
    one, other = keys_of(first), keys_of(second)
    return {kind for kind in ALL if one[kind] != other[kind]}


def picture_tree(root: Path, sides: tuple[int, int] = (9, 14)) -> Path:
    """Write twelve gray images of two classes, three of each source, wider than high."""
    rng = np.random.default_rng(0)
    for number in range(12):
        path = root / f"{'ab'[number % 2]}/s{number // 3}-r{number // 6}-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, sides, dtype=np.uint8)).save(path)
    return root


def folder(root: Path, **settings) -> dict:
    columns = {"source": r"s(\d)", "roll": r"r(\d)"}
    return {"name": "plankton-folder", "root": str(root), "columns": columns, **settings}


# ---- what was stale


def relabeled(name: str):
    """The catalog with a dataset `scans` beside digits that names another label-preserving augmentation."""
    digits = CATALOG.components["dataset"]["digits"]
    scans = replace(digits, spec=replace(digits.spec, name="scans", label_preserving=name))
    components = {**CATALOG.components, "dataset": {**CATALOG.components["dataset"], "scans": scans}}
    return replace(CATALOG, components=components)


def test_the_label_preserving_augmentation_is_part_of_what_trains_with_it():
    first, second = (
        planned("measure=[knn,finetune,diagnostics]", data="scans", catalog=relabeled(n)) for n in ("crop", "crop-flip")
    )
    one, other = answers_of(first), answers_of(second)
    assert one["knn", 1.0] == other["knn", 1.0]
    assert one["finetune", 1.0] != other["finetune", 1.0]
    assert one["diagnostics", None] != other["diagnostics", None]
    assert changed(first, second) == {"extract", "evaluate"}, "the features of views, and no encoder"


def test_the_label_preserving_augmentation_is_no_part_of_what_does_not_use_it():
    asked = ["measure=[finetune]", "protocols.finetune.augment=false"]
    one, other = (planned(*asked, data="scans", catalog=relabeled(name)) for name in ("crop", "crop-flip"))
    assert answers_of(one) == answers_of(other)


def test_every_dataset_is_fine_tuned_with_its_own_augmentation_in_any_order(tmp_path):
    tiny = ["measure=[finetune]", "protocols.finetune.epochs=2", "protocols.finetune.min_steps=0", "splits.fractions=[0.1]",
            "baselines=none", "pretrain.pool=digits", "backbone.name=micro-cnn", "backbone.widths=[8,8,16,16]", "seeds=[0]"]  # fmt: skip
    catalog = relabeled("")

    def measured(data: str, out: str) -> dict[str, float]:
        lists = {"method": ["random-init"], "data": [data]}
        results = run_requests(lists, {}, tiny, None, tmp_path / out, catalog, Quiet())
        scores = results.scores[results.scores["metric"] == "micro_accuracy"]
        return dict(zip(scores["dataset"], scores["value"], strict=True))

    alone = measured("digits", "one") | measured("scans", "two")
    assert alone["digits"] != alone["scans"], "two augmentations"
    assert measured("digits+scans", "three") == alone
    assert measured("scans+digits", "three") == alone
    assert len(list((tmp_path / "three").glob("*/record.json"))) == 2
    assert len(list((tmp_path / "three/stages/evaluate").iterdir())) == 2, "the second order found all answers there"


def test_rows_held_out_of_a_whole_pool_follow_its_groups(tmp_path):
    data = folder(picture_tree(tmp_path / "mine"))
    base = ("pretrain.pool=all", "train.patience=2", "measure=[knn]", "splits.folds=2")
    first = planned(*base, data=data)
    assert "pretrain" in changed(first, planned(*base, "splits.groups=source", data=data))
    blocks = [planned(*base, "splits.groups=source", f"splits.block={b}", data=data) for b in (0.25, 0.5)]
    assert "pretrain" in changed(*blocks)
    assert "pretrain" in changed(first, planned(*base, "train.held_out=0.2", data=data))
    loose = [planned(*base[:1], *base[2:], *more, data=data) for more in ((), ("splits.groups=source",))]
    assert changed(*loose) == {"evaluate"}, "where nothing is held out a pool has no groups"


def with_versions(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    real = environment._version
    monkeypatch.setattr(environment, "_version", lambda name: versions.get(name.replace("-", "_"), real(name)))


def test_the_version_of_a_package_of_weights_is_part_of_the_encoder(monkeypatch):
    more = ("backbone.name=tf_efficientnet_lite0", "method.package=some-weights", "view.size=32", "measure=[knn]")
    before = keys_of(planned(*more, method="pretrained"))
    with_versions(monkeypatch, some_weights="2.0")
    after = keys_of(planned(*more, method="pretrained"))
    assert before["prepare"] == after["prepare"]
    assert not before["pretrain"] & after["pretrain"]
    assert environment.versions(("some-weights",)) == {"some-weights": "2.0"}


def test_a_package_is_known_by_the_name_that_it_is_imported_by():
    assert "scikit-learn" in environment.versions(("sklearn",))["sklearn"]
    assert not environment.versions(("no-such-package",))


def test_versions_of_what_finds_cells_are_part_of_the_cells(monkeypatch):
    problems: list[str] = []
    cells, scans = (choose(CATALOG, "dataset", name, {}, "data", problems) for name in ("bbbc021", "digits"))
    before = cells.key(), scans.key()
    with_versions(monkeypatch, scikit_image="99")
    assert cells.key() != before[0]
    assert scans.key() == before[1]


def test_the_version_of_the_harness_is_part_of_every_stage(monkeypatch):
    before = keys_of(planned())
    with_versions(monkeypatch, sslbench="99")
    after = keys_of(planned())
    assert all(not before[kind] & after[kind] for kind in ALL)


@pytest.mark.parametrize("method", ["raw-features", "random-init"])
@pytest.mark.parametrize(
    ("more", "machine"),
    [
        (("threads=3",), {}),
        (("train.precision=bfloat16",), {}),
        ((), {"products": "bfloat16"}),
        (("splits.fractions=[0.1,1.0]",), {}),
        (("splits.fractions=[1.0,0.1]",), {}),
        (("pretrain.pool=all",), {}),
        (("seeds=[1]",), {}),
        (("folds=[1]",), {}),
        (("protocols.knn.temperature=0.1",), {}),
        (("prepare.unreadable=0.5",), {}),
    ],
)
def test_a_run_has_a_folder_of_its_own_for_whatever_its_record_tells(method, more, machine):
    asked = ("measure=[knn,linear]",)
    if method == "random-init":
        asked = (*asked, "backbone.name=micro-cnn")
    second = planned(*asked, *more, method=method, machine=replace(MACHINE, **machine))
    assert run_id(planned(*asked, method=method)) != run_id(second)


def test_two_orders_of_datasets_are_two_runs():
    catalog = relabeled("crop-flip")
    names = [
        run_id(planned(data=data, catalog=catalog)) for data in ("digits+scans", "scans+digits", "digits", "scans")
    ]
    assert len(set(names)) == 4


def test_a_dataset_named_twice_is_measured_once():
    assert keys_of(planned(data="digits+digits")) == keys_of(planned())


def test_files_of_equal_names_sizes_and_times_are_told_apart(tmp_path):
    """As two uncompressed archives unpack them."""
    for name, byte in (("one", b"a"), ("other", b"b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.pgm").write_bytes(byte * 100)
        import os

        os.utime(tmp_path / name / "x.pgm", (1, 1))
    found = [contents(tmp_path / n, [tmp_path / n / "x.pgm"], tmp_path / "known") for n in ("one", "other", "one")]
    assert found[0] != found[1]
    assert found[0] == found[2]


# ---- what was computed again for nothing


@pytest.mark.parametrize("measure", ["[knn,linear,finetune,clustering,diagnostics]"])
def test_another_share_of_labels_leaves_everything_else(measure):
    first = planned(f"measure={measure}")
    second = planned(f"measure={measure}", "splits.fractions=[0.1,1.0]")
    assert changed(first, second) == {"evaluate"}
    one, other = answers_of(first), answers_of(second)
    assert one.items() <= other.items()
    assert set(other) - set(one) == {("knn", 0.1), ("linear", 0.1), ("finetune", 0.1)}


def test_another_protocol_leaves_everything_else():
    first, second = planned("measure=[knn,finetune]"), planned("measure=[knn,finetune,diagnostics]")
    one, other = keys_of(first), keys_of(second)
    assert (one["prepare"], one["pretrain"]) == (other["prepare"], other["pretrain"])
    assert (len(other["extract"] - one["extract"]), one["extract"] <= other["extract"]) == (1, True)
    assert answers_of(first).items() <= answers_of(second).items()


def test_a_folder_may_lie_anywhere(tmp_path, monkeypatch):
    here = picture_tree(tmp_path / "here/mine")
    there = shutil.copytree(here, tmp_path / "there/mine")
    monkeypatch.chdir(tmp_path / "here")
    plans = [planned(data=folder(root)) for root in (here, there, "mine")]
    for plan in plans[1:]:
        assert changed(plans[0], plan) == set()
        assert run_id(plan) == run_id(plans[0])
    made = []
    for place, plan in enumerate(plans):
        part, target = plan.evaluate_parts[0], tmp_path / f"prepared-{place}"
        target.mkdir()
        job = Job(name="x", dataset=part.dataset, settings=plan.prepare, canvas=plan.canvas, groups=())
        prepare(job, target, lambda done, total: None)
        made.append(np.load(target / "image.npy"))
    assert made[0].shape[-1] == made[0].shape[-2]
    assert np.array_equal(made[0], made[1]), "the noise beside an image is the same"
    assert np.array_equal(made[0], made[2])


def test_the_noise_beside_an_image_does_not_depend_on_other_images(tmp_path):
    made = []
    for name, left_out in (("all", 0), ("fewer", 5)):
        root = picture_tree(tmp_path / name)
        for path in sorted(root.rglob("*.png"))[:left_out]:
            path.unlink()
        plan = planned("prepare.size=16", data=folder(root))
        part, target = plan.evaluate_parts[0], tmp_path / f"prepared-{name}"
        target.mkdir()
        job = Job(name="x", dataset=part.dataset, settings=plan.prepare, canvas=plan.canvas, groups=())
        prepare(job, target, lambda done, total: None)
        made.append(dict(zip(part.dataset.columns["id"].tolist(), np.load(target / "image.npy"), strict=True)))
    assert all(np.array_equal(picture, made[0][name]) for name, picture in made[1].items())


def test_members_of_a_pool_may_lie_anywhere(tmp_path):
    roots = [picture_tree(tmp_path / "here/mine"), tmp_path / "there/mine"]
    shutil.copytree(*roots)
    plans = []
    for root in roots:
        tree = {"pretrain": {"pool": "pool", "settings": {"members": {"mine": folder(root)}}}}
        request = read_request(None, {"method": {"name": "mae"}, "data": folder(root), **tree}, ["seeds=[0]"])
        plans.append(make_plan(request, CATALOG, Shelf(environment.places()), MACHINE))
    assert changed(*plans) == set()
    assert plans[0].pool == plans[1].pool


@pytest.mark.parametrize(
    "setting",
    ["protocols.knn.memory=64", "protocols.gallery.memory=64", "train.checkpoint_seconds=5", "prepare.unreadable=0.2"],
)
def test_settings_that_change_no_number_change_no_key(setting):
    asked = ("measure=[knn,gallery]",)
    assert changed(planned(*asked), planned(*asked, setting)) <= {"prepare"}


ON = "train.optimiser=sgd"
OFF = [
    ((), "train.momentum=0.5"),
    ((), "train.trust=0.1"),
    ((), "train.trust_clip=true"),
    ((ON,), "train.betas=[0.5,0.9]"),
    ((ON,), "train.trust=0.1"),
    (("train.optimiser=lars",), "train.betas=[0.5,0.9]"),
    (("train.warmup=0",), "train.warmup_from=0.1"),
    (("train.schedule=one-cycle",), "train.warmup=2"),
    (("train.schedule=constant",), "train.final_rate=0.1"),
    ((), "train.least_epochs=2"),
    ((), "train.watched=training"),
    ((), "train.held_out=0.3"),
    (("train.patience=3",), "train.held_out=0.3"),
    (("train.patience=3", "train.watched=training"), "train.held_out=0.3"),
    (("train.clip=0",), "train.clip_by=parameter"),
    (("train.decay=0",), "train.decay_norms_and_biases=true"),
    (("train.steps=40", "train.warmup=0"), "train.epochs=7"),
    ((), "prepare.fit=squash"),
    ((), "prepare.size=128"),
    (("measure=[knn]", "protocols.knn.vote=inverse"), "protocols.knn.temperature=0.5"),
    (("measure=[finetune]", "protocols.finetune.head=linear"), "protocols.finetune.bottleneck=16"),
    (("measure=[clustering]",), "protocols.clustering.bins=3"),
    (("measure=[gallery]",), "protocols.gallery.exhausted=absent"),
    ((), "splits.official=false"),
    (
        ("augmentation.name=crop", "augmentation.crop.p=0"),
        "augmentation.crop.scale=[0.5,1.0]",
    ),
]
"""A setting that is off, and what switches it off."""


@pytest.mark.parametrize(("base", "setting"), OFF, ids=[setting for _, setting in OFF])
def test_settings_that_are_off_change_no_key(base, setting):
    assert changed(planned(*base), planned(*base, setting)) == set()


SWITCHED_ON = [
    ((ON,), "train.momentum=0.5", "pretrain"),
    (("train.optimiser=lars",), "train.trust=0.1", "pretrain"),
    ((), "train.betas=[0.5,0.9]", "pretrain"),
    (("train.warmup=2",), "train.warmup_from=0.1", "pretrain"),
    ((), "train.final_rate=0.1", "pretrain"),
    (("train.patience=3",), "train.least_epochs=2", "pretrain"),
    (("train.patience=3",), "train.watched=training", "pretrain"),
    (("train.patience=3", "pretrain.pool=all"), "train.held_out=0.3", "pretrain"),
    (("train.clip=1",), "train.clip_by=parameter", "pretrain"),
    ((), "train.decay_norms_and_biases=true", "pretrain"),
    ((), "train.epochs=7", "pretrain"),
    (("train.warmup=3", "train.steps=40"), "train.epochs=7", "pretrain"),
    ((), "splits.folds=3", "pretrain"),
    ((), "splits.validation=0.3", "pretrain"),
    ((), "prepare.background=dark", "prepare"),
    ((), "prepare.samples=500", "prepare"),
    ((), "view.size=16", "pretrain"),
    (("measure=[knn]",), "protocols.knn.temperature=0.5", "evaluate"),
    (("measure=[finetune]",), "protocols.finetune.bottleneck=16", "evaluate"),
    (("measure=[gallery]", "pretrain.pool=all"), "protocols.gallery.shots=[1]", "evaluate"),
    (("augmentation.name=crop",), "augmentation.crop.scale=[0.5,0.9]", "pretrain"),
]
"""A setting that acts, and the first kind of stage that it changes."""


@pytest.mark.parametrize(("base", "setting", "kind"), SWITCHED_ON, ids=[setting for _, setting, _ in SWITCHED_ON])
def test_settings_that_act_change_the_keys_of_what_they_act_on(base, setting, kind):
    found = changed(planned(*base), planned(*base, setting))
    assert ALL[ALL.index(kind) :] == tuple(one for one in ALL if one in found)


def test_a_split_that_the_data_states_needs_no_folds(tmp_path):
    root = tmp_path / "split"
    for part in ("train", "test"):
        picture_tree(root / part)
    data = {"name": "image-folder", "root": str(root)}
    assert changed(planned(data=data), planned("splits.folds=3", data=data)) == set()
    assert "pretrain" in changed(planned(data=data), planned("splits.official=false", data=data))


def test_frozen_weights_are_one_encoder_for_all_seeds():
    more = ("backbone.name=tf_efficientnet_lite0", "method.weights=weights.pt", "view.size=32", "seeds=[0,1,2]")
    keys = keys_of(planned(*more, "measure=[knn]", method="pretrained"))
    assert [len(keys[kind]) for kind in ALL] == [1, 1, 1, 3]
