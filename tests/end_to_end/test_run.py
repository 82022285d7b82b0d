"""The whole program from the command line: one command, its tables, and complete records."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from sslbench_vision.backbones.micro_vit import MicroVitConfig
from sslbench_vision.backbones.micro_vit_model import MicroVit

import sslbench
from sslbench.analysis.tables.estimates import estimate
from sslbench.analysis.tables.run_tables import class_rows, estimate_scores, make_rows
from sslbench.analysis.tables.text_tables import format_estimate
from sslbench.api import Modality
from sslbench.api.errors import SslbenchError
from sslbench.catalog.metrics import core_metrics
from sslbench.report.console.terminal import show_results
from sslbench.results.record import VARYING_FIELDS, decode, encode
from tests.conftest import TINY

OVERRIDES = [f"{key}={json.dumps(value)}" for key, value in TINY.items() if key != "seeds"]


@pytest.fixture(scope="module")
def finished(cli, tmp_path_factory) -> tuple[Path, str]:
    """One run of two seeds on digits with every protocol and every baseline, on a machine that has Slurm's commands."""
    out, commands = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("commands")
    (commands / "srun").symlink_to(sys.executable)
    env = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    arguments = ["run", "--method", "mae", "--dataset", "digits", "--seeds", "0,1", "--out", str(out)]
    answer = cli(*arguments, *OVERRIDES, env=env)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "srun" not in answer.stderr
    return out, answer.stdout


def test_the_terminal_shows_every_row_protocol_and_the_extreme_classes(finished):
    _, text = finished
    for word in ("mae", "random-init", "raw-features", "supervised (labels)", "pretrained", "unavailable", "clustering",
                 "finetune", "knn", "linear", "RankMe", "digits (1,797 samples, 1,221 used for training): recipe tiny; ",
                 "mean over 2 seeds", "test samples: 360", "± is the half-width of a 95 % interval over seeds and test samples",
                 "which row is better?", "vs random-init", "worst and best classes", "method.weights=FILE",
                 "results: "):  # fmt: skip
        assert word in text, word
    assert "Traceback" not in text
    assert "±" in next(line for line in text.splitlines() if re.match("mae +micro-vit", line))


def test_the_record_holds_everything(finished):
    out, _ = finished
    record = json.loads(next(out.glob("mae-*/record.json")).read_text())
    assert record["schema"] == 3
    assert record["method"]["from"] == "sslbench-vision 0.1.0"
    assert record["backbones"]["image"]["settings"]["width"] == 16
    assert record["evaluated_on"][0]["samples"] == 1797
    assert record["seeds"] == [0, 1]
    assert record["pool"] == "train"
    assert len(record["training"][0]["history"]) == 2
    assert record["training"][0]["samples"] == 1221  # 68 % of 1,797: never a test or validation image
    assert {"torch", "sslbench"} <= set(record["versions"])
    assert record["cost"]["peak_memory"] > 0
    assert record["cost"]["samples_per_second"][0] > 0
    found = {(s["protocol"], s["metric"]) for s in record["scores"]}
    for pair in (("linear", "micro_accuracy"), ("finetune", "macro_accuracy"), ("knn", "macro_f1"), ("clustering", "ami_max"),
                 ("clustering", "ami_max_null"), ("diagnostics", "rank_me"), ("diagnostics", "alignment")):  # fmt: skip
        assert pair in found
    assert {s["chosen_on"] for s in record["scores"] if s["protocol"] == "knn"} == {"validation", "query"}
    per_class = [c for c in record["classes"] if c["protocol"] == "linear" and c["seed"] == 0]
    assert [c["name"] for c in per_class] == list("0123456789")
    assert sum(c["support"] for c in per_class) == 360


def test_every_accuracy_follows_from_the_stored_predictions(finished):
    out, _ = finished
    folder = next(out.glob("mae-*"))
    record = json.loads((folder / "record.json").read_text())
    predictions = pd.read_parquet(folder / "predictions.parquet")
    assert set(predictions["protocol"]) == {"knn", "linear", "finetune"}
    for (protocol, seed), rows in predictions.groupby(["protocol", "seed"]):
        stored = [s["value"] for s in record["scores"] if s["protocol"] == protocol and s["seed"] == seed
                  and s["metric"] == "micro_accuracy" and s["chosen_on"] != "query"]  # fmt: skip
        assert stored == pytest.approx([(rows["label"] == rows["predicted"]).mean()])
    assert predictions["id"].nunique() == 360


def test_the_runs_folder_holds_splits_confusions_and_exemplars(finished):
    out, _ = finished
    folder = next(out.glob("mae-*"))
    record = json.loads((folder / "record.json").read_text())
    digest = record["evaluated_on"][0]["splits"]["0"]
    lines = next((out / "splits").glob(f"digits-fold0-{digest}.tsv")).read_text().splitlines()
    assert lines[0] == f"# split version 1, hash {digest}"
    parts = Counter(line.split("\t")[0] for line in lines[1:])
    assert sum(parts.values()) == 1797
    assert parts["query"] == 360
    confusions = json.loads((folder / "confusion.json").read_text())
    assert {c["protocol"] for c in confusions} == {"knn", "linear", "finetune"}
    assert all(sum(count for _, _, count in c["counts"]) == 360 for c in confusions)
    exemplars = json.loads(next((folder / "artifacts").rglob("*exemplars-10.json")).read_text())["groups"]
    assert len(exemplars) == 10
    assert (folder / "figures/exemplars-10-digits.png").stat().st_size > 2000
    triplets = np.load(next((out / "stages/pretrain").rglob("illustration-triplets.npz")))
    figures = next(out.glob("mae-*")) / "figures"
    assert (figures / "triplets.png").stat().st_size > 2000
    assert (figures / "triplets.svg").read_text().startswith("<?xml")
    assert not list(out.glob("random-init-*/figures/triplets*"))
    assert triplets["rebuilt"].shape == triplets["original"].shape == triplets["visible"].shape


def test_a_repeated_command_costs_nothing_and_changes_no_byte(finished, cli):
    out, _ = finished
    stages = {path: path.stat().st_mtime_ns for path in out.rglob("stage.json")}
    assert stages
    record = next(out.glob("mae-*/record.json"))
    before = json.loads(record.read_text())
    answer = cli("run", "--method", "mae", "--dataset", "digits", "--seeds", "0,1", "--out", str(out), *OVERRIDES)
    assert answer.returncode == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("stage.json")} == stages
    after = json.loads(record.read_text())
    assert {k: v for k, v in before.items() if k not in VARYING_FIELDS} == {
        k: v for k, v in after.items() if k not in VARYING_FIELDS
    }


def test_another_protocol_reuses_the_pretraining(finished, cli):
    out, _ = finished
    before = Counter(path.parts[-3] for path in out.rglob("stage.json"))
    more = [*OVERRIDES, "protocol_settings.knn.vote=inverse"]
    answer = cli("run", "--method", "mae", "--dataset", "digits", "--seeds", "0,1", "--protocols", "knn", "--baselines",
                 "none", "--out", str(out), *more)  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    after = Counter(path.parts[-3] for path in out.rglob("stage.json"))
    assert after["pretrain"] == before["pretrain"]
    assert after["evaluate"] == before["evaluate"] + 2


def test_results_load_as_frames(finished):
    out, _ = finished
    results = sslbench.load_results(out)
    scores = results.scores
    assert {"mae", "random-init", "raw-features", "supervised", "pretrained"} == {
        r.method["name"] for r in results.records
    }
    assert {"mae", "random-init", "raw-features", "supervised"} == set(scores["method"])
    table = scores.query("metric == 'macro_accuracy' and protocol == 'knn'")
    assert set(Counter(table[table["method"] == "mae"]["run"]).values()) == {2}
    assert "query" not in set(scores["chosen_on"])
    assert set(results.oracles["chosen_on"]) == {"query"}
    assert len(repr(results)) < 1000
    assert "pretrained-micro-vit-digits" in repr(results)
    assert set(results.classes["name"]) == set("0123456789")


def test_records_survive_encoding_and_refuse_what_is_not_theirs(finished, tmp_path):
    out, _ = finished
    path = next(out.glob("mae-*/record.json"))
    record = decode(path.read_bytes())
    assert encode(record) == path.read_bytes()
    (tmp_path / "x").mkdir()
    broken = tmp_path / "x/record.json"
    for content, sentence in (
        ('{"schema": 99}', "has format 99, but this sslbench reads"),
        ("{", "Expecting"),
        ('{"schema": 1}', "not a record"),
    ):
        broken.write_text(content)
        with pytest.raises(SslbenchError, match=sentence):
            sslbench.load_results(tmp_path)


def test_an_exported_encoder_loads_in_plain_torch(finished, cli, tmp_path):
    out, _ = finished
    run = next(out.glob("mae-*"))
    answer = cli("export", str(run), "--to", str(tmp_path), "--seed", "1")
    assert answer.returncode == 0, answer.stderr
    file = tmp_path / run.name / "image-micro-vit-seed1.safetensors"
    encoder = MicroVit(MicroVitConfig(depth=1, width=16, heads=2), Modality(layout="image", shape=(1, 8, 8)))
    encoder.load_state_dict(load_file(file))
    assert torch.isfinite(encoder(torch.rand(2, 1, 8, 8))).all()
    card = (tmp_path / run.name / "card.md").read_text()
    assert "labels used in pretraining: no" in card
    assert f'load_file("{file.name}")' in card
    for arguments, sentence in (
        ([str(tmp_path)], "is not a run: no record.json in"),
        ([str(run), "--seed", "7"], "has no encoder of seed 7. Seeds: 0, 1"),
    ):
        answer = cli("export", *arguments)
        assert answer.returncode == 2
        assert sentence in answer.stderr


@pytest.mark.slow
def test_folds_are_pretrained_apart_and_their_interval_is_labeled(cli, tmp_path):
    answer = cli("run", "--method", "mae", "--dataset", "digits", "--seeds", "0", "--protocols", "knn", "--baselines",
                 "random-init", "--out", str(tmp_path), "folds=all", *OVERRIDES)  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "test samples: 1,797" in answer.stdout
    assert "± is the half-width of a 95 % interval over test samples" in answer.stdout
    record = decode(next(tmp_path.glob("mae-*/record.json")).read_bytes())
    assert len({stage for stage in record.keys if stage.startswith("pretrain/")}) == 5
    values = [s for s in record.scores if s.metric == "micro_accuracy" and s.chosen_on == "validation"]
    found = estimate_scores(values, record)
    assert (found.unit, found.n) == ("folds", 5)
    pooled = cli("run", "--method", "mae", "--dataset", "digits", "--seeds", "0", "--protocols", "knn", "--baselines",
                 "none", "--out", str(tmp_path / "all"), "folds=all", "pretrain.pool=all", *OVERRIDES)  # fmt: skip
    assert pooled.returncode == 0, pooled.stderr
    record = decode(next((tmp_path / "all").glob("mae-*/record.json")).read_bytes())
    assert record.pool == "all"
    assert record.training[0]["samples"] == 1797
    assert len({stage for stage in record.keys if stage.startswith("pretrain/")}) == 1


def test_label_fractions_are_rows_of_their_own(tmp_path):
    settings = {**TINY, "splits.label_fractions": [0.1, 1.0], "protocols": ["linear"], "baselines": "none",
                "backbone.name": "micro-vit"}  # fmt: skip
    record = sslbench.run("random-init", "digits", out=tmp_path, settings=settings).records[0]
    values = {s.setting: s.value for s in record.scores if s.metric == "micro_accuracy" and s.chosen_on == "validation"}
    few, everything = (values[k] for k in sorted(values, key=lambda k: "fraction" not in k))
    assert few < everything
    assert make_rows([record], core_metrics())[0].cells["linear", "micro_accuracy"].mean == everything


def test_instrument_transfer_on_real_images(shared, tmp_path):
    root = shared / "cross_instrument_plankton"
    settings = {
        "data.root": str(root), "data.levels": ["instrument", "class"], "splits.transfer": "instrument",
        "splits.bank": "ZooScan", "splits.query": "SPC", "view.size": 16, "seeds": [0], "protocols": ["knn"],
        "baselines": "none", "backbone.name": "micro-cnn",
    }  # fmt: skip
    record = sslbench.run("random-init", "image-folder", out=tmp_path, settings=settings).records[0]
    assert record.status == "done", record.reason
    taught = {c.name for c in record.classes if c.support > 0}
    assert len(taught) == 2  # ZooScan shows two of the fourteen groups, and only those are tested
    assert class_rows(record, root.name, "knn")[0].support > 0


def test_a_pool_of_parts_and_a_row_for_each(tmp_path):
    settings = {**TINY, "data.samples": 200, "data.side": 16, "view.size": 16, "protocols": ["knn"], "baselines": "supervised",
                "splits.folds": 3, "backbone.patch": 4}  # fmt: skip
    results = sslbench.run("mae", "factor-shapes", out=tmp_path / "runs", settings=settings)
    assert len(results.records) == 2
    for record in results.records:
        assert record.status == "done", record.reason
        assert len(record.evaluated_on) == 5
        assert {s.dataset for s in record.scores} == {d["part"] for d in record.evaluated_on}
        assert len({stage for stage in record.keys if stage.startswith("pretrain/")}) == 1
    one = sslbench.run("mae", "factor-shapes/hue", out=tmp_path / "runs", settings={**settings, "baselines": "none"})
    assert [d["part"] for d in one.records[0].evaluated_on] == ["factor-shapes/hue"]


def test_unlabeled_images_are_learned_from_and_never_tested(tmp_path):
    from PIL import Image
    from sklearn.datasets import load_digits

    loaded = load_digits()
    for place, (scan, label) in enumerate(zip(loaded.images[:200], loaded.target[:200], strict=True)):
        folder = tmp_path / "tree" / ("unlabeled" if place < 80 else f"{label % 2}")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((scan * 15).astype(np.uint8)).save(folder / f"{place}.png")
    (tmp_path / "tree/0/broken.png").write_bytes(b"no image")
    settings = {
        **TINY,
        "data.root": str(tmp_path / "tree"),
        "view.size": 8,
        "protocols": ["knn"],
        "baselines": "supervised",
    }
    results = sslbench.run("mae", "image-folder", out=tmp_path / "runs", settings=settings)
    mae, taught = results.records
    console = Console(width=160, file=io.StringIO())
    show_results(console, results, core_metrics())
    shown = console.file.getvalue()
    assert "tree: 1 unreadable sample(s) left out: 0/broken.png" in shown
    assert "tree (200 samples, " in shown
    labeled = mae.evaluated_on[0]["labeled"]
    assert (mae.evaluated_on[0]["samples"], labeled) == (200, 120)
    assert mae.training[0]["samples"] == taught.training[0]["samples"] + 80
    assert sum(c.support for c in mae.classes) == 24
    flat = {**settings, "data.root": str(tmp_path / "tree/unlabeled"), "protocols": None, "baselines": "random-init"}
    del flat["protocols"]
    record = sslbench.run("mae", "image-folder", out=tmp_path / "runs", settings=flat).records[0]
    assert record.status == "done", record.reason
    assert {s.protocol for s in record.scores} == {"diagnostics"}


def test_a_failed_run_is_recorded_with_its_traceback(tmp_path, monkeypatch):
    from sslbench_vision.methods import mae_model

    def broken(*args):
        raise ArithmeticError("on purpose")

    monkeypatch.setattr(mae_model, "masked_error", broken)
    settings = {**TINY, "protocols": ["knn"], "baselines": "random-init"}
    results = sslbench.run("mae", "digits", out=tmp_path, settings=settings)
    status = {r.method["name"]: r.status for r in results.records}
    assert status == {"mae": "failed", "random-init": "done"}
    assert "on purpose" in (tmp_path / results.records[0].run / "traceback.txt").read_text()


def test_show_explains_settings_recipes_and_cards(cli):
    shown = cli("show", "method", "mae").stdout
    for piece in (
        "He, Chen, Xie",
        "method.mask = 0.75",
        "recipe original",
        "train.lr = 0.00015",
        "Fraction of patches that are hidden",
    ):
        assert piece in shown
    assert "lab/ifcb" in cli("show", "dataset", "daplankton").stdout
    assert "CC BY 4.0" in cli("show", "dataset", "daplankton").stdout
    assert "augmentation.crop: random-resized-crop" in cli("show", "augmentation", "crop-flip").stdout
    assert "backbone.model = vit_tiny_patch16_224" in cli("show", "backbone", "vit_tiny_patch16_224").stdout
    assert "protocol_settings.knn.neighbors" in cli("show", "protocol", "knn").stdout


def test_cells_show_means_and_intervals():
    assert format_estimate(estimate([0], [0], [0.5])) == "0.500"
    assert format_estimate(estimate([0, 1], [0, 0], [0.5, 0.6])) == "0.550 ±0.635"
    assert format_estimate(None) == "–"
    averaged = estimate([0, 0, 1], [0, 0, 0], [0.4, 0.6, 0.6])
    assert averaged.mean == pytest.approx(np.mean([0.5, 0.6]))


def test_images_that_cannot_be_drawn_cost_no_numbers(monkeypatch, tmp_path):
    def broken(table, folder, mark):
        raise ValueError("no such\ncolor")

    monkeypatch.setattr("sslbench.pipeline.stages.draw_examples", broken)
    settings = {"seeds": [0], "protocols": ["knn"], "baselines": "none", "backbone.name": "micro-cnn"}
    record = sslbench.run("random-init", "digits", out=tmp_path, settings=settings).records[0]
    assert (record.status, record.reason) == ("done", "figures not drawn: ValueError: no such color")
    assert record.scores
