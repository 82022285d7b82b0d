"""Training budgets: minimums that scale with the bank, warnings about budgets that are too small, and where these are kept."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

import sslbench
from sslbench.api.modules import Fit
from sslbench.api.values import PlanContext, Target
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.budget import MIN_TRAINING_STEPS, collect_warnings, warn_of_few_steps
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, Plan, make_plan
from sslbench.config.request import read_request
from sslbench.config.settings import TrainSettings
from sslbench.environment import places
from sslbench.protocols.finetune import FinetuneConfig
from sslbench.protocols.finetune import sslbench_protocols as finetune_specs
from sslbench.protocols.linear import LinearConfig
from sslbench.protocols.linear import sslbench_protocols as linear_specs
from sslbench.results.record import decode, encode, record_of
from tests.conftest import TINY

SPECS = {"finetune": next(iter(finetune_specs())), "linear": next(iter(linear_specs()))}
FACTS = PlanContext(modalities={}, shapes={}, samples=1000, batch_size=100, epochs=2, target=Target(kind="none"))


def planned(*overrides: str, method: str = "random-init", epochs: int = 2) -> Plan:
    named = {"method": {"name": method}, "data": {"name": "digits"}, "backbone": {"name": "micro-cnn"}}
    tree = read_request(None, {**named, "train": {"epochs": epochs}}, overrides)
    machine = Machine(threads=1, precision="float32")
    return make_plan(tree, discover(installed_entries()), DatasetCache(places()), machine)


# ---- fits that scale


def steps_of(fit: Fit, rows: int) -> int:
    """As the loop counts them: a short last batch is dropped, unless it is all there is."""
    return fit.epochs * max(1, rows // fit.batch_size)


@pytest.mark.parametrize("rows", [1, 5, 41, 130, 1221, 100_000])
def test_a_fit_takes_its_minimum_of_steps_for_any_number_of_rows(rows):
    asked = Fit(epochs=10, batch_size=128, lr=1e-3, warmup_epochs=1.0, min_steps=400, min_batches=4)
    fit = asked.scale_to(rows)
    assert steps_of(fit, rows) >= 400
    assert fit.epochs >= 10
    assert fit.batch_size <= 128
    assert fit.warmup_epochs / fit.epochs == pytest.approx(0.1)
    assert rows // fit.batch_size >= 4 or fit.batch_size <= 8
    few = fit.epochs == 10 or steps_of(replace(fit, epochs=fit.epochs - 1), rows) < 400
    assert few, "more epochs than the minimum asks for"


def test_a_published_schedule_is_taken_as_it_is_written():
    """Kareinen et al. 2025: 50 epochs, 5 of them warm-up, batches of 128, or of everything where there is less."""
    published = Fit(epochs=50, batch_size=128, lr=2e-3, warmup_epochs=5)
    for rows in (82, 104, 1115, 11_200):
        assert published.scale_to(rows) == replace(published, batch_size=min(128, rows))


def test_raised_epochs_are_validated_as_often_as_was_asked_for():
    fit = Fit(epochs=10, batch_size=128, lr=1e-3, min_steps=400, min_batches=4)
    assert fit.list_validation_epochs(41) == tuple(range(10, 101, 10))
    assert fit.list_validation_epochs(100_000) == tuple(range(1, 11))


@pytest.mark.parametrize("config", [FinetuneConfig(), LinearConfig()])
def test_protocols_that_train_have_a_minimum_of_steps_by_default(config):
    assert config.min_steps >= 400


FEW = {"seeds": [0], "protocols": ["finetune"], "baselines": "none", "threads": 1, "backbone.name": "micro-cnn",
       "backbone.widths": [8, 8, 16, 16], "splits.label_fractions": [0.034], "train.precision": "float32",
       "protocol_settings.finetune": {"epochs": 2, "keep": "best", "drop_path": 0.0, "bottleneck": 64}}  # fmt: skip


@pytest.mark.parametrize("steps", [120, pytest.param(FinetuneConfig().min_steps, marks=pytest.mark.slow)])
def test_fine_tuning_on_about_40_labels_is_not_at_chance(tmp_path, steps):
    """Ten classes; the schedule used to take one step an epoch, after which every row was at 10 %."""
    settings = {**FEW, "protocol_settings.finetune.min_steps": steps}
    record = sslbench.run("random-init", "digits", out=tmp_path, settings=settings).records[0]
    found = {s.metric: s for s in record.scores if s.protocol == "finetune"}
    assert found["micro_accuracy"].value > 0.3
    assert json.loads(found["micro_accuracy"].chosen)["epoch"] in (steps // 8, steps // 4)  # four steps an epoch
    assert (len(record.warnings) == 0) == (steps == FinetuneConfig().min_steps)


# ---- warnings


@pytest.mark.parametrize("name", ["finetune", "linear"])
def test_a_minimum_below_the_default_is_warned_of(name):
    spec = SPECS[name]
    default = spec.config()
    assert list(spec.warnings(default, FACTS)) == []
    assert list(spec.warnings(replace(default, min_steps=default.min_steps + 1), FACTS)) == []
    (sentence,) = spec.warnings(replace(default, min_steps=10), FACTS)
    assert sentence.startswith("min_steps=10: ")
    assert sentence.endswith(f"Use {default.min_steps:,} or more")


@pytest.mark.parametrize(
    ("train", "start"),
    [
        (TrainSettings(epochs=2, batch_size=100), "train.epochs=2: at most 20 optimizer steps, 1,000 samples"),
        (TrainSettings(steps=20, batch_size=100), "train.steps=20: encoders trained so briefly"),
    ],
)
def test_a_short_pretraining_is_warned_of_by_the_setting_that_was_written(train, start):
    (sentence,) = warn_of_few_steps(train, FACTS)
    assert sentence.startswith(start)
    assert f"Set train.steps={MIN_TRAINING_STEPS} or more" in sentence


def test_enough_steps_are_not_warned_of():
    assert list(warn_of_few_steps(TrainSettings(epochs=50, batch_size=100), replace(FACTS, epochs=50))) == []
    assert list(warn_of_few_steps(TrainSettings(epochs=500), replace(FACTS, epochs=500, samples=10))) == []
    assert list(warn_of_few_steps(TrainSettings(steps=MIN_TRAINING_STEPS), replace(FACTS, epochs=1, samples=300))) == []


def test_a_plan_collects_the_warnings_of_its_components():
    # random-init trains nothing, so that its epochs do not matter
    few = planned("protocol_settings.finetune.min_steps=10", "protocols=[knn,linear,finetune]")
    assert [text.partition(": ")[0] for text in few.warnings] == ["protocol_settings.finetune.min_steps=10"]
    assert planned("protocol_settings.finetune.min_steps=10", "protocols=[knn]").warnings == ()
    short = planned(method="supervised", epochs=1)
    assert [text.partition(": ")[0] for text in short.warnings] == ["train.epochs=1"]
    assert planned(method="supervised", epochs=500).warnings == ()


def test_any_component_may_warn():
    class Component:
        name = "new"

    class Chosen:
        component = Component()
        config = None

        def __init__(self, spec: Any) -> None:
            self.spec = spec

    class Spec:
        trains = False

        @staticmethod
        def warnings(config: None, facts: PlanContext) -> tuple[str, ...]:
            return (f"width=3: {facts.samples} samples need more. Use 8 or more",)

    chosen: Any = Chosen(Spec())
    found = collect_warnings(chosen, {"image": chosen}, [chosen], TrainSettings(), FACTS)
    expected = "width=3: 1000 samples need more. Use 8 or more"
    assert found == tuple(f"{path}.{expected}" for path in ("method", "backbones.image", "protocol_settings.new"))


def test_warnings_are_printed_before_and_after_and_recorded(cli, tmp_path):
    options = [f"{k}={json.dumps(v)}" for k, v in {**TINY, "train.epochs": 1, "protocols": ["linear"]}.items()]
    answer = cli(
        "run", "--method", "mae", "--dataset", "digits", "--baselines", "none", "--out", str(tmp_path), *options
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    sentences = ("train.epochs=1: at most ", "protocol_settings.linear.min_steps=0: ")
    for sentence in sentences:
        assert answer.stdout.count(sentence) == 2, answer.stdout
        assert answer.stdout.index(sentence) < answer.stdout.index("micro") < answer.stdout.rindex(sentence)
    record = decode(next(tmp_path.glob("*/record.json")).read_bytes())
    assert [text.partition(": ")[0] + ": " for text in record.warnings] == ["train.epochs=1: ", sentences[1]]
    assert decode(encode(record)) == record
    tree = json.loads(encode(record))
    del tree["warnings"]  # as records were before they had warnings
    assert record_of(tree).warnings == ()
