"""Baselines: their requests are made from the plan of the method that they are compared with."""

from __future__ import annotations

import pytest

from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.baselines import baseline_tree
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import make_plan
from sslbench.environment import places
from sslbench.testing.plans import MACHINE, plan_run

CATALOG = discover(installed_entries())
RANDOM = [c.name for c in CATALOG.all("method") if c.spec.baseline and c.spec.random_init]


@pytest.mark.parametrize("name", RANDOM)
def test_a_baseline_of_random_weights_has_the_same_encoder_without_published_weights(name):
    plan = plan_run("simclr", "digits", "backbone.name=convnext_femto", "backbone.published=true")
    assert plan.backbones["image"].config.published
    fresh = make_plan(baseline_tree(plan, name), CATALOG, DatasetCache(places()), MACHINE)
    assert (fresh.backbones["image"].name, fresh.backbones["image"].config.published) == ("convnext_femto", False)
