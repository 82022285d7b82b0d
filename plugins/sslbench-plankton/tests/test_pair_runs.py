"""Runs on pairs with encoders and augmentations of the vision plugin, and the negative control of mismatched pairs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import sslbench
from sslbench.api.errors import DataMissing, RequestError

SMALL = {
    "backbones.image.widths": [16, 32, 48, 64], "backbones.profile.widths": [16, 24, 32, 48], "backbones.profile.blocks": 1,
    "view.size": 32, "train.batch_size": 64, "train.epochs": 12, "train.lr": 3e-3, "seeds": [0], "baselines": "none",
    "threads": 1, "data.samples": 60, "protocols": ["gallery", "matching"], "protocol_settings.gallery.shots": [1, 8],
    "protocol_settings.matching.points": 20,
}  # fmt: skip


def test_mismatched_pairs_need_two_modalities():
    with pytest.raises(RequestError, match="swaps the second modality, and the data that is used has one"):
        sslbench.run("simclr", "digits", settings={"augmentation.name": "mismatched-pairs", "recipe": "quick"})


def test_galleries_of_all_samples_are_queried_with_samples_that_were_not_learned_from():
    answer = "gallery: would test on samples that 'clip-pairs' was pretrained on, with source=all"
    with pytest.raises(RequestError, match=answer):
        sslbench.run("clip-pairs", "pulse-pairs/lab", settings={**SMALL, "protocol_settings.gallery.source": "all"})


def accuracies(record) -> dict[tuple[str, str, int], float]:
    found: dict[tuple[str, str, int], list[float]] = {}
    for score in record.scores:
        if score.metric == "micro_accuracy":
            answer = json.loads(score.setting)
            found.setdefault((answer.get("gallery", ""), answer.get("queries", ""), answer["shots"]), []).append(
                score.value
            )
    return {place: float(np.mean(values)) for place, values in found.items()}


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """CLIP on pairs, and on images with the pulses of other individuals."""
    out = tmp_path_factory.mktemp("runs")
    own = sslbench.run("clip-pairs", "pulse-pairs/lab", out=out, settings=SMALL).records[0]
    control = {**SMALL, "augmentation.name": "mismatched-pairs"}
    strangers = sslbench.run("clip-pairs", "pulse-pairs/lab", out=out, settings=control).records[0]
    assert own.status == strangers.status == "done", (own.reason, strangers.reason)
    return own, strangers


def test_modalities_recognize_each_other_unless_training_pairs_were_mismatched(learned):
    """Chance is 1/12. Five of the classes' kinds show in both modalities, so that 5/12 is the most that can be had."""
    own, strangers = map(accuracies, learned)
    for way in (("image", "profile", 8), ("profile", "image", 8)):
        assert own[way] > 0.28
        assert strangers[way] < 0.17


def test_accuracy_rises_with_the_gallery_and_with_both_modalities(learned):
    found = accuracies(learned[0])
    assert all(
        found[held, requested, 8] > found[held, requested, 1] for held in ("", "image") for requested in ("", "image")
    )
    assert found["", "", 8] > max(found["image", "image", 8], found["profile", "profile", 8]) - 0.05


def test_every_draw_is_a_number_and_classes_are_counted_over_all(learned):
    record = learned[0]
    requested = [s for s in record.scores if s.protocol == "gallery" and s.metric == "micro_accuracy"]
    assert len(requested) == 2 * 5 * 9
    settings = {row.setting for row in record.classes if row.protocol == "gallery"}
    assert len(settings) == 2 * 9
    assert not any("draw" in setting for setting in settings)
    supports = {row.support for row in record.classes if row.protocol == "gallery"}
    assert supports == {12 * 5}, "a fifth of 60, five times"
    matched = {s.metric: s.value for s in record.scores if s.protocol == "matching" and s.setting == "{}"}
    assert matched["top_5"] > 3 * matched["top_5_chance"]
    assert matched["same_class"] > 2 * matched["same_class_by_chance"]


def test_a_run_on_pairs_of_an_image_and_measurements(shared, tmp_path):
    """A loader test: the measurements are computed from the image, so the numbers are not checked."""
    settings = {
        "backbones.image.name": "micro-cnn", "backbones.image.widths": [8, 8, 16, 16], "view.size": 32,
        "backbones.measurements.name": "vector-mlp", "augmentation": {"name": "crop-flip"}, "train.epochs": 2, "seeds": [0],
        "baselines": "none", "protocols": ["gallery", "matching"], "threads": 1, "data.root": str(shared / "flowcam_protist_pairs"),
        "protocol_settings.gallery.shots": [2], "protocol_settings.gallery.draws": 2, "protocol_settings.matching.points": 20,
    }  # fmt: skip
    record = sslbench.run("siglip-pairs", "flowcam-pairs", out=tmp_path, settings=settings).records[0]
    assert record.status == "done", record.reason
    figures = tmp_path / record.run / "figures"
    shown = {path.stem for path in figures.glob("*.png")}
    assert {"seen", "t-sne-flowcam-pairs", "retrieved-image-to-measurements-flowcam-pairs"} <= shown
    pixels = np.asarray(Image.open(figures / "seen.png").convert("L"))
    wide = pixels.shape[1]
    third = pixels[:, int(wide * 2 / 6) : int(wide * 3 / 6)]  # the image as a view, third of six columns
    assert (third < 240).mean() > 0.2, "colors that a method sees are drawn, not burned out"


def test_where_a_set_of_images_is_missing_one_that_needs_no_download_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SSLBENCH_SOURCES", str(tmp_path))
    with pytest.raises(DataMissing, match=r"Needs no download: --dataset digits"):
        sslbench.run("simclr", "daplankton", settings={"seeds": [0]})
