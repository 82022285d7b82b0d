"""Read the files of CIFAR-100 with coarse labels."""

from __future__ import annotations

from sslbench_vision.datasets.cifar_reader import open_release
from sslbench_vision.datasets.cifar_release import CifarConfig

from sslbench.api import Dataset, Source
from sslbench_mvmr.datasets.cifar20 import RELEASE


def open_cifar20(config: CifarConfig, source: Source) -> Dataset:
    """Open the layout that is found, or download it; raises DataMissing or DataBroken."""
    return open_release(config, source, RELEASE)
