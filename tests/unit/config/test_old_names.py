"""Answers to names of version 0.1 in requests: only components that had an old name state the new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from sslbench.api.errors import RequestError
from sslbench.convert import convert
from sslbench.testing.plans import plan_run


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
    convert({"smoothing": 0.1}, TheirConfig, "method", problems, "method/theirs")
    convert({"channels": "grey"}, TheirConfig, "data", problems, "dataset/theirs")
    assert len(problems) == 2
    assert problems[0].startswith("method.smoothing: no such setting")
    assert problems[1].startswith("data.channels=grey: must be")
