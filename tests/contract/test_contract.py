"""The plugin contract on every hard case of the five papers, by toys that change nothing of the core."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sslbench.api import Target
from sslbench.api.errors import RequestError
from sslbench.app.run import run_plans
from sslbench.catalog.discovery import PluginEntry, discover, installed_entries
from sslbench.catalog.facts import Origin
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, make_plan
from sslbench.config.plan_stages import split_plan
from sslbench.config.request import read_request
from sslbench.data.keyed_random import CounterRandom
from sslbench.environment import places
from sslbench.progress import NoDisplay
from sslbench.results.store import Store
from tests.toys import data, methods, parts

MACHINE = Machine(threads=2, precision="float32")
ENTRIES = [
    PluginEntry(
        origin=Origin(plugin=module.__name__, distribution="toys", version="1"), load=lambda module=module: module
    )
    for module in (data, methods, parts)
]
CATALOG = discover([*installed_entries(), *ENTRIES], strict=True)
SHORT = ("train.epochs=2", "train.batch_size=16", "seeds=[0]", "view.size=16", "protocols=[knn]")


@pytest.fixture(autouse=True)
def forget():
    methods.SEEN.clear()


def run(out, method: str, dataset: str, *overrides: str):
    tree = read_request(None, {"method": {"name": method}, "data": {"name": dataset}}, [*SHORT, *overrides])
    plan = make_plan(tree, CATALOG, DatasetCache(places()), MACHINE)
    record = run_plans([plan], Store(root=out), CATALOG, NoDisplay()).records[0]
    trace = (out / record.run / "traceback.txt").read_text() if record.status == "failed" else ""
    assert record.status in ("done", "collapsed"), trace or record.reason
    return record


MEAN = "backbone.name=toy-mean"
BOTH = ("backbones.image.name=toy-mean", "backbones.profile.name=toy-mean", "augmentation.name=toy-shift")
IMAGE = ("backbones.image.name=toy-mean", "augmentation.name=toy-shift")


def test_two_modalities_ragged_sequences_and_side_information(tmp_path):
    record = run(tmp_path, "toy-pairs", "toy-pairs", *BOTH, "protocol_settings.knn.space=joint")
    assert set(record.backbones) == {"image", "profile"}
    assert len(methods.SEEN["sizes"]) > 5
    assert methods.SEEN["lengths"] <= set(range(3, 9))
    assert len(methods.SEEN["lengths"]) > 3
    folder = next((tmp_path / "stages/extract").iterdir())
    assert {p.stem for p in folder.glob("*.npy")} == {"image", "image.joint", "profile", "profile.joint"}
    assert np.load(folder / "image.joint.npy").shape == (60, 4)


def test_a_wrong_number_of_modalities_is_refused_with_what_to_name(tmp_path):
    with pytest.raises(RequestError) as raised:
        run(tmp_path, "toy-pairs", "toy-spectra", MEAN, "augmentation.name=toy-shift")
    assert (
        "'toy-pairs' takes 2 modalities, not 1 (spectrum). Choose another method, or data with more modalities"
        in str(raised.value)
    )
    with pytest.raises(RequestError) as raised:
        run(tmp_path, "simclr", "toy-pairs", MEAN, "augmentation.name=toy-shift")
    assert "takes 1 modality, not 2 (image, profile). Select from image, profile with --backbone image=NAME" in str(
        raised.value
    )


def test_masks_belong_to_a_sample_in_any_batch(tmp_path):
    run(tmp_path / "a", "toy-masks", "toy-pairs", *IMAGE, "train.batch_size=40")
    large = dict(methods.SEEN["masks"])
    methods.SEEN.clear()
    run(tmp_path / "b", "toy-masks", "toy-pairs", *IMAGE, "train.batch_size=40", "train.grad_accumulation=8")
    small = methods.SEEN["masks"]
    assert large == small
    assert len({tuple(mask) for mask in large.values()}) > 20
    assert any(large[0, row] != large[1, row] for _, row in large if (1, row) in large and (0, row) in large)


def test_two_processes_draw_what_one_draws():
    from sslbench.data.loader import process_share

    rows = torch.arange(10)
    whole = CounterRandom.of(rows, 0, 0, "method").uniform("mask", 4)
    shares = [torch.from_numpy(process_share(rows.numpy(), rank, 2)) for rank in (0, 1)]
    assert torch.equal(torch.cat(shares), rows)
    assert torch.equal(whole, torch.cat([CounterRandom.of(part, 0, 0, "method").uniform("mask", 4) for part in shares]))


def test_assignments_are_made_once_an_epoch_before_it_starts(tmp_path):
    run(tmp_path, "toy-assignments", "toy-spectra", MEAN, "augmentation.name=toy-shift", "train.epochs=3")
    assert methods.SEEN["before_epoch"] == [0, 1, 2]


def test_a_momentum_network_and_a_queue(tmp_path):
    record = run(tmp_path, "toy-queue", "toy-spectra", MEAN, "augmentation.name=toy-shift")
    assert set(methods.SEEN["carries"]) == {1}
    assert {"loss", "queue"} <= set(record.training[0]["history"][0])
    methods.SEEN.clear()
    run(tmp_path, "toy-queue", "toy-spectra", MEAN, "augmentation.name=toy-shift", "train.grad_accumulation=2")
    assert set(methods.SEEN["carries"]) == {2}


def test_two_augmentation_sets_are_summed_for_a_method_with_a_queue(tmp_path):
    weighted = run(tmp_path, "toy-queue", "toy-spectra", MEAN, "augmentation.name=toy-shift:0.4+toy-strong:1.0")
    assert set(methods.SEEN["carries"]) == {2}
    assert [a["weight"] for a in weighted.augmentations] == [0.4, 1.0]
    alone = run(tmp_path, "toy-queue", "toy-spectra", MEAN, "augmentation.name=toy-shift")
    both, one = (r.training[0]["history"][0]["loss"] for r in (weighted, alone))
    assert both == pytest.approx(1.4 * one, rel=0.25)


def test_a_queue_larger_than_the_data_is_refused(tmp_path):
    with pytest.raises(RequestError, match=r"method\.queue = 61 does not fit 60 training samples"):
        run(tmp_path, "toy-queue", "toy-spectra", MEAN, "augmentation.name=toy-shift", "method.queue=61")


def test_views_of_two_sizes_and_one_that_is_not_augmented(tmp_path):
    run(tmp_path, "toy-sizes", "toy-pairs", "backbones.image.name=toy-mean", "augmentation.name=toy-two-sizes")
    shapes = methods.SEEN["shapes"]
    assert shapes == {"global": [(1, 16, 16)] * 2, "local": [(1, 8, 8)] * 3, "original": [(1, 16, 16)]}
    assert len(methods.SEEN["original"]) > 1
    first = {}
    for rows, images in methods.SEEN["original"].values():
        for row, image in zip(rows, images, strict=True):
            assert torch.equal(first.setdefault(row, image), image)


def test_an_encoder_that_takes_one_size_is_refused_for_two(tmp_path):
    with pytest.raises(RequestError, match="'micro-vit' does not provide any-size, which 'toy-sizes' needs"):
        run(tmp_path, "toy-sizes", "toy-pairs", "backbones.image.name=micro-vit", "augmentation.name=toy-two-sizes")


def test_an_encoder_of_spectra_embeds_every_step_of_a_series(tmp_path):
    record = run(
        tmp_path,
        "toy-queue",
        "toy-spectra",
        MEAN,
        "augmentation.name=toy-scarf",
        "evaluate=toy-series",
        "protocols=[knn,linear]",
    )
    folder = next((tmp_path / "stages/extract").iterdir())
    assert np.load(folder / "series.npy").shape == (60, 5, 8)
    assert {s.dataset for s in record.scores} == {"toy-series"}


def test_a_protocol_trains_a_head_in_the_loop_and_methods_share_its_draws(tmp_path):
    scores = {}
    for method in ("toy-queue", "toy-masks"):
        record = run(tmp_path, method, "toy-spectra", MEAN, "augmentation.name=toy-shift", "protocols=[toy-head]")
        scores[method] = {s.metric: s.value for s in record.scores}
        assert scores[method]["micro_accuracy"] > 0.8
    assert scores["toy-queue"]["draw"] == scores["toy-masks"]["draw"]


def test_a_method_that_trains_nothing_shares_one_stage_over_schedules(tmp_path):
    for epochs in (2, 5):
        run(tmp_path, "random-init", "toy-spectra", MEAN, f"train.epochs={epochs}")
    assert len(list((tmp_path / "stages/pretrain").glob("*/stage.json"))) == 1
    for seed in (0, 1):
        run(tmp_path / "raw", "raw-features", "toy-spectra", f"seeds=[{seed}]")
    assert len(list((tmp_path / "raw/stages/pretrain").glob("*/stage.json"))) == 1


def test_only_a_method_that_takes_targets_gets_them(tmp_path):
    record = run(tmp_path, "supervised", "toy-spectra", MEAN, "augmentation.name=toy-shift", "protocols=[knn]")
    assert record.method["uses_labels"]
    seen = []
    original = methods.Masks.loss

    def spy(self, batch, step):
        seen.append((batch.target, self.context.target))
        return original(self, batch, step)

    methods.Masks.loss = spy
    try:
        run(tmp_path, "toy-masks", "toy-spectra", MEAN, "augmentation.name=toy-shift")
    finally:
        methods.Masks.loss = original
    assert seen
    assert all(target is None and facts.kind == "none" and facts.names == () for target, facts in seen)


def test_methods_start_from_the_same_weights():
    from sslbench.train.build import build_method

    weights = []
    for name in ("toy-masks", "toy-queue"):
        tree = read_request(
            None, {"method": {"name": name}, "data": {"name": "toy-spectra"}}, [MEAN, "augmentation.name=toy-shift"]
        )
        inputs = split_plan(make_plan(tree, CATALOG, DatasetCache(places()), MACHINE)).trainings[0].pretrain
        method = build_method(inputs, inputs.modalities, Target(kind="none"), 60)
        weights.append(method.encoders["spectrum"].linear.weight)
    assert torch.equal(weights[0], weights[1])
