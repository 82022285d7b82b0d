"""Test schedules and optimizers against closed forms, exact resume after SIGKILL, divergence and snapshots."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from sslbench_vision.backbones.micro_vit import MicroVitConfig
from sslbench_vision.backbones.micro_vit_model import MicroVit
from sslbench_vision.backbones.torchvision_family import TorchvisionConfig
from sslbench_vision.backbones.torchvision_model import TorchvisionEncoder
from torch import nn

import sslbench
from sslbench.analysis.tables.run_tables import make_rows
from sslbench.api import Modality
from sslbench.api.modules import Objective, ParameterGroup
from sslbench.config.settings import TrainSettings
from sslbench.results.record import VARYING_FIELDS
from sslbench.train import loop
from sslbench.train.optimizers import (
    Lars,
    build_optimizer,
    clip_each_gradient,
    compute_depth_multipliers,
    compute_larc_scale,
    compute_lr,
    compute_peak_lr,
    make_parameter_groups,
    set_lr_and_decay,
)
from tests.conftest import TINY
from tests.unit.config.test_config import problems_of

SMALL_CNN = {
    "recipe": "quick", "augmentation.name": "digits", "backbone.widths": [8, 8, 16, 16], "train.epochs": 2, "train.batch_size": 128,
    "train.precision": "float32", "seeds": [0], "baselines": "none", "protocols": ["knn"], "threads": 1,
}  # fmt: skip


def test_cosine_with_warmup_and_scaled_rate():
    settings = TrainSettings(epochs=800, batch_size=4096, lr=1.5e-4, scale_lr=True, warmup_epochs=40)
    assert compute_peak_lr(settings) == pytest.approx(2.4e-3)  # 1.5e-4 x 4096 / 256
    assert compute_lr(settings, 0) == 0
    assert compute_lr(settings, 20) == pytest.approx(1.2e-3)
    assert compute_lr(settings, 40) == pytest.approx(2.4e-3)
    assert compute_lr(settings, 420) == pytest.approx(1.2e-3)
    assert compute_lr(settings, 800) == pytest.approx(0, abs=1e-12)


def test_one_cycle_agrees_with_torch():
    settings = TrainSettings(epochs=10, lr=0.5, schedule="one-cycle")
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.5, total_steps=1001, pct_start=0.3, final_div_factor=1e9, cycle_momentum=False
    )
    for step in range(1000):
        # torch counts the peak at step 0.3 * total - 1, so the two are at most a step apart
        assert compute_lr(settings, step / 100) == pytest.approx(cycle.get_last_lr()[0], abs=0.003)
        optimizer.step()
        cycle.step()


@pytest.mark.slow
def test_compiled_encoders_have_the_same_losses(tmp_path):
    """Kernels from torch.compile differ only by rounding."""
    if shutil.which("g++") is None and not torch.cuda.is_available():
        pytest.skip("needs a C++ compiler, which torch.compile uses on CPUs")
    settings = {**SMALL_CNN, "train.compile": True}
    plain, compiled = (
        sslbench.run("simclr", "digits", out=tmp_path, settings=s).records[0] for s in (SMALL_CNN, settings)
    )
    assert compiled.status == "done", compiled.reason
    losses = [[epoch["loss"] for epoch in record.training[0]["history"]] for record in (plain, compiled)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert losses[0] != losses[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_compiled_bfloat16_measures_the_same_on_a_gpu(tmp_path):
    """Scores are equal within seed noise: the difference is inside the interval over three seeds."""
    settings = {**SMALL_CNN, "train.precision": "bfloat16", "train.epochs": 10, "seeds": [0, 1, 2]}
    values = []
    for compiled in (False, True):
        record = sslbench.run(
            "simclr", "digits", out=tmp_path, settings={**settings, "train.compile": compiled}
        ).records[0]
        values.append(make_rows([record])[0].cells["knn", "micro_accuracy"])
    assert abs(values[0].mean - values[1].mean) <= max(value.ci95_half_width or 0 for value in values) + 0.02


def test_layer_decay_multipliers_of_vit_large():
    """MAE, fine-tuning: head 1, last block 0.75, first block 0.75^24, patch embedding 0.75^25 = 7.5e-4."""
    modality = Modality(layout="image", shape=(1, 32, 32))
    encoder = MicroVit(MicroVitConfig(depth=24, width=16, heads=2), modality)
    multipliers = compute_depth_multipliers(encoder, 0.75)
    by_name = {name: multipliers[id(p)] for name, p in encoder.named_parameters()}
    assert by_name["embed.weight"] == pytest.approx(0.75**25)
    assert by_name["embed.weight"] == pytest.approx(7.5e-4, rel=0.01)
    assert by_name["class_token"] == pytest.approx(0.75**25)
    assert by_name["blocks.0.qkv.weight"] == pytest.approx(0.75**24)
    assert by_name["blocks.23.qkv.weight"] == pytest.approx(0.75)
    assert by_name["norm.weight"] == 1


@pytest.mark.parametrize("model", ["resnet18", "vgg11_bn", "convnext_tiny"])
def test_depth_grows_along_convolutional_encoders(model):
    encoder = TorchvisionEncoder(TorchvisionConfig(model=model), Modality(layout="image", shape=(1, 32, 32)))
    depths = [encoder.depth_of(name) for name, _ in encoder.named_parameters()]
    assert depths[0] == 0 or model.startswith("vgg")
    assert depths == sorted(depths)
    assert len(set(depths)) >= 4
    assert max(depths) <= encoder.depth


class LinearObjective(Objective):
    """An objective of one weight matrix and a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def loss(self, batch, step):
        raise NotImplementedError


def test_one_dimensional_parameters_do_not_decay():
    groups = make_parameter_groups(LinearObjective(), TrainSettings(weight_decay=0.1))
    assert {len(g["params"][0].shape): g["weight_decay"] for g in groups} == {2: 0.1, 1: 0.0}


def test_norms_and_biases_decay_if_requested():
    settings = TrainSettings(
        optimizer="sgd", weight_decay=0.1, decay_norms_and_biases=True, epochs=1, lr=1.0, momentum=0.0
    )
    objective = LinearObjective()
    optimizer = build_optimizer(objective, settings)
    set_lr_and_decay(optimizer, settings, 0.0)
    before = {name: parameter.detach().clone() for name, parameter in objective.named_parameters()}
    for parameter in objective.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in objective.named_parameters():
        torch.testing.assert_close(parameter.detach(), before[name] * 0.9)


def test_groups_must_hold_every_parameter_once():
    class Incomplete(LinearObjective):
        def groups(self):
            return (ParameterGroup(parameters=(self.layer.weight,)),)

    class Duplicate(LinearObjective):
        def groups(self):
            return (ParameterGroup(parameters=tuple(self.parameters())), ParameterGroup(parameters=(self.layer.bias,)))

    for objective in (Incomplete(), Duplicate()):
        with pytest.raises(ValueError, match="must hold every trainable parameter exactly once"):
            build_optimizer(objective, TrainSettings())


def test_groups_can_be_constant_or_frozen_at_first():
    class SeparateHead(LinearObjective):
        def groups(self):
            head = ParameterGroup(parameters=(self.layer.bias,), scheduled=False, lr_multiplier=2.0)
            return (ParameterGroup(parameters=(self.layer.weight,), from_epoch=1), head)

    settings = TrainSettings(epochs=4, lr=1.0, weight_decay=0)
    optimizer = build_optimizer(SeparateHead(), settings)
    set_lr_and_decay(optimizer, settings, 0.5)
    assert [g["lr"] for g in optimizer.param_groups] == [0.0, 2.0]
    set_lr_and_decay(optimizer, settings, 2.0)
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([0.5, 2.0])


def test_lars_follows_its_equation():
    weight, bias = nn.Parameter(torch.tensor([[3.0, 4.0]])), nn.Parameter(torch.tensor([1.0]))
    groups = [{"params": [weight], "weight_decay": 0.1, "lr": 0.5}, {"params": [bias], "weight_decay": 0.0, "lr": 0.5}]
    optimizer = Lars(groups, momentum=0.9, trust=0.01)
    velocity = torch.zeros(1, 2)
    expected_weight, expected_bias, bias_velocity = weight.detach().clone(), bias.detach().clone(), torch.zeros(1)
    for gradient in (torch.tensor([[1.0, 2.0]]), torch.tensor([[-2.0, 0.5]])):
        weight.grad, bias.grad = gradient, torch.tensor([0.3])
        optimizer.step()
        decayed = gradient + 0.1 * expected_weight
        velocity = 0.9 * velocity + decayed * 0.01 * expected_weight.norm() / decayed.norm()
        expected_weight = expected_weight - 0.5 * velocity
        bias_velocity = 0.9 * bias_velocity + 0.3
        expected_bias = expected_bias - 0.5 * bias_velocity
    assert torch.allclose(weight, expected_weight)
    assert torch.allclose(bias, expected_bias)


def test_the_scale_of_larc_is_bounded_at_learning_rate_0():
    """A warm-up may begin at learning rate 0: its first update enters the momentum, so its scale must be bounded."""
    after = []
    for lr in (0.0, 1e-12):
        weight = nn.Parameter(torch.tensor([[3.0, 4.0]]))
        groups = [{"params": [weight], "weight_decay": 0.1, "lr": lr}]
        optimizer = Lars(groups, momentum=0.9, trust=0.02, clip=True)
        weight.grad = torch.tensor([[100.0, 200.0]])
        optimizer.step()
        after.append(optimizer.state[weight]["velocity"])
    torch.testing.assert_close(after[0], torch.tensor([[100.3, 200.4]]))
    torch.testing.assert_close(after[0], after[1])
    assert compute_larc_scale(torch.tensor(0.002), 0.5).item() == pytest.approx(0.004)
    assert compute_larc_scale(torch.tensor(3.0), 0.5).item() == 1


@pytest.mark.parametrize("limit", [0.5, 3.0, 100.0])
def test_each_gradient_is_scaled_by_its_own_norm(limit):
    objective = LinearObjective()
    objective.layer.weight.grad = torch.full((2, 3), 2.0)
    objective.layer.bias.grad = torch.tensor([0.3, 0.4])
    clip_each_gradient(objective.parameters(), limit)
    assert objective.layer.weight.grad.norm().item() == pytest.approx(min(limit, math.sqrt(24)), rel=1e-5)
    assert objective.layer.bias.grad.norm().item() == pytest.approx(0.5, rel=1e-5)


def test_clipping_by_parameter_is_rejected_with_sharded_gradients():
    found = problems_of("train.grad_clip_by=parameter", "train.strategy=fsdp", "train.devices=2")
    assert any(
        line.startswith("train.grad_clip_by=parameter: cannot be combined with train.strategy=fsdp") for line in found
    )


def comparable(record: Path) -> dict:
    content = json.loads(record.read_text())
    return {name: value for name, value in content.items() if name not in VARYING_FIELDS}


RUN = [
    "run", "--method", "mae", "--dataset", "digits", "--baselines", "none", "--seeds", "0", "--protocols",
    "knn,finetune", "train.epochs=6", "train.batch_size=64", "protocol_settings.finetune.epochs=2",
    "protocol_settings.finetune.min_steps=0", "train.checkpoint_seconds=0",
    "backbone.width=16", "backbone.heads=2", "backbone.depth=1", "threads=1", "train.ema_decay=0.9",
]  # fmt: skip


def start(out: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-c", "from sslbench.cli import main; main()", *RUN, "--out", str(out), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ))


def finish(out: Path) -> Path:
    process = start(out)
    text = process.communicate(timeout=300)[0].decode()
    assert process.returncode == 0, text
    return next(out.glob("*/record.json"))


@pytest.mark.slow
def test_a_run_killed_at_any_time_and_repeated_has_the_same_record(tmp_path):
    """Each run is killed when its training has saved a checkpoint, and a second time after a part of its usual time."""
    started = time.monotonic()
    process = start(tmp_path / "whole")
    wait_for_checkpoint(process, tmp_path / "whole")
    startup = time.monotonic() - started
    text = process.communicate(timeout=300)[0].decode()
    assert process.returncode == 0, text
    rest = time.monotonic() - started - startup
    uninterrupted = comparable(next((tmp_path / "whole").glob("*/record.json")))
    kills = []
    for number, part in enumerate((0.0, 0.3, 0.6, 0.8)):
        out = tmp_path / f"killed{number}"
        process = start(out)
        wait_for_checkpoint(process, out)
        kills.append(kill_unfinished(process, out))
        process = start(out)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=startup + part * rest)
        kills.append(kill_unfinished(process, out))
        assert comparable(finish(out)) == uninterrupted
    assert kills.count(True) >= 6, kills


def wait_for_checkpoint(process: subprocess.Popen, out: Path) -> None:
    """Wait until a training has saved its state, or until the process has ended."""
    while process.poll() is None and not any(out.glob("stages/pretrain/.*.part-*/training.checkpoint")):
        time.sleep(0.02)


def kill_unfinished(process: subprocess.Popen, out: Path) -> bool:
    """Kill a run, and return whether it was alive and without a record."""
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL and not any(out.glob("*/record.json"))


def test_training_continues_exactly_from_a_checkpoint_within_an_epoch(tmp_path, monkeypatch):
    """The training stops after a step of the third epoch, like a killed one, and the next attempt continues from there."""
    settings = {**TINY, "train.epochs": 4, "train.checkpoint_seconds": 0, "baselines": "none", "protocols": ["knn"]}
    whole = sslbench.run("mae", "digits", out=tmp_path / "whole", settings=settings)
    original, steps = loop._Loop._report, []

    def stopping(self, total, passes):
        original(self, total, passes)
        steps.append(total)
        if len(steps) == 42:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop._Loop, "_report", stopping)
    with pytest.raises(KeyboardInterrupt):
        sslbench.run("mae", "digits", out=tmp_path / "cut", settings=settings)
    again = sslbench.run("mae", "digits", out=tmp_path / "cut", settings=settings)
    assert 0 < len(steps) - 42 < 76 - 36  # it continued and did not restart
    assert again.records[0].scores == whole.records[0].scores
    assert again.records[0].training == whole.records[0].training


def test_a_loss_that_is_not_finite_stops_the_run_with_its_step(tmp_path):
    settings = {**TINY, "train.lr": 1e30, "train.optimizer": "sgd", "train.warmup_epochs": 0.0, "train.epochs": 5,
                "baselines": "none", "protocols": ["knn"]}  # fmt: skip
    record = sslbench.run("mae", "digits", out=tmp_path, settings=settings).records[0]
    assert record.status == "diverged"
    assert "at step" in record.reason
    assert record.scores == ()
    assert json.loads(next(tmp_path.glob("*/record.json")).read_text())["status"] == "diverged"


def test_snapshots_are_evaluated_and_change_no_weight(tmp_path):
    base = {**TINY, "train.epochs": 3, "baselines": "none", "protocols": ["knn"]}
    plain = sslbench.run("mae", "digits", out=tmp_path / "plain", settings=base).records[0]
    with_snapshots = sslbench.run(
        "mae", "digits", out=tmp_path / "snap", settings={**base, "train.eval_epochs": [1, 2]}
    ).records[0]
    weights = [next((tmp_path / name).glob("mae*/encoder-*.safetensors")).read_bytes() for name in ("plain", "snap")]
    assert weights[0] == weights[1]
    assert {s.epoch for s in with_snapshots.scores} == {1, 2, None}
    assert [s for s in with_snapshots.scores if s.epoch is None] == list(plain.scores)


def test_accumulation_of_a_mean_loss_equals_the_larger_batch(tmp_path):
    base = {**TINY, "train.precision": "float32", "train.batch_size": 128, "baselines": "none", "protocols": ["knn"]}
    one = sslbench.run("mae", "digits", out=tmp_path, settings=base).records[0]
    two = sslbench.run("mae", "digits", out=tmp_path, settings={**base, "train.grad_accumulation": 4}).records[0]
    losses = [[epoch["loss"] for epoch in record.training[0]["history"]] for record in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_the_average_of_the_weights_is_saved(tmp_path, monkeypatch):
    """The saved weights are the moving average over the weights after each step, and the training itself is unchanged."""
    base = {**TINY, "train.precision": "float32", "baselines": "none", "protocols": ["knn"]}
    plain = sslbench.run("mae", "digits", out=tmp_path, settings=base).records[0]
    report, weights = loop._Loop._report, []

    def observed(self, total, passes):
        report(self, total, passes)
        if str(self.training.checkpoint).startswith(str(tmp_path)):  # and not a step that is timed for an estimate
            weights.append({name: value.double() for name, value in self.training.objective.state_dict().items()})

    monkeypatch.setattr(loop._Loop, "_report", observed)
    averaged = sslbench.run("mae", "digits", out=tmp_path, settings={**base, "train.ema_decay": 0.9}).records[0]
    assert plain.training[0]["history"] == averaged.training[0]["history"]
    assert len(weights) == 2 * 19
    expected = weights[0]
    for step in weights[1:]:
        expected = {name: 0.9 * value + 0.1 * step[name] for name, value in expected.items()}
    kept = load_file(next((tmp_path / averaged.run).glob("encoder-*.safetensors")))
    assert set(kept) == set(expected)
    for name, value in kept.items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-4, atol=1e-6, msg=name)
    assert any(not torch.allclose(value.double(), weights[-1][name], rtol=1e-3) for name, value in kept.items())
