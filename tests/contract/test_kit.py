"""The conformance kit: every component of the core passes it, and every check has a toy that only this check catches."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from sslbench.api import AugmentationSpec, LayoutSpec, Metric, RecipeSpec, ReferenceSpec, hookimpl
from sslbench.api.errors import RequestError
from sslbench.api.executors import ExecutorSpec
from sslbench.api.protocols import ProtocolSpec
from sslbench.api.specs import BackboneSpec, DatasetSpec, MethodSpec, OperationSpec, StudySpec
from sslbench.api.values import Modality
from sslbench.catalog.discovery import PluginEntry, installed_entries
from sslbench.catalog.facts import Origin
from sslbench.testing import conformance
from sslbench.testing.check import CHECKS, Subject, run_check
from sslbench.testing.example_modalities import example_modalities
from sslbench.testing.kit import as_test, cases, subjects_of, table, with_kit
from tests.broken import BROKEN, FAULTS, backbones, datasets, layouts, methods, metrics, protocols, views

HOOK = {
    Metric: "metrics",
    MethodSpec: "methods", BackboneSpec: "backbones", OperationSpec: "operations", AugmentationSpec: "augmentations",
    DatasetSpec: "datasets", ProtocolSpec: "protocols", StudySpec: "studies", ExecutorSpec: "executors",
    RecipeSpec: "recipes",
    ReferenceSpec: "references",
    LayoutSpec: "layouts",
}  # fmt: skip
IN_PROCESS = sorted(BROKEN)
PHOTO = {"image": Modality(layout="photo", shape=(3, 0, 0))}
UNKNOWN = [
    (
        "uses_known_names",
        "targets: unknown value 'classes'",
        lambda folder: replace(protocols.SOUND(folder), targets=frozenset({"classes"})),
    ),
    ("uses_known_names", "needs: empty", lambda folder: replace(protocols.SOUND(folder), needs=frozenset())),
    (
        "uses_known_names",
        "the card: modality 'image' has an unknown layout: layout 'photo' is not installed",
        lambda folder: replace(
            BROKEN["raises_when_files_are_missing"](folder), card=replace(datasets.CARD, modalities=PHOTO)
        ),
    ),
]
"""Findings of `uses_known_names` for kinds other than backbones."""
RAISED = ("builds", "can_be_read", "settings_survive_a_round_trip", "accepts_any_size")
"""Checks whose finding is the exception that the component raises."""
INSTALLED = {
    "imports_no_heavy_modules": "import torch",
    "is_found_by_other_processes": "import os",
}
"""Checks that run in a new process need a package on disk: the line that its module adds to a valid one."""

test_core = conformance("sslbench")


def offering(spec):
    """The hook that offers one spec."""

    def hook():
        return [spec]

    hook.__name__ = f"sslbench_{HOOK[type(spec)]}"
    return hookimpl(hook)


def subjects(specs) -> list[Subject]:
    """Return the components of a plugin in memory."""
    module = SimpleNamespace(__name__="toys")
    for spec in specs if isinstance(specs, list) else [specs]:
        setattr(module, offering(spec).__name__, offering(spec))
    origin = Origin(plugin="toys", distribution="toys", version="1")
    entries = [*installed_entries(), PluginEntry(origin=origin, load=lambda: module)]
    return subjects_of("toys", with_kit(entries))


@pytest.mark.parametrize("name", IN_PROCESS)
def test_a_broken_toy_is_caught_by_its_check_alone(name, tmp_path):
    kind = CHECKS[name].kinds
    mine = [s for s in subjects(BROKEN[name](tmp_path)) if s.component.kind in kind]
    said = {one.name: run_check(subject, one) for subject in mine[-1:] for _, one in cases([subject])}
    assert name in RAISED or not said[name].finding.startswith("raised")
    assert [n for n, v in said.items() if v.state == "failed"] == [name], {n: v.finding for n, v in said.items()}
    for n, v in said.items():
        assert v.state != "not run" or "which failed" in v.finding, n


@pytest.mark.parametrize(
    ("check", "finding", "make"), [*FAULTS, *UNKNOWN], ids=lambda value: value[:40] if isinstance(value, str) else ""
)
def test_a_fault_is_named_by_one_check_alone(check, finding, make, tmp_path):
    subject = subjects(make(tmp_path))[-1]
    said = {one.name: run_check(subject, one) for _, one in cases([subject])}
    assert [name for name, found in said.items() if found.state == "failed"] == [check]
    assert finding in said[check].finding
    assert not said[check].finding.startswith("raised")


@pytest.mark.parametrize(
    ("check", "make"),
    [
        ("reports_its_selection", protocols.SOUND),
        ("returns_scores_of_every_class", protocols.SCORED),
        ("ignores_query_labels", protocols.ANY_TARGET),
        ("embeds_what_is_present", methods.SEVERAL),
        ("ignores_padding_of_series", methods.SOUND),
        ("learns_from_every_target", methods.LABELED),
        ("ignores_padding", backbones.SOUND),
        ("uses_given_random_numbers", views.from_reference),
        ("makes_the_same_views_in_any_batch", views.REFERENCE),
        ("has_valid_columns", datasets.SOUND),
        ("lies_in_its_range", metrics.SOUND),
        ("draws_samples", layouts.SOUND),
    ],
)
def test_a_valid_toy_passes_every_check(check, make, tmp_path):
    subject = subjects(make(tmp_path))[-1]
    said = {one.name: run_check(subject, one) for _, one in cases([subject])}
    assert {name: found.finding for name, found in said.items() if found.state in ("failed", "not run")} == {}
    assert said[check].state == "passed"


def test_the_kit_covers_every_layout():
    catalog = with_kit(installed_entries())
    assert {m.layout for m in example_modalities(catalog).values()} == {c.name for c in catalog.all("layout")}


def test_every_check_has_its_toy():
    assert set(CHECKS) == set(IN_PROCESS) | set(INSTALLED)
    for one in CHECKS.values():
        assert one.why.endswith(".")
        assert one.change
        assert set(one.needs) <= set(CHECKS)
        assert all(one.kinds <= CHECKS[needed].kinds for needed in one.needs)


MODULE = """
{line}
from dataclasses import dataclass
from sslbench.api import Citation, MethodSpec, Role, hookimpl

@dataclass(frozen=True)
class Config:
    number: int = 1

@hookimpl
def sslbench_methods():
    citation = Citation(title="t", authors="a", year=2026, url="https://example.org")
    number = os.getpid() if "os" in globals() else 1
    yield MethodSpec(name="on-disk", version=1, summary="s", citation=citation, config=Config, smoke=Config(number),
                     build=None.__class__, views=lambda config: {{"view": Role(count=1)}}, family="f")
"""


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_a_package_on_disk_is_checked_in_a_fresh_process(name, tmp_path, monkeypatch):
    distribution = f"kit-{name.replace('_', '-')}"
    (tmp_path / f"{name}_module.py").write_text(MODULE.format(line=INSTALLED[name]))
    facts = tmp_path / f"{distribution.replace('-', '_')}-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n")
    (facts / "entry_points.txt").write_text(f"[sslbench]\n{distribution} = {name}_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (subject,) = subjects_of(distribution, with_kit(installed_entries()))
    said = {
        n: run_check(subject, CHECKS[n])
        for n in ("imports_no_heavy_modules", "is_found_by_other_processes", "settings_survive_a_round_trip")
    }
    assert [n for n, v in said.items() if v.state == "failed"] == [name], said


def test_a_table_states_why_it_matters_and_what_to_change(tmp_path):
    lines, good = table(subjects(BROKEN["trains_every_parameter"](tmp_path)))
    text = "\n".join(lines)
    assert not good
    assert "failed          trains_every_parameter: 'idle.weight' is in 1 groups" not in text
    assert "'idle.weight' gets no gradient; 'idle.bias' gets no gradient" in text
    assert "why: A parameter without gradient is never learned" in text
    assert "to fix it: put every trainable parameter" in text
    lines, good = table(subjects(BROKEN["does_not_collapse"](tmp_path)))
    assert good
    assert any(
        line.startswith("  advice          does_not_collapse: the features of 'image' have rank 1.00") for line in lines
    )


def test_expected_failures_carry_a_reason_and_are_strict(tmp_path):
    mine = subjects(BROKEN["learns"](tmp_path))
    function = as_test(mine, {"method/broken-learns": "it is a toy", "method/broken-builds": "so I thought"})
    marks = {p.id: p.marks for p in function.pytestmark[0].args[1]}
    assert {n: m[0].kwargs for n, m in marks.items() if m} == {
        "method/broken-learns": {"reason": "it is a toy", "strict": True},
        "method/broken-builds": {"reason": "so I thought", "strict": True},
    }
    with pytest.raises(pytest.fail.Exception, match="20 steps on one batch"):
        function(mine[0], CHECKS["learns"])
    with pytest.raises(pytest.skip.Exception, match="needs learns, which failed"):
        function(mine[0], CHECKS["does_not_collapse"])
    with pytest.raises(
        RequestError, match=r"expected: unknown check 'method/broken-lerns'\. Did you mean 'method/broken-learns'"
    ):
        as_test(mine, {"method/broken-lerns": "a slip"})


def test_advice_does_not_fail_a_plugin(tmp_path):
    mine = subjects(BROKEN["has_a_citation"](tmp_path))
    with pytest.raises(pytest.xfail.Exception, match=r"citation\.year is 0"):
        as_test(mine, {})(mine[0], CHECKS["has_a_citation"])


def test_a_plugin_that_cannot_be_loaded_is_reported_with_the_reason(tmp_path):
    def broken():
        raise ImportError("no such module")

    origin = Origin(plugin="lost", distribution="lost", version="1")
    with pytest.raises(RequestError, match=r"plugin 'lost' .* at import: ImportError: no such module"):
        subjects_of("lost", with_kit([PluginEntry(origin=origin, load=broken)]))
