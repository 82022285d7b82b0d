"""CIFAR-10 in the official binary layout or torchvision's python layout; downloaded if a network is available."""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.api import DatasetSpec, hookimpl
from sslbench_vision.datasets.cifar_release import CifarConfig, Release, make_spec

BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
RELEASE = Release(
    name="cifar10",
    names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    archive="cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    binary="cifar-10-batches-bin",
    python="cifar-10-batches-py",
    binary_files=tuple(f"{name}.bin" for name in BATCHES),
    python_files=BATCHES,
    records=(10_000,) * 6,
    label_bytes=1,
    label_byte=0,
    label_key=b"labels",
)


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[CifarConfig]]:
    yield make_spec(
        RELEASE,
        "60,000 small photographs, 32x32 color, 10 classes, official split",
        "sslbench_vision.datasets.cifar_reader:open_cifar10",
    )
