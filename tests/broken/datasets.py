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


class CountsReads(Images):
    """Return samples that depend on the number of earlier ones."""

    reads = 0

    def read(self, row, rng):
        self.reads += 1
        return {"image": np.full((1, 8, 8), self.reads, np.uint8)}


class OneBuffer(Images):
    """Return every sample in the same array."""

    buffer = np.zeros((1, 8, 8), np.uint8)

    def read(self, row, rng):
        self.buffer[:] = row
        return {"image": self.buffer}


def images(**members):
    """Make a dataset with other members."""

    class Other(Images):
        def __init__(self, config, source):
            super().__init__(config, source)
            for name, value in members.items():
                setattr(self, name, value)

    return dataset(Other)


IDS = {"id": np.arange(20).astype(str)}
NUMBERS, LABELS = (Target(kind=kind, names=("a", "b")) for kind in ("value", "labels"))
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
FAULTS = [
    ("is_usable_in_a_run", "column 'split' contains 'training', which no run uses", dataset(UnknownSplit)),
    ("is_usable_in_a_run", "the modality name 'image.left' cannot be used in settings", dataset(Dotted)),
    (
        "is_usable_in_a_run",
        "splits.groups: 1 group(s) of samples cannot be divided",
        dataset(OneGroup, groups=("dish",)),
    ),
    (
        "is_usable_in_a_run",
        "the card announces image, profile; the data has image",
        dataset(Images, modalities={**IMAGE, "profile": Modality(layout="sequence", shape=(0, 2))}),
    ),
    (
        "is_usable_in_a_run",
        "the card announces 'image' as vector of 1 dimensions, the data as image of 3",
        dataset(Images, modalities={"image": Modality(layout="vector", shape=(4,))}),
    ),
    ("is_reproducible", "row 0: 'image' differs in another order of reading", dataset(CountsReads)),
    ("is_reproducible", "'image' changes when other rows are read", dataset(OneBuffer)),
    ("has_valid_columns", "column 'dish' contains int64, not text", images(columns={**IDS, "dish": np.arange(20)})),
    ("has_valid_columns", "the target has the name 'a' 2 times", images(target=Target(kind="class", names=("a", "a")))),
    ("has_valid_columns", "sizes has shape (20,), not (20, 2)", images(sizes=np.zeros(20))),
    (
        "has_valid_columns",
        "labels contain 2, but a label is 1 (positive), 0 (negative) or -1 (unknown)",
        images(target=LABELS, labels=np.full((20, 2), 2)),
    ),
    (
        "has_valid_columns",
        "labels contain infinity, but an unknown value is NaN",
        images(target=NUMBERS, labels=np.full((20, 2), np.inf)),
    ),
    (
        "uses_known_names",
        "label_preserving: ",
        lambda folder: replace(dataset(Images)(folder), label_preserving="no-such-one"),
    ),
]
"""Checks and what they find in datasets with another defect than those of `BROKEN`."""
SOUND = images()
