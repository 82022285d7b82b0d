"""Test schedules, parameter groups, weight decay, LARS and clipping against closed forms and torch."""

from __future__ import annotations

import math

import pytest
import torch
from sslbench_vision.backbones.micro_vit import MicroVitConfig
from sslbench_vision.backbones.micro_vit_model import MicroVit
from sslbench_vision.backbones.torchvision_family import TorchvisionConfig
from sslbench_vision.backbones.torchvision_model import TorchvisionEncoder
from torch import nn

from sslbench.api import Modality
from sslbench.api.modules import Objective, ParameterGroup
from sslbench.config.settings import TrainSettings
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
from tests.unit.config.test_config import problems_of


def test_cosine_with_warmup_and_scaled_rate():
    settings = TrainSettings(epochs=800, batch_size=4096, lr=1.5e-4, scale_lr=True, warmup_epochs=40)
    assert compute_peak_lr(settings) == pytest.approx(2.4e-3)  # 1.5e-4 x 4096 / 256
    assert compute_lr(settings, 0) == 0
    assert compute_lr(settings, 20) == pytest.approx(1.2e-3)
    assert compute_lr(settings, 40) == pytest.approx(2.4e-3)
    assert compute_lr(settings, 420) == pytest.approx(1.2e-3)
    assert compute_lr(settings, 800) == pytest.approx(0, abs=1e-12)


def test_a_linear_schedule_is_that_of_torch():
    settings = TrainSettings(epochs=10, lr=0.5, min_lr=0.1, warmup_epochs=2, schedule="linear")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5)
    line = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1, end_factor=0.2, total_iters=8)
    assert compute_lr(settings, 1) == pytest.approx(0.25)
    for epoch in range(2, 11):
        assert compute_lr(settings, epoch) == pytest.approx(line.get_last_lr()[0])
        optimizer.step()
        line.step()


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


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "lars"])
def test_neither_gradient_nor_momentum_nor_decay_moves_a_group_before_its_epoch(name):
    class LateHead(LinearObjective):
        def groups(self):
            head = ParameterGroup(parameters=(self.layer.weight,), from_epoch=1)
            return (ParameterGroup(parameters=(self.layer.bias,)), head)

    objective = LateHead()
    settings = TrainSettings(optimizer=name, lr=0.1, weight_decay=0.1, momentum=0.9, schedule="constant", epochs=4)
    optimizer = build_optimizer(objective, settings)
    moved = []
    for epoch in (0, 0, 1):
        before = objective.layer.weight.detach().clone()
        for parameter in objective.parameters():
            parameter.grad = torch.ones_like(parameter)
        set_lr_and_decay(optimizer, settings, epoch)
        optimizer.step()
        moved.append(not torch.equal(before, objective.layer.weight))
    assert moved == [False, False, True]


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
