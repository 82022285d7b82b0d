"""Comparing views that no operation makes different is refused, unless the request or the method states that it is intended."""

from __future__ import annotations

import dataclasses
import io
from types import SimpleNamespace

import pytest
from rich.console import Console

import sslbench
from sslbench.analysis.tables.run_tables import make_rows
from sslbench.api.errors import RequestError
from sslbench.api.values import Modality, Role
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.catalog.metrics import core_metrics
from sslbench.config.augmentations import choose_augmentations
from sslbench.config.datasets import DatasetCache
from sslbench.config.identical_views import find_identical_views
from sslbench.config.plan import Machine, make_plan
from sslbench.config.request import read_request
from sslbench.environment import places
from sslbench.leaderboard.site.pages import run_page
from sslbench.leaderboard.site.tables import format_row
from sslbench.leaderboard.standings.board import BoardRow
from sslbench.leaderboard.standings.columns import suite_metrics
from sslbench.leaderboard.standings.entries import make_entry
from sslbench.leaderboard.submission.bundle import read_bundle
from sslbench.leaderboard.submission.suite import read_suite
from sslbench.report.console.narrow_tables import print_table
from sslbench.report.console.terminal import results_table
from sslbench.report.tables import build_frames, make_table
from sslbench.results.marks import marks_of, with_marks
from sslbench.study.output_settings import TableSettings
from tests.conftest import ROOT

CATALOG = discover(installed_entries())
IMAGE, SERIES = Modality(layout="image", shape=(1, 8, 8)), Modality(layout="sequence", shape=(0, 6))


def planned(*overrides: str, catalog=CATALOG):
    return make_plan(
        read_request(None, {}, list(overrides)),
        catalog,
        DatasetCache(places()),
        Machine(threads=1, precision="float32"),
    )


def series(method: str, augmentation: str, *more: str, catalog=CATALOG):
    asked = (
        f"method.name={method}",
        "data.name=pulse-pairs/lab",
        "data.samples=5",
        "backbones.profile.name=profile-cnn",
        "recipe=none",
    )
    return planned(*asked, f"augmentation.name={augmentation}", *more, catalog=catalog)


def digits(*overrides: str):
    return planned("method.name=simclr", "data.name=digits", "backbone.name=micro-cnn", *overrides)


def problem(make, *arguments, **named) -> str:
    with pytest.raises(RequestError) as raised:
        make(*arguments, **named)
    return "\n".join(raised.value.problems)


@pytest.mark.parametrize("method", ["simclr", "byol", "vicreg", "dino"])
def test_an_image_augmentation_on_a_series_is_refused_with_those_that_fit(method):
    told = problem(series, method, "simclr")
    assert "augmentation.name=simclr: no operation applies to 'profile' (layout sequence)" in told
    assert f"so both views of {method!r} would be identical" in told
    assert "Choose an augmentation that fits: cross-modal; or set augmentation.name=none" in told
    assert series(method, "cross-modal").has_identical_views is False


def test_the_error_states_that_nothing_installed_fits():
    without = {name: c for name, c in CATALOG.components["augmentation"].items() if name != "cross-modal"}
    catalog = dataclasses.replace(CATALOG, components={**CATALOG.components, "augmentation": without})
    assert "that fits: none that is installed; or set augmentation.name=none" in problem(
        series, "simclr", "simclr", catalog=catalog
    )


@pytest.mark.parametrize(
    ("changes", "identical"),
    [
        (("crop.p=0",), False),  # the flip is left
        (("crop.p=0", "flip.p=0"), True),
        (("crop.p=0", "flip.p=1"), True),  # both views are mirrored
        (("crop.p=0", "flip.p=[1,0]"), False),  # one of them
        (("crop.p=[0,1]", "flip.p=0"), False),
    ],
)
def test_a_probability_of_0_and_a_fixed_operation_make_no_difference(changes, identical):
    asked = ("augmentation.name=crop-flip", *(f"augmentation.{change}" for change in changes))
    if identical:
        assert "augmentation.name=crop-flip: no operation applies to 'image' (layout image)" in problem(digits, *asked)
    else:
        assert not digits(*asked).has_identical_views


@pytest.mark.parametrize(
    ("role", "identical"),
    [({"p": 0.0}, True), ({"p": 0.5}, False), ({"p": 1.0}, False)],
    ids=["none", "some", "one role"],
)
def test_a_role_that_is_changed_is_enough(role, identical):
    section = {"name": "crop-flip", "crop": {"p": 0.0}, "flip": {"p": 0.0}, "roles": {"strong": {"flip": role}}}
    found = choose_augmentations(CATALOG, section, ["weak", "strong"], problems := [])[0]
    roles = {"weak": Role(count=1), "strong": Role(count=1)}
    assert not problems
    assert find_identical_views(found, roles, {"image": IMAGE}) == (["image"] if identical else [])
    assert find_identical_views(found, roles, {"image": IMAGE, "profile": SERIES})[-1:] == ["profile"]


def test_label_preserving_of_data_that_names_no_such_augmentation_is_refused():
    spec = CATALOG.components["dataset"]["digits"].spec
    changed = dataclasses.replace(
        CATALOG.components["dataset"]["digits"], spec=dataclasses.replace(spec, label_preserving="")
    )
    datasets = {**CATALOG.components["dataset"], "digits": changed}
    catalog = dataclasses.replace(CATALOG, components={**CATALOG.components, "dataset": datasets})
    asked = ("data.name=digits", "augmentation.name=label-preserving")
    told = problem(planned, "method.name=simclr", "backbone.name=micro-cnn", *asked, catalog=catalog)
    assert "augmentation.name=label-preserving: no operation applies to 'image'" in told
    assert planned("method.name=mae", *asked, catalog=catalog).augmentations[0].name == "none"


def test_every_method_that_compares_augmented_views_declares_it():
    """A method that takes several views compares them; one that hides patches, or is given labels, takes one.

    One that declares identical views may use one view twice.
    """
    methods = list(CATALOG.all("method"))
    assert {method.spec.compares_views for method in methods} == {True, False}
    for component in methods:
        spec = component.spec
        views = sum(role.count for role in spec.views(spec.config()).values())
        assert spec.compares_views == (spec.trains and (views > 1 or spec.identical_views)), spec.name


def test_a_method_that_declares_identical_views_passes_and_is_marked():
    component = CATALOG.components["method"]["simclr"]
    declared = dataclasses.replace(component, spec=dataclasses.replace(component.spec, identical_views=True))
    methods = {**CATALOG.components["method"], "simclr": declared}
    catalog = dataclasses.replace(CATALOG, components={**CATALOG.components, "method": methods})
    assert series("simclr", "simclr", catalog=catalog).has_identical_views
    assert not series("simclr", "cross-modal", catalog=catalog).has_identical_views


def test_no_augmentation_gives_resized_views_and_needs_no_other_size():
    plan = planned("method.name=simclr", "data.name=digits", "backbone.name=micro-vit", "augmentation.name=none",
                   "view.size=8", "prepare.size=24")  # fmt: skip
    assert plan.context.shapes == {"view": {"image": (1, 8, 8)}}
    assert plan.has_identical_views
    assert not planned("method.name=mae", "data.name=digits", "augmentation.name=none").has_identical_views
    told = problem(digits, "augmentation.name=none", "augmentation.crop.p=1")
    assert "augmentation.crop: has no effect with augmentation.name=none" in told


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """A method without augmentation, with one, and the supervised row, all on images whose canvas is larger than a view."""
    out = tmp_path_factory.mktemp("runs")
    settings = {"train.epochs": 1, "train.batch_size": 256, "view.size": 8, "prepare.size": 16, "backbone.name": "micro-cnn",
                "backbone.widths": [8, 8, 16, 16], "seeds": [0], "protocols": ["knn"], "threads": 1, "recipe": "none",
                "baselines": "none", "prepare.samples": 300}  # fmt: skip
    for method, augmentation in (("simclr", "none"), ("simclr", "crop"), ("supervised", "crop")):
        sslbench.run(method, "digits", out=out, settings={**settings, "augmentation.name": augmentation})
    return {(r.method["name"], r.augmentations[0]["name"]): r for r in sslbench.load_results(out).records}, out


def test_identical_views_are_marked_in_the_record_on_the_card_and_in_a_runs_table(records):
    found, out = records
    same, other = found["simclr", "none"], found["simclr", "crop"]
    assert "failed" not in (same.status, other.status), same.reason
    assert (same.method["identical_views"], other.method["identical_views"]) == (True, False)
    assert "views: identical" in (out / same.run / "card.md").read_text()
    assert "identical" not in (out / other.run / "card.md").read_text()
    console = Console(file=io.StringIO(), width=200)
    print_table(console, results_table(make_rows(list(found.values()), core_metrics()), core_metrics()))
    table = console.file.getvalue()
    assert table.count("simclr (identical views)") == 1
    assert table.count("supervised (labels)") == 1


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"rows": ("method", "augmentation"), "columns": ("metric",)}, "| simclr (identical views) | none |"),
        (
            {"rows": ("dataset",), "columns": ("method", "augmentation", "metric")},
            "simclr (identical views) none micro",
        ),
        ({"rows": ("method",)}, "| simclr (none) (identical views) |"),
        ({"rows": ("views",), "columns": ("metric",)}, "| same (identical views) |"),
        ({"source": "costs", "rows": ("method", "augmentation")}, "| simclr (identical views) | none |"),
    ],
)
def test_identical_views_are_marked_in_a_studys_tables(settings, expected, records, tmp_path):
    found, out = records
    points = {r.run: [{"views": "same" if key[1] == "none" else "other"}] for key, r in found.items()}
    frames = build_frames(sslbench.load_results(out), points, None, "laptop", core_metrics())
    where = {} if settings.get("source") == "costs" else {"metric": "micro_accuracy"}
    make_table(frames, TableSettings(name="t", where=where, **settings), ["views"], tmp_path)
    text = (tmp_path / "t.md").read_text().replace("_", " ")
    assert expected in text
    assert text.count("identical views") == 1
    assert ("supervised (labels)" in text) == ("method" in (*settings["rows"], *settings.get("columns", ())))
    assert "(identical views)" not in (tmp_path / "t.csv").read_text()  # names stay unchanged for computations


def test_marks_of_old_records_and_of_several():
    assert marks_of({"name": "simclr"}) == ""
    assert with_marks("x", marks_of({"uses_labels": True, "identical_views": True})) == "x (labels, identical views)"


@pytest.mark.parametrize("identical", [True, False])
def test_a_leaderboard_marks_an_entry_with_identical_views(identical):
    bundle = read_bundle(next((ROOT / "leaderboard/results/laptop").glob("simclr-micro-cnn-digits-*")))
    method = {**bundle.record.method, "identical_views": identical}
    bundle = dataclasses.replace(bundle, record=dataclasses.replace(bundle.record, method=method))
    columns = suite_metrics(read_suite(ROOT / "leaderboard", "laptop"), core_metrics(), {})
    entry = make_entry(bundle, columns)
    row = BoardRow(entry=entry, dataset="digits", protocol="knn", standing=None, scores={}, worst=None, gap=None)
    assert ("(identical views)" in format_row(row, columns)["entry"]) == identical
    _, page = run_page(SimpleNamespace(name="laptop", datasets={}), bundle, entry, [])
    assert ("; identical views</dd>" in page) == identical


def test_a_method_that_compares_one_view_with_itself_is_marked():
    asked = ("data.name=synthetic-crops/pairs", "data.fields=40", "backbones.step-a.name=res-mlp", "recipe=none")
    plans = {
        name: planned(f"method.name={name}", "augmentation.name=feature-corruption", *asked)
        for name in ("scarf", "scarf-released")
    }
    assert {name: plan.has_identical_views for name, plan in plans.items()} == {"scarf": False, "scarf-released": True}
