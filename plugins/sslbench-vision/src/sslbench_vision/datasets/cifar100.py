"""CIFAR-100 with fine labels, in the official binary layout or torchvision's python layout; downloaded if needed."""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.api import DatasetSpec, hookimpl
from sslbench_vision.datasets.cifar_release import CifarConfig, Release, make_spec

FINE = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
    man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
    pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
    tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
"""Classes in the released order, which is alphabetical."""
RELEASE = Release(
    name="cifar100",
    names=tuple(FINE.split()),
    archive="cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
    binary="cifar-100-binary",
    python="cifar-100-python",
    binary_files=("train.bin", "test.bin"),
    python_files=("train", "test"),
    records=(50_000, 10_000),
    label_bytes=2,  # the coarse label, then the fine one
    label_byte=1,
    label_key=b"fine_labels",
)


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[CifarConfig]]:
    yield make_spec(
        RELEASE,
        "60,000 small photographs, 32x32 color, 100 classes (the fine labels), official split",
        "sslbench_vision.datasets.cifar_reader:open_cifar100",
    )
