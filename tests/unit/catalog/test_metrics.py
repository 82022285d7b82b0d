"""The table of installed metrics: order, names that are not installed, failures of plugins, and directions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sslbench.analysis.statistics.derived_metrics import class_metrics, cluster_metrics
from sslbench.analysis.statistics.score_variance import variance_over_seeds
from sslbench.analysis.statistics.shared_ranks import ComparedScores, rank_rows, verdict
from sslbench.api import Derivation, Metric, hookimpl
from sslbench.api.errors import RequestError
from sslbench.catalog.discovery import PluginEntry, discover, installed_entries
from sslbench.catalog.facts import Origin
from sslbench.catalog.metrics import core_metrics, installed_metrics


def plugin(*metrics, name="theirs"):
    @hookimpl
    def sslbench_metrics():
        return metrics

    module = SimpleNamespace(__name__=name, sslbench_metrics=sslbench_metrics)
    return PluginEntry(origin=Origin(plugin=name, distribution=name, version="1"), load=lambda: module)


def errors(matrix):
    return matrix.sum() - matrix.trace()


def fails(matrix):
    raise ZeroDivisionError("no sample")


ERRORS = Metric(
    name="errors", low=0, high=2**31, derived_from=Derivation.CONFUSION, compute=errors, higher_is_better=False
)


def test_core_metrics_come_first_and_one_orders_each_source():
    table = installed_metrics(discover([plugin(ERRORS), *installed_entries()]))
    assert list(table)[:2] == ["micro_accuracy", "macro_accuracy"]
    assert table.place("errors") < table.place("ami_max") < table.place("not_installed")
    assert [one.name for one in table.mains] == ["macro_accuracy", "macro_average_precision", "r2", "ami_max"]
    assert table["errors"] == ERRORS
    assert "errors" not in core_metrics()


def test_a_metric_that_is_not_installed_is_shown_by_its_name_and_one_on_validation_is_not():
    table = core_metrics()
    assert table.is_shown("knn", "their_number")
    assert table.title("their_number") == "their number"
    assert not table.is_shown("knn", "validation_micro_accuracy")
    assert table.title("validation_micro_accuracy") == "validation micro"
    assert (table.find("validation_ami_max").low, table.find("validation_ami_max").high) == (-1, 1)
    assert not table.is_shown("knn", "macro_f1")
    assert table.showing(["macro_f1"]).is_shown("knn", "macro_f1")
    with pytest.raises(RequestError, match=r"metric 'macro_f2': not installed\. Did you mean 'macro_f1'"):
        table.showing(["macro_f2"])


def test_a_number_that_two_plugins_define_differently_cannot_be_used():
    other = Metric(name="errors", low=0, high=1)
    found = discover([plugin(ERRORS), plugin(other, name="others")])
    assert "errors" not in installed_metrics(found)
    assert [problem.kind for problem in found.problems] == ["contested", "contested"]
    assert installed_metrics(discover([plugin(ERRORS), plugin(ERRORS, name="others")]))["errors"] == ERRORS


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "Errors"}, "name 'Errors' is not lower-case words joined by '_'"),
        ({"low": 1, "high": 0}, "low=1 and high=0 are not a range"),
        ({"compute": "errors"}, "compute='errors' is not of the form 'package.module:Name'"),
        ({"compute": None}, "is derived from confusion matrix, but has no function"),
        ({"derived_from": Derivation.NOTHING}, "has a function, but nothing to compute it from"),
        ({"digits": -1}, "digits is -1"),
    ],
)
def test_an_impossible_metric_is_a_problem_of_its_plugin(changes, told):
    import dataclasses

    found = discover([plugin(dataclasses.replace(ERRORS, **changes))])
    assert told in str(found.problems[0])


def test_a_function_that_fails_leaves_out_its_own_number_alone():
    failing = Metric(name="failing", low=0, high=1, derived_from=Derivation.CONFUSION, compute=fails)
    lost = Metric(name="lost", low=0, high=1, derived_from=Derivation.CONFUSION, compute="no_such_module:f")
    unknown = Metric(name="unknown", low=0, high=1, derived_from=Derivation.CONFUSION, compute=lambda matrix: None)
    table = installed_metrics(discover([plugin(ERRORS, failing, lost, unknown)]))
    found = class_metrics(np.array([0, 1, 1]), np.array([0, 0, 1]), 2, table)
    assert found.values == {"errors": 1.0}
    assert found.problems[0] == "metric 'failing': not computed: ZeroDivisionError: no sample"
    assert "no_such_module" in found.problems[1]
    assert len(found.problems) == 2


def test_metrics_of_clusters_leave_out_samples_without_a_class():
    labels, clusters = np.array([0, 0, 1, 1, -1]), np.array([0, 0, 1, 1, 1])
    found = cluster_metrics(labels, [clusters], core_metrics()).values
    assert found["ami_max"] == pytest.approx(1)
    assert "ami_max_sd" not in found  # of one clustering
    assert "ami_max_null" not in found  # random, so that the protocol reports it


@pytest.mark.parametrize("higher", [True, False])
def test_rows_are_ordered_by_the_direction_of_their_metric(higher):
    values = {"a": (0.1, 0.11, 0.12), "b": (0.5, 0.52, 0.51), "c": (0.9, 0.91, 0.93)}
    field = ComparedScores(
        names=list(values), scores=np.array([np.mean(own) for own in values.values()]),
        draws=np.zeros((3, 4), np.float32), higher_is_better=higher,
        variances=[variance_over_seeds(own, depends_on_seed=True) for own in values.values()],
    )  # fmt: skip
    ranked = rank_rows(field)
    assert [row.name for row in ranked] == (["c", "b", "a"] if higher else ["a", "b", "c"])
    assert [row.rank for row in ranked] == [1, 2, 3]
    assert ranked[0].mean == pytest.approx(0.9133333 if higher else 0.11)
    assert verdict(field, 2, 0) == ("better" if higher else "worse")
