"""The study of pretraining data for plankton: planned with and without its data."""

from __future__ import annotations

from pathlib import Path

import sslbench_plankton.studies

from sslbench.testing.plans import plan_study, stage_keys

PLANKTON_MAE = Path(sslbench_plankton.studies.__file__).parent / "plankton_mae.yaml"


def test_the_plankton_study_can_be_planned_on_the_data_that_it_names(shared, monkeypatch):
    monkeypatch.setenv("SSLBENCH_SOURCES", str(shared))
    grid = plan_study(PLANKTON_MAE, "laptop")
    assert len(grid.rows) == 40
    trained = {key for row in grid.rows for key in stage_keys(row.plan)["pretrain"]}
    assert len(trained) == 5
    by_arm = {row.points[0]["initialization"]: row.plan for row in grid.rows}
    sizes = {arm: len(plan.pretrain_parts[0].dataset.labels) for arm, plan in by_arm.items()}
    assert sizes["size-matched"] == sizes["no-target"] == 6473
    assert sizes["with-target"] > 2 * sizes["no-target"]
    assert {plan.train.steps for arm, plan in by_arm.items() if arm != "scratch"} == {10000}
    assert {plan.folds for plan in by_arm.values()} <= {(0, 1, 2, 3, 4), (0,)}


def test_the_plankton_study_can_be_planned_without_the_published_data(monkeypatch):
    monkeypatch.setenv("SSLBENCH_SOURCES", "")
    grid = plan_study(PLANKTON_MAE, "paper")
    assert len(grid.rows) == 65
    large = {(row.plan.backbones["image"].name, row.plan.view) for row in grid.rows}
    assert large == {("vit_large_patch16_224", 224), ("vit_large_patch16_224.mae", 224)}
    mae = next(row.plan for row in grid.rows if row.plan.method.name == "mae")
    assert (mae.train.batch_size, mae.train.epochs, mae.train.lr, mae.train.warmup_epochs) == (4096, 800, 1.5e-4, 40)
    assert mae.splits.label_fractions == (0.01, 0.05, 0.1, 1.0)
