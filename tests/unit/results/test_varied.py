"""What protocols vary: declarations of records of every format, names of protocols in tables, and rules of specs."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import pandas as pd
import pytest

from sslbench.analysis.tables.hypotheses import Hypothesis, judge_hypothesis
from sslbench.analysis.tables.selection import select, select_scores, separate_settings
from sslbench.analysis.tables.study_frames import study_frame
from sslbench.api import Outcome, RequestError, Varied
from sslbench.catalog.rules import SCORE_COLUMNS, broken_rules
from sslbench.data.label_subsets import FRACTION
from sslbench.results.frames import DATA_COLUMNS, RUN_COLUMNS
from sslbench.results.old_records import installed_catalog
from sslbench.results.record import Record, Score, decode
from sslbench.results.varied import protocol_of, varied_table
from tests.stage_plans import CATALOG, planned
from tests.unit.results.test_old_records import component, old_values

HEAD = Varied(name="head")
FACTS = {"method": "m", "backbone": "b", "augmentation": "a", "dataset": "d", "metric": "x", "epoch": None, "fold": 0}


def score(setting: str, protocol: str = "probe", dataset: str = "d") -> Score:
    return Score(dataset=dataset, protocol=protocol, seed=0, fold=0, epoch=None, setting=setting, chosen="{}",
                 chosen_on="nothing", metric="micro_accuracy", value=0.5)  # fmt: skip


def record_of(*scores: Score, varied: tuple[Varied, ...] = (HEAD,)) -> Record:
    values = {**old_values(), "schema": 3, "varied": [asdict(one) for one in varied]}
    return replace(decode(json.dumps(values).encode()), scores=scores)


def test_records_of_every_format_declare_what_their_protocols_vary():
    protocols = [component("linear"), component("clustering"), component("not-installed")]
    for schema in (1, 2):
        record = decode(json.dumps(old_values(schema=schema, protocols=protocols)).encode())
        assert record.schema == 3
        found = {one.name: one for one in record.varied}
        assert set(found) == {"fraction", "probe_seed", "clusters", "against"}
        assert (found["against"].unset, found["against"].other_target) == ("class", True)
        assert record.repeats == ("draw", "probe_seed")


def test_values_are_named_where_one_run_has_several_on_one_dataset():
    one = record_of(score('{"head": "linear"}'), score('{"head": "mlp"}'), score("{}", "knn"))
    assert [row.protocol for row in select_scores(one.scores, varied_table([one]))] == [
        "probe:head=linear", "probe:head=mlp", "knn",
    ]  # fmt: skip
    assert [row.setting for row in select_scores(one.scores, varied_table([one]), protocol="probe:head=mlp")] == [
        '{"head": "mlp"}'
    ]
    other = record_of(score('{"head": "mlp"}'), score('{"head": "linear"}', dataset="e"))
    assert [row.protocol for row in select_scores(other.scores, varied_table([other]))] == ["probe", "probe"]
    both = varied_table([one, other])
    assert [row.protocol for row in select_scores(other.scores, both)] == ["probe:head=mlp", "probe:head=linear"]
    assert len(select_scores(other.scores, varied_table([other]), protocol="probe:head=mlp")) == 1
    assert protocol_of("probe:head=mlp") == protocol_of("probe") == "probe"


def test_a_setting_that_no_record_declares_is_shown_separately():
    record = record_of(score('{"head": "linear"}'), score('{"head": "mlp"}'), varied=())
    assert varied_table([record]).separate == {("probe", "head")}


@pytest.mark.parametrize(
    ("default", "values", "shown"),
    [("mean", (1, 2), [1, 2]), ("largest", (1, 2), [2]), ("unset", (1, 2), [2]), ("unset", (1, None), [None])],
)
def test_a_default_states_what_a_table_shows(default, values, shown):
    settings = [json.dumps({} if value is None else {"width": value}) for value in values]
    record = record_of(*map(score, settings), varied=(Varied(name="width", default=default),))
    kept = select_scores(record.scores, varied_table([record]))
    assert [json.loads(row.setting).get("width") for row in kept] == shown
    assert {row.protocol for row in kept} == {"probe"}


def heads() -> pd.DataFrame:
    rows = [
        {**FACTS, "run": arm, "arm": arm, "protocol": "probe", "seed": seed, "setting": f'{{"head": "{head}"}}',
         "value": 0.5 + gain * (arm == "a") + 0.01 * seed}
        for arm in "ab" for head, gain in (("linear", 0.1), ("mlp", -0.1)) for seed in range(4)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_claims_and_tables_of_studies_keep_values_apart():
    varied = varied_table([record_of(score('{"head": "linear"}'), score('{"head": "mlp"}'))])
    frame = study_frame(heads(), {}, varied)
    chosen = select(frame, {"protocol": "probe"}, ["arm"], varied)
    assert separate_settings(chosen, ["arm"], varied) == ["head"]
    assert separate_settings(chosen, ["arm", "head"], varied) == []
    assert separate_settings(select(frame, {"head": "mlp"}, [], varied), [], varied) == []
    claim = Hypothesis(claim="a is better", greater={"arm": "a"}, lesser={"arm": "b"}, where={"metric": "x"})
    verdicts = {one.place: one.verdict for one in judge_hypothesis(frame, claim, ["arm"], varied)}
    assert verdicts == {"linear": "holds", "mlp": "fails"}


def test_an_axis_of_a_study_is_not_replaced_by_a_setting_that_was_not_measured():
    frame = study_frame(
        heads().assign(setting="{}"), {"a": [{"head": 1}], "b": [{"head": 2}]}, varied_table([], [HEAD])
    )
    assert set(frame["head"]) == {1, 2}


def test_a_value_is_described_in_the_declared_form():
    assert Varied(name="shots").describe(16) == "shots 16"
    assert Varied(name="crop_size", label="crops of").describe("a") == "crops of a"
    assert Varied(name="share", format="{percent} % of {value}").describe(0.25) == "25 % of 0.25"
    assert FRACTION.describe(0.1) == "10 % of the training labels"
    assert FRACTION.describe("few") == "label list few"
    assert Varied(name="share", format="{value.__class__} {0}").describe(1) == "{value.__class__} {0}"


@pytest.mark.parametrize(
    ("varied", "told"),
    [
        ((Varied(name="Head"),), "'Head' is not a name of its own of lower-case words joined by '_'"),
        ((HEAD, HEAD), "'head' is not a name of its own"),
        ((Varied(name="seed"),), "'seed' is a column of every score. Use another name"),
        ((Varied(name="head", default="first"),), "'head' has default='first', not one of each, unset, largest, mean"),
        ((Varied(name="head", unset="a\nb"),), "unset of 'head' is not one line of text"),
    ],
)
def test_declarations_that_tables_cannot_show_are_refused(varied, told):
    spec = installed_catalog().components["protocol"]["knn"].spec
    assert any(told in problem for problem in broken_rules("protocol", replace(spec, varies=varied)))


def test_no_setting_has_the_name_of_a_column():
    columns = {*RUN_COLUMNS, *DATA_COLUMNS, *(one.name for one in fields(Score))}
    assert columns <= SCORE_COLUMNS


def test_two_protocols_of_a_request_declare_a_setting_alike():
    protocols = dict(CATALOG.components["protocol"])
    for name, one in (("knn", HEAD), ("linear", replace(HEAD, default="mean"))):
        protocols[name] = replace(protocols[name], spec=replace(protocols[name].spec, varies=(one,)))
    catalog = replace(CATALOG, components={**CATALOG.components, "protocol": protocols})
    with pytest.raises(RequestError) as caught:
        planned("protocols=[knn,linear]", method="raw-features", catalog=catalog)
    (problem,) = caught.value.problems
    assert problem.startswith("protocols: 'knn' and 'linear' declare the setting 'head' differently")


def test_settings_and_choices_that_are_not_declared_are_named():
    spec = installed_catalog().components["protocol"]["knn"].spec
    assert list(spec.find_undeclared(Outcome(task=0, chosen={"k": 5}))) == []
    assert list(spec.find_undeclared(Outcome(task=0, setting={"head": "mlp"}, chosen={"width": 1}))) == [
        "varies the setting 'head', which its spec does not declare. Add Varied(name='head') to varies",
        "chooses 'width', which its spec does not declare. Add 'width' to chooses",
    ]
