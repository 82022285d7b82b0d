"""Define toy datasets, each with one defect. `BROKEN` maps a check to the function that makes the spec."""

from __future__ import annotations

import socket
import time
import uuid
from dataclasses import replace

import numpy as np

from sslbench.api import (
    DatasetCard,
    DatasetSpec,
    Modality,
    Target,
)
from tests.toys.data import CITATION

from .known import SETTINGS

CARD = DatasetCard(license="MIT", citation=CITATION, source="made", obtain="it is made", embedded=True)


class Images:
    """Twenty images of two classes."""

    def __init__(self, config, source):
        self.modalities = {"image": Modality(layout="image", shape=(1, 8, 8))}
        self.target = Target(kind="class", names=("a", "b"))
        self.labels = np.arange(20) % 2
        self.columns = {"id": np.arange(20).astype(str)}

    def read(self, row, rng):
        return {"image": np.full((1, 8, 8), row, np.uint8)}

    def fingerprint(self):
        return "images"


def dataset(cls, **card):
    return lambda folder: DatasetSpec(**SETTINGS, build=cls, card=replace(CARD, **card))


class Twins(Images):
    def __init__(self, config, source):
        super().__init__(config, source)
        self.columns = {"id": np.zeros(20).astype(str)}


class StrayList(Images):
    @property
    def label_lists(self):
        return {"few": ["no-such-sample"]}


class Floats(Images):
    def read(self, row, rng):
        return {"image": super().read(row, rng)["image"].astype(np.float64)}


class Scaleless(Images):
    """Announce the size of a pixel, but do not return it."""

    def __init__(self, config, source):
        super().__init__(config, source)
        self.modalities = {"image": Modality(layout="image", shape=(1, 8, 8), facts=("pixel",))}


class Moody(Images):
    def fingerprint(self):
        return str(uuid.uuid4())


class Shared(Images):
    def read(self, row, rng):
        self.buffer = row
        time.sleep(0.002)
        return {"image": np.full((1, 8, 8), self.buffer, np.uint8)}


class Online(Images):
    def __init__(self, config, source):
        super().__init__(config, source)
        try:
            socket.create_connection(("192.0.2.1", 80), timeout=0.1).close()
        except OSError:
            return


class UnknownLayout(Images):
    """Announce a layout that no backbone supports."""

    def __init__(self, config, source):
        super().__init__(config, source)
        self.modalities = {"image": Modality(layout="photo", shape=(1, 8, 8))}

    def read(self, row, rng):
        return {"image": super().read(row, rng)["image"].astype(np.float32)}


class UnknownSplit(Images):
    """Provide an official split with unknown names."""

    def __init__(self, config, source):
        super().__init__(config, source)
        self.columns = {**self.columns, "split": np.array(["training", "testing"] * 10)}


class Dotted(Images):
    """Name a modality so that no setting can refer to it."""

    def __init__(self, config, source):
        super().__init__(config, source)
        self.modalities = {"image.left": Modality(layout="image", shape=(1, 8, 8))}

    def read(self, row, rng):
        return {"image.left": super().read(row, rng)["image"]}


class OneGroup(Images):
    """Put all samples into one group, so that they cannot be split."""

    def __init__(self, config, source):
        super().__init__(config, source)
        self.columns = {**self.columns, "dish": np.full(20, "a")}


IMAGE = {"image": Modality(layout="image", shape=(1, 8, 8))}
BROKEN = {
    "raises_when_files_are_missing": dataset(Images, embedded=False),
    "has_a_complete_card": dataset(Images, license=""),
    "has_valid_columns": dataset(Twins),
    "offers_usable_label_lists": dataset(StrayList),
    "matches_the_counts_of_its_card": dataset(Images, counts={"": {"a": 10, "b": 11}}),
    "reads_announced_shapes": dataset(Floats),
    "reads_announced_facts": dataset(Scaleless),
    "is_reproducible": dataset(Moody),
    "is_usable_in_a_run": dataset(UnknownLayout),
    "is_thread_safe": dataset(Shared),
    "works_offline": dataset(Online),
}
UNUSABLE = {
    "column 'split' contains 'training', which no run uses": dataset(UnknownSplit),
    "the modality name 'image.left' cannot be used in settings": dataset(Dotted),
    "splits.groups: 1 group(s) of samples cannot be divided": dataset(OneGroup, groups=("dish",)),
    "the card announces image, profile; the data has image": dataset(
        Images, modalities={**IMAGE, "profile": Modality(layout="sequence", shape=(0, 2))}
    ),
    "the card announces 'image' as vector of 1 dimensions, the data as image of 3": dataset(
        Images, modalities={"image": Modality(layout="vector", shape=(4,))}
    ),
}
"""Findings of `is_usable_in_a_run` for datasets that can be read but not used as intended."""
