"""Compare two processes with one: views, losses, gradients, batch statistics, state, and a whole run."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file
from torch import nn

import sslbench
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.train.distributed import launch
from sslbench.train.distributed.sync_batch_norm import SharedBatchNorm, share_statistics
from tests.conftest import ROOT, TINY

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
STEPS = [
    "recipe=none",
    "train.epochs=2",
    "train.batch_size=32",
    "train.optimizer=sgd",
    "train.lr=0.1",
    "train.schedule=constant",
]
IMAGES = {"data": {"name": "digits"}, "augmentation": {"name": "crop-flip"}}
TOYS = {
    "data": {"name": "toy-pairs"},
    "augmentation": {"name": "toy-shift"},
    "backbones": {"image": {"name": "toy-mean"}},
}
PAIRS = {**TOYS, "backbones": {name: {"name": "toy-mean"} for name in ("image", "profile")}}
SHARDED = ("mae", "moco-v2-plus", "deepcluster-v2", "barlow-twins", "toy-queue")
"""A selection of methods: tokens, a queue, assignments, batch statistics, a momentum network."""
TOY_METHODS = ("toy-masks", "toy-assignments", "toy-queue", "toy-sizes")


@cache
def everything() -> dict:
    """Return every installed method that trains, on digits, and toys with a queue, masks, assignments, view sizes."""
    wanted, toys = {}, [*STEPS, "view.size=16", "train.batch_size=16"]
    for component in discover(installed_entries()).all("method"):
        spec = component.spec
        if spec.trains:
            backbone = "micro-vit" if "tokens" in spec.requires else "micro-cnn"
            smoke = [f"method.{k}={json.dumps(v)}" for k, v in vars_of(spec.smoke).items()]
            wanted[spec.name] = ({**IMAGES, "backbone": {"name": backbone}}, [*STEPS, *smoke])
            if spec.modalities[0] == 2:
                wanted[spec.name] = (PAIRS, [*toys, *smoke])
    return wanted | dict.fromkeys(TOY_METHODS, (TOYS, toys))


def vars_of(config) -> dict:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


SELECTED = tuple(dict.fromkeys((*SHARDED, *TOY_METHODS)))
OTHERS = tuple(sorted(everything().keys() - set(SELECTED)))
"""Methods without a mechanism that none of the selection has; only slow tests run them."""


def start(program: list[str], **variables: str) -> None:
    answer = subprocess.run(
        [sys.executable, *program], capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **variables},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-3000:]


def take_steps(folder: Path, name: str, processes: int, methods: Iterable[str]) -> Path:
    """Take a few steps of methods with a number of processes; with two, `name` is the strategy."""
    wanted = {method: everything()[method] for method in methods}
    strategy = name if processes == 2 else "ddp"
    errand = folder / f"errand-{name}.json"
    errand.write_text(
        json.dumps(
            {"name": name, "methods": wanted, "processes": processes, "strategy": strategy, "folder": str(folder)}
        )
    )
    start([*(TORCHRUN if processes == 2 else ()), "-m", "tests.step_program", str(errand)])
    return folder


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """Return a function that takes the steps of a group of methods once, and returns their folder."""

    @cache
    def take(name: str, processes: int, methods: tuple[str, ...]) -> Path:
        return take_steps(tmp_path_factory.mktemp(name), name, processes, methods)

    return take


def are_one(alone: Path, together: Path, strategy: str, method: str) -> None:
    """Compare weights and buffers: with SGD at a constant rate, equal weights mean equal gradients."""
    one, two = (
        load_file(alone / f"{method}-alone.safetensors"),
        load_file(together / f"{method}-{strategy}.safetensors"),
    )
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(
            two[name], value, rtol=1e-9, atol=1e-12, msg=lambda text, name=name: f"{name}: {text}"
        )
    assert one["loss of epoch 0"] != one["loss of epoch 1"]


@pytest.mark.parametrize("method", SELECTED)
def test_two_processes_with_half_the_batch_equal_one(steps, method):
    are_one(steps("alone", 1, SELECTED), steps("ddp", 2, SELECTED), "ddp", method)


@pytest.mark.slow
@pytest.mark.parametrize("method", SHARDED)
def test_two_processes_with_sharded_weights_equal_one(steps, method):
    are_one(steps("alone", 1, SELECTED), steps("fsdp", 2, SHARDED), "fsdp", method)


@pytest.mark.slow
@pytest.mark.parametrize("method", OTHERS)
def test_every_other_method_with_two_processes_equals_one(steps, method):
    for strategy in ("ddp", "fsdp"):
        are_one(steps("alone", 1, OTHERS), steps(strategy, 2, OTHERS), strategy, method)


def test_shared_batch_norm_keeps_the_activation_inside():
    """Networks of timm, such as EfficientNet, have batch norms that end in an activation."""
    torch.manual_seed(0)
    module = timm.create_model("efficientnet_lite0", num_classes=0)
    images = torch.randn(2, 3, 32, 32)
    for training in (False, True):
        torch.testing.assert_close(
            share_statistics(copy.deepcopy(module)).train(training)(images),
            copy.deepcopy(module).train(training)(images),
        )
    assert share_statistics(copy.deepcopy(module)).state_dict().keys() == module.state_dict().keys()


def test_shared_batch_norm_is_batch_norm_in_one_process():
    """Converted modules keep parameters, buffers and names, and equal torch's in a single process."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Sequential(nn.BatchNorm2d(4)))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    weight = module[1].weight
    values = torch.randn(5, 3, 8, 8)
    expected = module(values)
    module.load_state_dict(before)
    shared = share_statistics(module)
    assert isinstance(shared[1], SharedBatchNorm)
    assert shared[1].weight is weight
    assert list(shared.state_dict()) == list(before)
    torch.testing.assert_close(shared(values), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: torch's SyncBatchNorm refuses CPUs")
def test_shared_batch_norm_is_sync_batch_norm_on_gpus():
    start([*TORCHRUN, "-m", "tests.norm_program"])


@pytest.mark.parametrize("strategy", ["ddp", pytest.param("fsdp", marks=pytest.mark.slow)])
def test_a_run_of_two_processes_agrees_with_one(tmp_path, strategy):
    settings = {**TINY, "train.precision": "float32", "baselines": "none", "protocols": ["knn"], "threads": 1}
    losses = []
    for share in ({}, {"train.devices": 2, "train.strategy": strategy}):
        record = sslbench.run("mae", "digits", out=tmp_path, settings=settings | share).records[0]
        assert record.status == "done", record.reason
        assert record.settings["train"]["devices"] == share.get("train.devices", 1)
        assert record.settings["train"]["strategy"] == share.get("train.strategy", "ddp")
        losses.append([epoch["loss"] for epoch in record.training[0]["history"]])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize(
    ("way", "sentence"),
    [
        ("second alone", "no disk is left here"),
        ("abort", "ended with exit code 1 and no error message. See .*ranks.log"),
        ("wind down", None),
    ],
)
def test_errors_of_processes_are_reported(tmp_path, monkeypatch, way, sentence):
    """Report an error of any process; no error if only the exit of the interpreter fails."""
    monkeypatch.setattr(launch, "PROGRAM", "tests.exit_worker_main")
    task = launch.WorkerTask(tree={"way": way}, threads=1, precision="float32", key="", tables=())
    with pytest.raises(RuntimeError, match=sentence) if sentence else nullcontext():
        launch.run_workers(task, 2, tmp_path, lambda moment: None)
    assert (tmp_path / "ranks.log").exists() == bool(sentence)


@pytest.mark.slow
def test_torchrun_may_start_the_command_itself(tmp_path):
    settings = {**TINY, "train.precision": "float32", "train.devices": 2}
    overrides = [f"{key}={json.dumps(value)}" for key, value in settings.items() if key != "seeds"]
    arguments = [
        "--method",
        "mae",
        "--dataset",
        "digits",
        "--seeds",
        "0",
        "--protocols",
        "knn",
        "--baselines",
        "random-init",
    ]
    start([*TORCHRUN, "-m", "sslbench", "run", *arguments, "--out", str(tmp_path), *overrides])
    record = next(r for r in sslbench.load_results(tmp_path).records if r.method["name"] == "mae")
    assert record.status == "done"
    assert record.settings["train"]["devices"] == 2


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"train.strategy": "fsdp"}, "train.strategy=fsdp: needs several processes"),
        ({"train.devices": 0}, "train.devices=0: must be 1 or more"),
        (
            {"train.devices": 2, "train.batch_size": 33},
            "train.batch_size=33: is not a multiple of train.devices",
        ),
    ],
)
def test_settings_that_cannot_be_distributed_are_refused(settings, sentence, tmp_path):
    from sslbench.api.errors import RequestError

    with pytest.raises(RequestError, match=sentence):
        sslbench.run("mae", "digits", out=tmp_path, settings=settings)
