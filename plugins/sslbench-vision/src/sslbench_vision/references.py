"""Published CIFAR-10 results of two suites, which state no standard deviations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sslbench.api import Published, ReferenceSpec, hookimpl
from sslbench_vision.citations import LIGHTLY, SOLO_LEARN

SOLO: Mapping[str, float] = {
    "barlow-twins": 0.9210, "byol": 0.9258, "deepcluster-v2": 0.8885, "dino": 0.8952, "moco-v2-plus": 0.9294,
    "moco-v3": 0.9310, "nnclr": 0.9188, "ressl": 0.9063, "simclr": 0.9074, "simsiam": 0.9051, "swav": 0.8917,
    "vibcreg": 0.9118, "vicreg": 0.9207, "w-mse": 0.8867,
}  # fmt: skip
LIGHTLY_200: Mapping[str, float] = {
    "barlow-twins": 0.819, "byol": 0.868, "dino": 0.813, "moco-v2-plus": 0.847, "nnclr": 0.815, "simclr": 0.848,
    "simsiam": 0.764, "swav": 0.842,
}  # fmt: skip


def make_rows(values: Mapping[str, float], protocol: str) -> tuple[Published, ...]:
    """Make one row per method for the test images of CIFAR-10."""
    return tuple(
        Published(method=method, dataset="cifar10", protocol=protocol, metric="micro_accuracy", value=value)
        for method, value in values.items()
    )


@hookimpl
def sslbench_references() -> Iterable[ReferenceSpec]:
    yield ReferenceSpec(
        name="solo-learn-cifar10",
        version=1,
        summary="solo-learn's README: CIFAR-10, ResNet-18, 1,000 epochs, top-1",
        citation=SOLO_LEARN,
        recipe="solo-learn",
        rows=make_rows(SOLO, "linear"),
        differences=(
            "their classifier is trained online, together with the method, and the score of its last epoch is reported",
        ),
    )
    yield ReferenceSpec(
        name="lightly-cifar10-200",
        version=1,
        summary="LightlySSL's benchmarks: CIFAR-10, ResNet-18, batch 512, 200 epochs, k-NN",
        citation=LIGHTLY,
        recipe="solo-learn",
        rows=make_rows(LIGHTLY_200, "knn"),
        settings={"train.epochs": 200, "train.batch_size": 512},
        differences=(
            "their heads, views and optimizer differ",
            "their k is 200, and the best epoch is selected on the test images",
        ),
    )
