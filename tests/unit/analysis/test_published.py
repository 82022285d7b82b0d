"""Published numbers are compared with ours only under their recipe, with every difference stated."""

from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

import sslbench
from sslbench.analysis.tables.published import compare_published
from sslbench.api import Citation, Published, ReferenceSpec
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.catalog.metrics import core_metrics
from sslbench.report.console.terminal import show_results
from sslbench.report.published import compare_with_published
from sslbench.results.frames import Results

CITATION = Citation(title="t", authors="a", year=2026, url="https://example.org")
ROW = Published(method="simclr", dataset="digits", protocol="knn", metric="micro_accuracy", value=0.9)
REFERENCE = ReferenceSpec(
    name="theirs", version=1, summary="s", citation=CITATION, recipe="quick", rows=(ROW,), settings={"train.epochs": 200},
    differences=("their k is 200",),
)  # fmt: skip
RECIPES = {("simclr", "quick"): {"train.epochs": 20, "train.batch_size": 64, "backbone.name": "micro-cnn",
                                 "augmentation.name": "small-objects", "augmentation.crop.scale": (0.3, 1.0)}}  # fmt: skip


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    settings = {"recipe": "quick", "train.epochs": 1, "train.batch_size": 64, "augmentation.name": "digits", "seeds": [0],
                "protocols": ["knn"], "baselines": "none", "prepare.samples": 600}  # fmt: skip
    return sslbench.run("simclr", "digits", out=tmp_path_factory.mktemp("runs"), settings=settings).records[0]


def test_a_verdict_states_the_gap_and_every_difference(record):
    (verdict,) = compare_published([record], [REFERENCE], RECIPES, core_metrics())
    ours = next(s.value for s in record.scores if s.metric == "micro_accuracy" and s.chosen_on == "validation")
    assert verdict.gap == pytest.approx(100 * (ours - 0.9))
    assert verdict.differences == (
        "train.epochs = 1, not 200",
        "augmentation.name = digits, not small-objects",
        "prepare.samples = 600",
        "their k is 200",
    )
    side = "below" if ours < 0.9 else "above"
    assert f"points {side} the published 0.900 (theirs). Differs: train.epochs = 1, not 200" in str(verdict)


@pytest.mark.parametrize("change", [{"recipe": "original"}, {"status": "collapsed"}, {"method": {"name": "byol", "uses_labels": False}}])  # fmt: skip
def test_another_recipe_method_or_a_collapsed_run_is_compared_with_nothing(record, change):
    assert not list(compare_published([dataclasses.replace(record, **change)], [REFERENCE], RECIPES, core_metrics()))


def test_installed_tables_use_names_of_installed_components(record):
    catalog = discover(installed_entries())
    assert not compare_with_published(catalog, Results(records=(record,)))
    references = list(catalog.all("reference"))
    assert references
    for component in references:
        assert component.spec.rows
        assert all(0.5 < row.value < 1 for row in component.spec.rows)
        known = {"micro_accuracy", "macro_accuracy"}
        assert {row.metric for row in component.spec.rows} <= known
        for row in component.spec.rows:
            assert not isinstance(catalog.find("dataset", row.dataset), str)
            assert not isinstance(catalog.find("protocol", row.protocol), str)


def test_it_is_printed_below_the_table(record):
    console = Console(file=io.StringIO(), width=300)
    show_results(
        console,
        Results(records=(record,)),
        core_metrics(),
        list(compare_published([record], [REFERENCE], RECIPES, core_metrics())),
    )
    assert "published: simclr on digits, knn micro_accuracy: " in console.file.getvalue()


def test_a_table_is_listed_and_shown(cli):
    answer = cli("show", "reference", "solo-learn-cifar10")
    assert "simclr on cifar10, linear micro_accuracy: 0.9074" in answer.stdout
    assert "compared with: recipe solo-learn" in answer.stdout
    assert "references (2)" in cli("list", "references").stdout
