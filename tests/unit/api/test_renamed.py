"""Old names of the API are answered with their new names."""

from __future__ import annotations

import importlib

import pytest

from sslbench.api import renamed

NAMES = [(module, old, new) for module, names in renamed.NAMES.items() for old, new in names.items()]


@pytest.mark.parametrize(("module", "old", "new"), NAMES)
def test_an_old_name_of_a_module_states_the_new_one(module, old, new):
    assert getattr(importlib.import_module(module), new) is not None
    with pytest.raises(ImportError, match=f"^{module}.{old} is now {module}.{new}$"):
        exec(f"from {module} import {old}")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("from sslbench.api.pictures import whole", "sslbench.api.pictures is now sslbench.api.image_boxes"),
        ("from sslbench.api.pictures import middle", "middle is now center_boxes"),
        ("import sslbench.api.fits", "sslbench.api.fits is now sslbench.api.training_budget"),
        ("from sslbench.api import changed", "sslbench.api.changed is now sslbench.api.transformed_dataset"),
        ("from sslbench.api import Card", "sslbench.api.Card is now sslbench.api.DatasetCard"),
        ("from sslbench.api.values import Draws", "sslbench.api.values.Draws is now sslbench.api.values.KeyedRandom"),
    ],
)
def test_an_old_module_or_name_states_the_new_one(line, answer):
    with pytest.raises(ImportError) as error:
        exec(line)
    assert answer in str(error.value)


@pytest.mark.parametrize("name", ["Card", "whole", "anything"])
def test_a_name_that_a_module_never_had_is_absent(name):
    """A module answers only with names that it has: a class of another module is no attribute of this one."""
    files = importlib.import_module("sslbench.api.files")
    assert not hasattr(files, name)
