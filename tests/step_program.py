"""A few steps of one method in float64, alone or under torchrun: what the first process has afterwards goes to a file."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import torch
from lightning_fabric.plugins.precision.double import DoublePrecision
from torch import Tensor

from sslbench.catalog.discovery import PluginEntry, discover, installed_entries
from sslbench.catalog.facts import Origin
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, make_plan
from sslbench.config.plan_stages import split_plan
from sslbench.config.request import read_request
from sslbench.data.prepare import prepare
from sslbench.data.table import open_prepared
from sslbench.environment import places, process_rank
from sslbench.train.build import build_augmentation, build_method, gather_training_data, make_views
from sslbench.train.distributed.fabric import make_fabric
from sslbench.train.distributed.fsdp import full_weights
from sslbench.train.distributed.launch import exit_worker
from sslbench.train.distributed.process_group import current_group
from sslbench.train.distributed.sync_batch_norm import share_statistics
from sslbench.train.feeds import SampleFeed
from sslbench.train.loop import Training, train
from tests.toys import data, methods, parts

ENTRIES = [
    PluginEntry(
        origin=Origin(plugin=module.__name__, distribution="toys", version="1"), load=lambda module=module: module
    )
    for module in (data, methods, parts)
]


def double(value):
    """Every float32 tensor below a value in float64."""
    if isinstance(value, Tensor):
        return value.double() if value.dtype == torch.float32 else value
    if isinstance(value, dict):
        return {name: double(item) for name, item in value.items()}
    return tuple(double(item) for item in value) if isinstance(value, tuple) else value


class Doubled:
    """A feed in float64, of a few steps."""

    def __init__(self, feed, steps):
        self.feed, self.few = feed, steps

    def steps(self):
        return self.few

    def epoch(self, epoch, start):
        for place, passes in enumerate(self.feed.epoch(epoch, start)):
            if place == self.few:
                return
            yield [[(w, dataclasses.replace(b, views=double(dict(b.views)))) for w, b in part] for part in passes]

    def unaugmented_pass(self):
        walk = self.feed.unaugmented_pass()

        def doubled():
            torch.set_default_dtype(torch.float32)  # Fabric's float64 changes it, and views are made in float32
            found = [(rows, double(dict(view))) for rows, view in walk()]
            torch.set_default_dtype(torch.float64)
            return found

        return doubled


def double_fabric(settings):
    """A fabric in float64; sharded training refuses that by name, so it is given the precision itself."""
    if settings.strategy == "ddp":
        return make_fabric("float64", settings)
    fabric = make_fabric("float32", settings)
    fabric._precision = fabric.strategy.precision = DoublePrecision()
    return fabric


def steps_of(
    name: str, request: dict, overrides: list[str], processes: int, strategy: str, folder: Path
) -> dict[str, Tensor]:
    """Train for two epochs of two steps; the state afterwards and the losses."""
    catalog = discover([*installed_entries(), *ENTRIES], strict=True)
    tree = read_request(None, {**request, "method": {"name": name}}, overrides)
    plan = make_plan(tree, catalog, DatasetCache(places()), Machine(threads=1, precision="float32"))
    inputs = split_plan(plan).trainings[0].pretrain
    prepared = folder / f"{name}-{process_rank()}"
    prepared.mkdir(parents=True)
    prepare(split_plan(plan).pool[0].prepare, name, prepared, lambda done, total: None)
    material = gather_training_data(inputs, [open_prepared(prepared, name)])
    method = build_method(inputs, material.modalities, material.target, len(material.pool)).double()
    settings = dataclasses.replace(plan.train, devices=processes, strategy=strategy)
    fabric = double_fabric(settings)
    if processes > 1:
        share_statistics(method)
    feed = SampleFeed(
        pool=material.pool, views=make_views(material.modalities, 0, fabric.device, is_squashed=False), roles=plan.roles,
        augmentations=[build_augmentation(a, material.modalities, material.pool) for a in inputs.training.augmentations],
        batch_size=settings.batch_size, grad_accumulation=settings.grad_accumulation, seed=0, processes=current_group(), labels=material.labels,
    )  # fmt: skip
    trained = train(
        Training(
            objective=method, feed=Doubled(feed, 2), settings=settings, fabric=fabric, processes=current_group(), seed=0
        )
    )
    losses = {
        f"loss of epoch {e}": torch.tensor([h["loss"]], dtype=torch.float64) for e, h in enumerate(trained.history)
    }
    return {**{n: v.clone().contiguous() for n, v in full_weights(method).items()}, **losses}


if __name__ == "__main__":
    import json

    from safetensors.torch import save_file

    errand = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(errand["folder"])
    torch.set_num_threads(1)
    for method_name, (wanted, changes) in errand["methods"].items():
        found = steps_of(method_name, wanted, changes, errand["processes"], errand["strategy"], folder / errand["name"])
        if current_group().rank == 0:
            save_file(found, folder / f"{method_name}-{errand['name']}.safetensors")
    exit_worker()
