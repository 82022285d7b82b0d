"""Data with several labels or numbers per sample is divided, and methods never learn from its test samples."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from sslbench_vision.methods import supervised

from sslbench.analysis.statistics.accuracy import sample_variance
from sslbench.api import DatasetSpec, Target, hookimpl
from sslbench.api.errors import DataMissing, RequestError
from sslbench.app.run import run_plans
from sslbench.catalog.discovery import PluginEntry, discover, installed_entries
from sslbench.catalog.facts import Origin
from sslbench.catalog.metrics import core_metrics
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, make_plan
from sslbench.config.plan_stages import split_plan
from sslbench.config.request import read_request
from sslbench.data.table import Prepared
from sslbench.environment import places
from sslbench.evaluation.stage import make_tasks
from sslbench.progress import NoDisplay
from sslbench.results.answers import read_answers
from sslbench.results.store import Store
from sslbench.train.pool import divide_pool
from tests.toys import data as toys


class Tags(toys.Toy):
    """Spectra with several labels each, with and without a column that states which are for testing."""

    split: ClassVar[bool] = False

    def __init__(self, config, source):
        made = toys.spectra(config, source)
        super().__init__(made.samples, made.modalities, self.make_labels(made.labels))
        self.target = Target(kind="labels", names=("round", "long", "dark"))
        self.columns = {**self.columns, "dish": (np.arange(len(self.labels)) // 2).astype(str)}
        if self.split:
            part = np.arange(len(self.labels)) // 2 % 4
            self.columns = {**self.columns, "split": np.array(["train", "train", "validation", "test"])[part]}

    def make_labels(self, codes):
        return np.stack([codes, 1 - codes, codes], 1)


class SplitTags(Tags):
    split = True


class Sizes(Tags):
    """Spectra with two numbers each."""

    def __init__(self, config, source):
        super().__init__(config, source)
        self.target = Target(kind="value", names=("length", "weight"))

    def make_labels(self, codes):
        return np.stack([codes + 0.5, np.where(codes, np.nan, 1.0)], 1)


class WrongTags(Tags):
    """Labels that are no zeros and ones."""

    def make_labels(self, codes):
        return np.stack([codes, codes, codes + 7], 1)


class TagDatasets:
    """A plugin with all of them, and a method that learns classes only."""

    @hookimpl
    def sslbench_methods(self):
        for spec in supervised.sslbench_methods():
            yield replace(spec, name="taught", baseline=False, targets=frozenset({"class"}))

    @hookimpl
    def sslbench_datasets(self):
        builds = {"tags": Tags, "split-tags": SplitTags, "sizes": Sizes, "wrong-tags": WrongTags}
        for name, build in builds.items():
            yield DatasetSpec(
                name=name, version=1, summary="other targets", citation=toys.CITATION, config=toys.Rows,
                smoke=toys.Rows(rows=20), build=build, card=toys.CARD,
            )  # fmt: skip


@pytest.fixture(scope="module")
def catalog():
    from tests.toys import methods, parts

    plugins = (toys, methods, parts, TagDatasets())
    entries = [
        PluginEntry(origin=Origin(plugin=f"p{i}", distribution=f"d{i}", version="1"), load=lambda p=p: p)
        for i, p in enumerate(plugins)
    ]
    return discover([*installed_entries(), *entries], strict=True)


def planned(catalog, method: str, dataset: str, *overrides: str):
    short = ("train.epochs=2", "train.batch_size=8", "seeds=[0]", "protocols=[diagnostics]", "augmentation.name=toy-shift",
             "backbone.name=toy-mean")  # fmt: skip
    tree = read_request(None, {"method": {"name": method}, "data": {"name": dataset}}, [*short, *overrides])
    return make_plan(tree, catalog, DatasetCache(places()), Machine(threads=1, precision="float32"))


def make_table(plan) -> Prepared:
    dataset = plan.pretrain_parts[0].dataset
    return Prepared(
        key="t", name="t", modalities={}, target=dataset.target, labels=dataset.labels, columns=dataset.columns, data={},
        kept=np.arange(60),
    )  # fmt: skip


@pytest.mark.parametrize("dataset", ["tags", "split-tags", "sizes"])
@pytest.mark.parametrize("groups", ["none", "dish"])
def test_no_fold_learns_from_its_test_samples(catalog, dataset, groups):
    folds = [0] if dataset == "split-tags" else [*range(5)]
    asked = (f"splits.groups={groups}", f"folds={folds}", "splits.label_fractions=[1.0]")
    plan = planned(catalog, "toy-masks", dataset, "train.patience=1", *asked)
    table = make_table(plan)
    tested = []
    for training in split_plan(plan).trainings:
        ((learned, watched),) = divide_pool(training.pretrain.pool, [table], uses_labels=False)
        (task,) = make_tasks(training.evaluations[0].protocols[0], table)
        assert len(learned)
        assert len(watched)
        assert len(task.query)
        assert watched.tolist() == task.validation.tolist()
        assert not np.intersect1d(learned, task.query).size
        if groups == "dish":
            assert not np.intersect1d(table.columns["dish"][learned], table.columns["dish"][task.query]).size
        tested += task.query.tolist()
    assert len(tested) == len(set(tested)) == (14 if dataset == "split-tags" else 60)


def test_the_official_split_is_used(catalog, tmp_path):
    plan = planned(catalog, "toy-masks", "split-tags", "train.patience=1", "splits.groups=none")
    ((learned, watched),) = divide_pool(
        split_plan(plan).trainings[0].pretrain.pool, [make_table(plan)], uses_labels=False
    )
    split = plan.pretrain_parts[0].dataset.columns["split"]
    assert learned.tolist() == np.flatnonzero(split == "train").tolist()
    assert watched.tolist() == np.flatnonzero(split == "validation").tolist()
    record = run_plans([plan], Store(root=tmp_path), catalog, NoDisplay()).records[0]
    assert record.status in ("done", "collapsed"), record.reason
    assert record.training[0]["samples"] == len(learned)


def test_labels_that_do_not_suit_the_target_are_refused(catalog):
    told = "dataset 'wrong-tags' cannot be used: labels contain 7, but a label is 1 .positive., 0 .negative. or -1"
    with pytest.raises(DataMissing, match=told):
        planned(catalog, "toy-masks", "wrong-tags")


def test_a_method_that_learns_classes_refuses_other_targets(catalog):
    with pytest.raises(
        RequestError, match="'taught' learns one class per sample, and 'tags' has several labels per sample"
    ):
        planned(catalog, "taught", "tags")
    with pytest.raises(RequestError, match=r"'supervised' learns one kind of target, and the samples have .*a number"):
        planned(catalog, "supervised", "tags", "pretrain.pool=tags+sizes")


@pytest.mark.parametrize("dataset", ["tags", "sizes"])
def test_supervised_learns_every_kind_of_target(catalog, dataset, tmp_path):
    plan = planned(catalog, "supervised", dataset, "train.patience=1", "train.epochs=3")
    record = run_plans([plan], Store(root=tmp_path), catalog, NoDisplay()).records[0]
    assert record.status in ("done", "collapsed"), record.reason


def test_a_run_stores_which_test_samples_belong_together(catalog, tmp_path):
    """Intervals then cover dishes in place of samples; without dishes that splits keep together, there are no groups."""
    found = {}
    for groups in ("dish", "none"):
        plan = planned(catalog, "random-init", "tags", f"splits.groups={groups}", "protocols=[knn]")
        record = run_plans([plan], Store(root=tmp_path / groups), catalog, NoDisplay()).records[0]
        assert record.status == "done", record.reason
        (answers,) = read_answers(tmp_path / groups, record).values()
        found[groups] = sample_variance(answers, core_metrics()["exact_match"])
        if groups == "none":
            assert answers.groups is None
            continue
        dishes = answers.ids.astype(int) // 2
        assert len({*zip(answers.groups.tolist(), dishes.tolist(), strict=True)}) == len(set(dishes.tolist())) == 6
    assert (found["dish"].sample_freedom, found["none"].sample_freedom) == (5, np.inf)
