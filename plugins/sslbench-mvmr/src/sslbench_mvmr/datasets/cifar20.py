"""CIFAR-20: CIFAR-100 with its 20 coarse labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sslbench_vision.datasets import cifar100
from sslbench_vision.datasets.cifar_release import CifarConfig, make_spec

from sslbench.api import DatasetSpec, hookimpl

COARSE = """
    aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture
    insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores
    medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2
"""
"""Coarse classes in the released order, which is alphabetical."""
RELEASE = replace(
    cifar100.RELEASE, name="cifar20", names=tuple(COARSE.split()), label_byte=0, label_key=b"coarse_labels"
)


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[CifarConfig]]:
    yield make_spec(
        RELEASE,
        "60,000 small photographs, 32x32 color, the 20 coarse classes of CIFAR-100, official split",
        "sslbench_mvmr.datasets.cifar20_reader:open_cifar20",
    )
