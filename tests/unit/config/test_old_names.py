"""Old names in requests, studies and records: only what had an old name states the new one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Literal

import pytest

from sslbench.api.errors import RequestError
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.catalog.metrics import installed_metrics
from sslbench.convert import convert
from sslbench.study.definition import find_study, read_study
from sslbench.testing.plans import plan_run
from tests.installed_plugin import install_plugin
from tests.unit.results.test_old_records import component, old_values

PLUGIN = """
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from sslbench.api import *
from sslbench.api.settings import setting

@dataclass(frozen=True)
class Config:
    max_depth: int = setting(3, "Depth.", old_names=("most", "depth"))
    order: Literal["rising", "falling"] = setting("rising", "Order.", old_values={"up": "rising", "down": "falling"})

CITATION = Citation(title="t", authors="a", year=2026, url="https://example.org")
FIELDS = dict(version=1, summary="s", citation=CITATION)

@hookimpl
def sslbench_methods():
    yield MethodSpec(name="tidy", old_names=("messy", "untidy"), config=Config, smoke=Config(), build="renaming:Tidy", family="f",
                     views=lambda config: {"view": Role(count=1)}, recipes=(Recipe(name="own", summary="s", settings={}),), **FIELDS)

@hookimpl
def sslbench_recipes():
    yield RecipeSpec(name="large", old_names=("big",), method="tidy", settings={}, **FIELDS)

@hookimpl
def sslbench_studies():
    yield StudySpec(name="order-study", old_names=("sorting-study",), file=Path(__file__), **FIELDS)

@hookimpl
def sslbench_metrics():
    yield Metric(name="tidiness", old_names=("mess",), low=0, high=1)
"""
"""A plugin of another project that has renamed itself, a setting (twice), values, a recipe, a study and a metric."""


@pytest.fixture
def renaming(tmp_path, monkeypatch):
    """Install the plugin, and return its folder."""
    install_plugin(tmp_path, "renaming", PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "renaming", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("method", "override", "sentence"),
    [
        ("messy", "seeds=[0]", "method 'messy' is now 'tidy'"),
        ("untidy", "seeds=[0]", "method 'untidy' is now 'tidy'"),
        ("tidy", "method.most=2", "method.most is now method.max_depth"),
        ("tidy", "method.depth=2", "method.depth is now method.max_depth"),
        ("tidy", "method.order=up", "method.order=up is now method.order=rising"),
        ("tidy", "method.order=sideways", "method.order=sideways: must be one of 'rising', 'falling'"),
        ("tidy", "recipe=big", "recipe: 'tidy' has no recipe 'big'. It is now 'large'"),
        ("simclr", "method.most=2", "method.most: no such setting"),
    ],
)
def test_old_names_of_a_plugin_of_others_are_answered(renaming, method, override, sentence):
    with pytest.raises(RequestError) as error:
        plan_run(method, "digits", override)
    assert sentence in str(error.value)


def test_old_names_of_studies_and_metrics_are_answered(renaming):
    catalog = discover(installed_entries())
    with pytest.raises(RequestError, match="study 'sorting-study' is now 'order-study'"):
        find_study(catalog, "sorting-study")
    metrics = installed_metrics(catalog)
    with pytest.raises(RequestError, match="metric 'mess' is now 'tidiness'"):
        metrics.showing(["mess"])
    assert not metrics.is_shown("linear", "mess")
    assert metrics.is_shown("linear", "mess_of_others")


def test_a_record_with_old_names_of_a_plugin_is_read_without_torch(renaming):
    settings = {"most": 2, "order": "down"}
    score = {
        "dataset": "d", "protocol": "linear", "seed": 0, "fold": 0, "epoch": None, "setting": "{}", "chosen": "", "chosen_on": "",
        "metric": "mess", "value": 0.5,
    }  # fmt: skip
    values = old_values(
        method={**component("messy", **settings), "takes_target": False}, scores=[score],
        request={"method": {"name": "messy", **settings}, "train": {"rate": 0.1}},
    )  # fmt: skip
    (renaming / "runs/r").mkdir(parents=True)
    (renaming / "runs/r/record.json").write_text(json.dumps(values))
    program = (
        "import json, sys; from sslbench import load_results; (record,) = load_results('runs').records; "
        "print(json.dumps([record.method['name'], record.method['settings'], record.request, record.scores[0].metric, "
        "'torch' in sys.modules]))"
    )

    def read(**variables: str) -> list:
        environment = {**os.environ, **variables}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=renaming, env=environment, capture_output=True, text=True
        )
        assert not done.returncode, done.stderr
        return json.loads(done.stdout)

    new = {"max_depth": 2, "order": "falling"}
    request = {"method": {"name": "tidy", **new}, "train": {"lr": 0.1}}
    assert read(PYTHONPATH=str(renaming)) == ["tidy", new, request, "tidiness", False]
    request = {"method": {"name": "messy", **settings}, "train": {"lr": 0.1}}
    uninstalled = ["messy", settings, request, "mess", False]
    assert read(PYTHONPATH=str(renaming), SSLBENCH_DISABLE="renaming") == uninstalled


def test_old_names_in_a_study_are_answered_with_their_place(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(
        "name: s\nbase: {method: simclr}\ntables: [{name: t, of: scores, most: 3}]\n"
        "hypotheses: [{claim: c, more: {a: 1}}]\nbias: []\n"
        "class_effects: [{axis: a, source: datasets}]\nscales: {smoke: {directions: []}}\n"
    )
    with pytest.raises(RequestError) as error:
        read_study(file, "")
    for sentence in (
        "tables[0].of is now tables[0].source", "tables[0].most is now tables[0].limit",
        "hypotheses[0].more is now hypotheses[0].greater", ": bias is now class_effects",
        "class_effects[0].source is now class_effects[0].by",
        "scales.smoke.directions is now scales.smoke.hypotheses",
    ):  # fmt: skip
        assert sentence in str(error.value)


@dataclass(frozen=True, kw_only=True)
class TheirConfig:
    """Settings of a component of another project, with some of the names that ours have now."""

    label_smoothing: float = 0.0
    channels: Literal["mono", "gray"] = "mono"


@pytest.mark.parametrize(
    ("method", "override", "sentence"),
    [
        ("dino", "method.warmup=3", "method.warmup is now method.teacher_warmup_epochs"),
        ("supervised", "method.smoothing=0.1", "method.smoothing is now method.label_smoothing"),
        ("simclr", "method.warmup=3", "method.warmup: no such setting"),
        ("supervised", "method.warmup=3", "method.warmup: no such setting"),
        ("simclr", "train.optimiser=adamw", "train.optimiser is now train.optimizer"),
        ("simclr", "protocol_settings.knn.neighbours=[5]", "protocol_settings.knn.neighbours is now protocol_settings.knn.neighbors"),
        ("simclr", "augmentation.name=grey", "augmentation 'grey' is not installed"),
        ("simclr", "augmentation.name=strangers", "augmentation 'strangers' is now 'mismatched-pairs'"),
        ("strangers", "seeds=[0]", "method 'strangers' is not installed"),
        ("simclr", "measure=[knn]", "measure is now protocols"),
        ("simclr", "protocols.knn.neighbours=[5]", "protocols.knn is now protocol_settings.knn"),
        ("simclr", "rate=0.1", "rate: no such setting. Did you mean 'train.lr'?"),
    ],
)  # fmt: skip
def test_an_old_name_in_a_request_is_answered(method, override, sentence):
    with pytest.raises(RequestError) as error:
        plan_run(method, "digits", override)
    assert sentence in str(error.value)


def test_an_old_value_of_a_dataset_is_answered(tmp_path):
    with pytest.raises(RequestError, match=r"data\.channels=grey is now data\.channels=gray"):
        plan_run("simclr", "image-folder", "data.channels=grey", f"data.root={tmp_path}")


def test_components_of_others_are_not_told_the_new_names_of_ours():
    problems: list[str] = []
    convert({"smoothing": 0.1}, TheirConfig, "method", problems)
    convert({"channels": "grey"}, TheirConfig, "data", problems)
    assert len(problems) == 2
    assert problems[0].startswith("method.smoothing: no such setting")
    assert problems[1].startswith("data.channels=grey: must be")
