"""Configure Lightning Fabric from training settings: devices, precision and strategy."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sslbench import environment
from sslbench.config.settings import TrainSettings
from sslbench.train.distributed.fsdp import shard
from sslbench.train.distributed.lightning import Fabric, ModelParallelStrategy

PRECISIONS: Mapping[str, Any] = {"float32": "32-true", "bfloat16": "bf16-mixed", "float64": "64-true"}


def make_fabric(precision: str, settings: TrainSettings | None = None) -> Fabric:
    """Return a launched Fabric with the devices of the training settings, or one device, in a precision."""
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)  # it logs every launch
    settings = settings or TrainSettings()
    options: dict[str, Any] = {}
    if settings.processes > 1:
        options = {"strategy": _strategy(settings), "num_nodes": settings.nodes}
    fabric = Fabric(
        accelerator="auto", devices=settings.devices, precision=PRECISIONS[precision],
        plugins=[environment.cluster_environment(settings.processes)], **options,
    )  # fmt: skip
    fabric.launch()
    return fabric


def _strategy(settings: TrainSettings) -> Any:
    if settings.strategy == "ddp":
        return "ddp"
    return ModelParallelStrategy(shard, data_parallel_size=settings.processes, tensor_parallel_size=1)
