"""Stage keys: everything that a stage depends on changes its key, so that no result is stale."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sslbench import environment
from sslbench.api.files import digest_files
from sslbench.app.run import run_requests
from sslbench.config.choices import choose
from sslbench.config.run_names import run_id
from sslbench.progress import NoDisplay
from sslbench.testing.plans import STAGE_KINDS, stage_keys
from tests.stage_plans import CATALOG, MACHINE, answers_of, changed, folder, image_tree, planned


def relabeled(name: str):
    """The catalog with a dataset `scans` in addition to digits that names another label-preserving augmentation."""
    digits = CATALOG.components["dataset"]["digits"]
    scans = replace(digits, spec=replace(digits.spec, name="scans", label_preserving=name))
    components = {**CATALOG.components, "dataset": {**CATALOG.components["dataset"], "scans": scans}}
    return replace(CATALOG, components=components)


def test_the_label_preserving_augmentation_is_part_of_what_trains_with_it():
    first, second = (
        planned("protocols=[knn,finetune,diagnostics]", data="scans", catalog=relabeled(n))
        for n in ("crop", "crop-flip")
    )
    one, other = answers_of(first), answers_of(second)
    assert one["knn", 1.0] == other["knn", 1.0]
    assert one["finetune", 1.0] != other["finetune", 1.0]
    assert one["diagnostics", None] != other["diagnostics", None]
    assert changed(first, second) == {"extract", "evaluate"}, "the features of views, and no encoder"


def test_the_label_preserving_augmentation_is_no_part_of_what_does_not_use_it():
    asked = ["protocols=[finetune]", "protocol_settings.finetune.augment=false"]
    one, other = (planned(*asked, data="scans", catalog=relabeled(name)) for name in ("crop", "crop-flip"))
    assert answers_of(one) == answers_of(other)


def test_every_dataset_is_fine_tuned_with_its_own_augmentation_in_any_order(tmp_path):
    tiny = ["protocols=[finetune]", "protocol_settings.finetune.epochs=2", "protocol_settings.finetune.min_steps=0", "splits.label_fractions=[0.1]",
            "baselines=none", "pretrain.pool=digits", "backbone.name=micro-cnn", "backbone.widths=[8,8,16,16]", "seeds=[0]"]  # fmt: skip
    catalog = relabeled("")

    def measured(data: str, out: str) -> dict[str, float]:
        lists = {"method": ["random-init"], "data": [data]}
        results = run_requests(lists, {}, tiny, None, tmp_path / out, catalog, NoDisplay())
        scores = results.scores[results.scores["metric"] == "micro_accuracy"]
        return dict(zip(scores["dataset"], scores["value"], strict=True))

    alone = measured("digits", "one") | measured("scans", "two")
    assert alone["digits"] != alone["scans"], "two augmentations"
    assert measured("digits+scans", "three") == alone
    assert measured("scans+digits", "three") == alone
    assert len(list((tmp_path / "three").glob("*/record.json"))) == 2
    assert len(list((tmp_path / "three/stages/evaluate").iterdir())) == 2, "the second order found all answers there"


def test_rows_held_out_of_a_whole_pool_follow_its_groups(tmp_path):
    data = folder(image_tree(tmp_path / "mine"))
    base = ("pretrain.pool=all", "train.patience=2", "protocols=[knn]", "splits.folds=2")
    first = planned(*base, data=data)
    assert "pretrain" in changed(first, planned(*base, "splits.groups=source", data=data))
    blocks = [planned(*base, "splits.groups=source", f"splits.group_gap={b}", data=data) for b in (0.25, 0.5)]
    assert "pretrain" in changed(*blocks)
    assert "pretrain" in changed(first, planned(*base, "train.holdout_fraction=0.2", data=data))
    loose = [planned(*base[:1], *base[2:], *more, data=data) for more in ((), ("splits.groups=source",))]
    assert changed(*loose) == {"evaluate"}, "where nothing is held out a pool has no groups"


def with_versions(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    real = environment._version
    monkeypatch.setattr(environment, "_version", lambda name: versions.get(name.replace("-", "_"), real(name)))


def test_the_version_of_a_package_of_weights_is_part_of_the_encoder(monkeypatch):
    more = ("backbone.name=tf_efficientnet_lite0", "method.package=some-weights", "view.size=32", "protocols=[knn]")
    before = stage_keys(planned(*more, method="pretrained"))
    with_versions(monkeypatch, some_weights="2.0")
    after = stage_keys(planned(*more, method="pretrained"))
    assert before["prepare"] == after["prepare"]
    assert not before["pretrain"] & after["pretrain"]
    assert environment.versions(("some-weights",)) == {"some-weights": "2.0"}


def test_a_library_matters_only_to_what_names_it(monkeypatch):
    plans = {
        name: planned(f"backbone.name={name}", "view.size=32", "protocols=[knn]", method="random-init")
        for name in ("micro-cnn", "tf_efficientnet_lite0")
    }
    before = {name: stage_keys(plan) for name, plan in plans.items()}
    with_versions(monkeypatch, timm="99", torchvision="99")
    after = {name: stage_keys(plan) for name, plan in plans.items()}
    assert before["micro-cnn"] == after["micro-cnn"]
    assert not before["tf_efficientnet_lite0"]["pretrain"] & after["tf_efficientnet_lite0"]["pretrain"]


def test_a_package_is_known_by_the_name_that_it_is_imported_by():
    assert "scikit-learn" in environment.versions(("sklearn",))["sklearn"]
    assert not environment.versions(("no-such-package",))


def test_versions_of_what_finds_cells_are_part_of_the_cells(monkeypatch):
    problems: list[str] = []
    cells, scans = (choose(CATALOG, "dataset", name, {}, "data", problems) for name in ("bbbc021", "digits"))
    before = cells.key_form(), scans.key_form()
    with_versions(monkeypatch, scikit_image="99")
    assert cells.key_form() != before[0]
    assert scans.key_form() == before[1]


def test_the_version_of_the_harness_is_part_of_every_stage(monkeypatch):
    before = stage_keys(planned())
    with_versions(monkeypatch, sslbench="99")
    after = stage_keys(planned())
    assert all(not before[kind] & after[kind] for kind in STAGE_KINDS)


@pytest.mark.parametrize("method", ["raw-features", "random-init"])
@pytest.mark.parametrize(
    ("more", "machine"),
    [
        (("threads=3",), {}),
        (("train.precision=bfloat16",), {}),
        ((), {"cpu_matmul_dtype": "bfloat16"}),
        (("splits.label_fractions=[0.1,1.0]",), {}),
        (("splits.label_fractions=[1.0,0.1]",), {}),
        (("pretrain.pool=all",), {}),
        (("seeds=[1]",), {}),
        (("folds=[1]",), {}),
        (("protocol_settings.knn.temperature=0.1",), {}),
        (("prepare.unreadable=0.5",), {}),
    ],
)
def test_a_run_has_its_own_folder_for_everything_that_its_record_states(method, more, machine):
    asked = ("protocols=[knn,linear]",)
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
    assert stage_keys(planned(data="digits+digits")) == stage_keys(planned())


def test_files_of_equal_names_sizes_and_times_are_different(tmp_path):
    """As two uncompressed archives unpack them."""
    for name, byte in (("one", b"a"), ("other", b"b")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.pgm").write_bytes(byte * 100)
        import os

        os.utime(tmp_path / name / "x.pgm", (1, 1))
    found = [digest_files(tmp_path / n, [tmp_path / n / "x.pgm"], tmp_path / "known") for n in ("one", "other", "one")]
    assert found[0] != found[1]
    assert found[0] == found[2]


def test_the_precision_of_products_is_part_of_answers_alone():
    plans = [planned("protocols=[knn]", machine=replace(MACHINE, cpu_matmul_dtype=p)) for p in ("float32", "bfloat16")]
    assert changed(*plans) == {"evaluate"}
