"""The study of images and profiles: planned at every scale without the published data, and its tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sslbench_plankton.studies
import torch
from sslbench_vision.backbones.timm_family import TimmConfig
from sslbench_vision.backbones.timm_model import timm_encoder as build_timm

from sslbench.analysis.tables.cost_tables import mean_costs, most_confused
from sslbench.analysis.tables.hypotheses import Hypothesis, judge_hypothesis
from sslbench.analysis.tables.selection import deviations, select, study_frame
from sslbench.api import Modality, Unavailable
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.catalog.metrics import core_metrics
from sslbench.config.baselines import baseline_tree
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Plan, make_plan
from sslbench.environment import places
from sslbench.report.figures.study_figures import draw_figure
from sslbench.report.study import find_unknown_names
from sslbench.study.definition import FigureSettings, read_study
from sslbench.study.published import published_problems, read_published
from sslbench.testing.plans import MACHINE, plan_study

HERE = Path(sslbench_plankton.studies.__file__).parent


def planned(scale: str) -> dict[tuple[str, str], Plan]:
    file = HERE / "cross_modal_plankton.yaml"
    study = read_study(file, scale)
    assert not find_unknown_names(study)
    assert not published_problems(study, core_metrics())
    grid = plan_study(file, scale)
    return {(p["arm"], p["transfer"]): row.plan for row in grid.rows for p in row.points}


@pytest.mark.parametrize(("scale", "points"), [("smoke", 5 * 2), ("laptop", 7 * 4), ("paper", 12 * 4)])
def test_every_scale_can_be_planned_without_the_data(scale, points, monkeypatch):
    monkeypatch.setenv("SSLBENCH_SOURCES", "")
    assert len(planned(scale)) == points


def test_the_papers_recipe(monkeypatch):
    """Every constant of the paper (arXiv 2603.16427, released code) that is a setting."""
    monkeypatch.setenv("SSLBENCH_SOURCES", "")
    plans = planned("paper")
    clip, dino = plans["convnext and cnn", "LAB to LAB"], plans["dino convnext", "UTO to SEA"]
    train = clip.train
    assert (train.optimizer, train.momentum, train.nesterov) == ("sgd", 0.9, True)
    assert (train.lr, train.weight_decay, train.warmup_epochs, train.warmup_lr, train.min_lr) == (
        5e-3,
        1e-3,
        5,
        5e-5,
        1e-5,
    )
    assert (train.epochs, train.min_epochs, train.patience, train.monitor, train.batch_size) == (
        100,
        30,
        30,
        "validation",
        512,
    )
    assert (clip.view, clip.canvas, clip.folds) == (224, 236, (0, 1, 2, 3, 4))
    assert clip.method.config.columns == "released"
    assert (clip.method.config.out, clip.method.config.dropout, clip.method.config.scale) == (512, 0.2, 1.0)
    own = {o.name: (o.p, o.choice.config) for o in clip.augmentations[0].roles["view"]}
    assert {name: p for name, (p, _) in own.items() if p != (1.0,)} == {
        "turn": (0.5,), "upside-down": (0.5,), "bands": (0.5,), "lost-bands": (0.25,),
    }  # fmt: skip
    assert own["crop"][1].scale == (0.8, 1.0)
    assert (own["jitter"][1].brightness, own["jitter"][1].contrast) == (0.2, 0.2)
    assert (own["bands"][1].factor, own["lost-bands"][1].p_band, own["lost-bands"][1].max_bands) == (
        (0.95, 1.05),
        0.05,
        4,
    )
    assert (own["window"][1].steps, own["window"][1].keep) == (236, 224)
    assert (dino.train.epochs, dino.train.patience, dino.train.monitor, dino.train.lr) == (300, 30, "training", 1e-4)
    assert (dino.train.weight_decay, dino.train.final_weight_decay, dino.train.warmup_epochs) == (0.04, 0.4, 10)
    head = dino.method.config
    assert (head.hidden, head.bottleneck, head.prototypes, head.local) == (256, 64, 512, 6)
    assert plans["dino efficientnet", "UTO to SEA"].train.lr == 5e-3
    local = {o.name: o.choice.config for o in dino.augmentations[0].roles["local"]}
    assert (local["crop"].scale, local["crop"].size) == ((0.1, 0.4), 96)
    assert dino.pool == "cytosense/uto"
    assert clip.backbones["image"].config.published


def test_random_weights_are_random_for_any_settings_of_the_encoder(monkeypatch):
    monkeypatch.setenv("SSLBENCH_SOURCES", "")
    plan = planned("paper")["convnext and cnn", "LAB to LAB"]
    tree = baseline_tree(plan, "random-init")
    catalog, shelf = discover(installed_entries()), DatasetCache(places(), use_placeholders=True)
    fresh = make_plan(tree, catalog, shelf, MACHINE)
    assert (fresh.backbones["image"].name, fresh.backbones["image"].config.published) == ("convnext_femto", False)


def test_the_file_holds_the_numbers_of_the_notebook():
    frame = read_published(HERE / "cross_modal_plankton_published.csv")
    nine = frame[(frame["arm"] == "convnext and cnn") & (frame["shots"] == "16") & (frame["transfer"] == "LAB to LAB")]
    assert len(nine) == 9 * 4
    place = nine[(nine["gallery"] == "image") & (nine["queries"] == "profile") & (nine["metric"] == "micro_accuracy")]
    assert place[["value", "spread"]].iloc[0].tolist() == [0.9155, 0.0115]
    assert frame["lost"].sum() == 7


def test_weights_that_are_unavailable_are_an_error_of_one_line(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    image = Modality(layout="image", shape=(1, 32, 32))
    with pytest.raises(Unavailable, match=r"the published weights of 'resnet10t' are not available .*published=false"):
        build_timm(TimmConfig(model="resnet10t", published=True), image)
    made = build_timm(TimmConfig(model="convnext_atto"), image)
    assert made(torch.rand(2, 1, 32, 32)).shape == (2, 320), "images of one channel"


# ---- what the study brought to tables and figures --------------------------------------------------------------------


def gallery_scores() -> pd.DataFrame:
    """Two methods, five folds, five draws, two sizes; the second method is better by 0.1 with noise of each fold."""
    rng, rows = np.random.default_rng(0), []
    for arm, gain in (("a", 0.0), ("b", 0.1)):
        for fold in range(5):
            for draw_ in range(5):
                for shots in (1, 4):
                    value = 0.4 + gain + 0.05 * shots + 0.01 * fold + rng.normal(0, 0.02 / shots)
                    setting = f'{{"draw": {draw_}, "shots": {shots}}}'
                    rows.append({"run": arm, "method": "m", "backbone": "x", "augmentation": "y", "dataset": "d",
                                 "protocol": "gallery", "metric": "micro_accuracy", "seed": 0, "fold": fold, "epoch": None,
                                 "setting": setting, "chosen": "{}", "chosen_on": "nothing", "value": value,
                                 "test_share": 0.2})  # fmt: skip
    return study_frame(pd.DataFrame(rows), {"a": [{"arm": "a"}], "b": [{"arm": "b"}]})


def test_deviations_are_over_folds_and_draws():
    chosen = select(gallery_scores(), {"shots": 4}, ["arm"])
    found = deviations(chosen, ["arm"])
    assert found["n"].tolist() == [25, 25]
    assert set(found["unit"]) == {"folds x draws"}
    own = chosen[chosen["arm"] == "a"]["value"]
    assert found["deviation"].iloc[0] == pytest.approx(own.std(ddof=1))
    assert found["deviation_n"].iloc[0] == pytest.approx(own.std(ddof=0))


def test_the_largest_gallery_counts_by_default():
    frame = gallery_scores()
    assert set(select(frame, {}, ["arm"])["shots"]) == {4}
    assert set(select(frame, {}, ["arm", "shots"])["shots"]) == {1, 4}


def test_claims_are_judged_over_folds_with_the_p_of_whole_folds():
    place = {"protocol": "gallery", "metric": "micro_accuracy"}
    better = Hypothesis(claim="b is better", greater={"arm": "b"}, lesser={"arm": "a"}, where=place)
    (found,) = judge_hypothesis(gallery_scores(), better, ["arm"])
    assert (found.verdict, found.n, found.unit) == ("holds", 5, "folds")
    assert found.difference == pytest.approx(0.1, abs=0.01)
    assert found.p == pytest.approx(2 / 2**5), "five folds have no smaller p, for any number of galleries"
    separate = Hypothesis(
        claim="few samples differ more", statistic="spread", greater={"shots": 1}, lesser={"shots": 4}, where=place
    )
    (spread,) = judge_hypothesis(gallery_scores(), separate, ["arm"])
    assert spread.difference is not None
    assert spread.difference > 0.2


def test_a_panel_that_lacks_a_place_of_a_heat_map_leaves_it_empty(tmp_path, monkeypatch):
    import seaborn as sns

    seen = []
    monkeypatch.setattr(sns, "heatmap", lambda table, **_: seen.append(table))
    frame = pd.concat([gallery_scores()] * 2, ignore_index=True)
    frame["gallery"] = ["image"] * (len(frame) // 2) + [np.nan] * (len(frame) // 2)
    frame["queries"] = frame["gallery"]
    frame = frame[(frame["arm"] == "a") | (frame["gallery"] == "image")]
    figure = FigureSettings(
        name="map", kind="heat", x="queries", y="gallery", panels="arm", where={"metric": "micro_accuracy"}
    )
    draw_figure(frame, figure, tmp_path)
    names = ["image", "every modality"]
    assert [table.index.tolist() for table in seen] == [names, names]
    assert [int(table.notna().to_numpy().sum()) for table in seen] == [2, 1]


def test_ticks_of_an_axis_by_factors_are_what_was_measured(tmp_path):
    figure = FigureSettings(
        name="sizes", x="shots", log=True, band=True, hue="arm", spread="deviation", where={"metric": "micro_accuracy"}
    )
    path = draw_figure(gallery_scores(), figure, tmp_path)
    text = path.with_suffix(".svg").read_text()
    assert "<!-- 1 -->" in text
    assert "<!-- 4 -->" in text


def test_costs_and_confusions():
    costs = pd.DataFrame(
        {"arm": ["a", "a", "b", "c"], "epochs": [2, 2, 4, 0], "samples_seen": [10, 10, 40, 0], "seconds": [1.0, 3.0, 5.0, 0.0],
         "samples_per_second": [10.0, 20.0, 8.0, 0.0], "peak_megabytes": [5.0, 5.0, 5.0, 5.0]}
    )  # fmt: skip
    found = mean_costs(costs, ["arm"])
    assert found["arm"].tolist() == ["a", "b"], "what trains nothing costs nothing"
    assert (found["seconds"].tolist(), found["trainings"].tolist()) == ([2.0, 5.0], [2, 1])
    pairs = pd.DataFrame(
        [("a", "x", "x", 6), ("a", "x", "y", 2), ("a", "x", "y", 2), ("a", "y", "y", 9), ("a", "y", "x", 1), ("b", "x", "x", 3)],
        columns=["arm", "class", "predicted_class", "count"],
    )  # fmt: skip
    (one,) = most_confused(pairs, ["arm"], 1).to_dict("records")
    assert (one["arm"], one["class"], one["predicted_class"], one["count"], one["share"]) == ("a", "x", "y", 4, 0.4)
