"""Build optimizers and compute learning rates; includes LARS, which torch lacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sslbench.api.modules import Depth, Objective, ParameterGroup
from sslbench.config.settings import TrainSettings


def compute_peak_lr(settings: TrainSettings) -> float:
    """Return the peak learning rate; `scale_lr` multiplies it by batch size / 256 (Goyal et al. 2017)."""
    return settings.lr * settings.batch_size / 256 if settings.scale_lr else settings.lr


def compute_lr(settings: TrainSettings, epoch: float) -> float:
    """Return the learning rate at a fractional epoch.

    Cosine: linear from `warmup_lr` during the warm-up, then half a cosine to `min_lr`. Linear: the same, then a line to
    `min_lr`. One-cycle: cosine up from 1/25 of
    the peak over the first 30 %, cosine down to `min_lr` (Smith and Topin 2018).
    """
    peak = compute_peak_lr(settings)
    if settings.schedule == "one-cycle":
        rise = 0.3 * settings.epochs
        if epoch < rise:
            return _cosine(peak / 25, peak, epoch / rise)
        return _cosine(peak, settings.min_lr, (epoch - rise) / (settings.epochs - rise))
    warmup = min(settings.warmup_epochs, settings.epochs / 2)
    if epoch < warmup:
        return settings.warmup_lr + (peak - settings.warmup_lr) * epoch / warmup
    if settings.schedule == "constant":
        return peak
    progress = (epoch - warmup) / (settings.epochs - warmup)
    if settings.schedule == "linear":
        return peak + (settings.min_lr - peak) * min(progress, 1.0)
    return _cosine(peak, settings.min_lr, progress)


def compute_weight_decay(settings: TrainSettings, epoch: float) -> float:
    """Return the weight decay at a fractional epoch: constant, or a cosine to `final_weight_decay` over all epochs."""
    if settings.final_weight_decay is None:
        return settings.weight_decay
    return _cosine(settings.weight_decay, settings.final_weight_decay, epoch / settings.epochs)


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))


def compute_depth_multipliers(objective: nn.Module, layer_decay: float) -> dict[int, float]:
    """Return learning rate multipliers by parameter id: layer_decay ** (depth - depth of the parameter).

    Only parameters of encoders that know their depth are included.
    """
    multipliers: dict[int, float] = {}
    for module in objective.modules():
        if isinstance(module, Depth):
            for name, parameter in module.named_parameters():
                multipliers[id(parameter)] = layer_decay ** (module.depth - module.depth_of(name))
    return multipliers


def make_parameter_groups(objective: Objective, settings: TrainSettings) -> list[dict[str, Any]]:
    """Return the objective's parameter groups, split by depth and weight decay.

    Parameters of fewer than two dimensions (norms, biases, scales) decay only with `decay_norms_and_biases`.
    Raises ValueError if a trainable parameter is in no group, or in two.
    """
    multipliers = compute_depth_multipliers(objective, settings.layer_decay) if settings.layer_decay < 1 else {}
    groups: dict[tuple[int, float, bool], dict[str, Any]] = {}
    seen: list[int] = []
    for place, group in enumerate(objective.groups()):
        for parameter in group.parameters:
            seen.append(id(parameter))
            decays = group.weight_decay and (parameter.ndim > 1 or settings.decay_norms_and_biases)
            key = (place, multipliers.get(id(parameter), 1.0), decays)
            options = groups.setdefault(key, _options(group, key[1], decays, settings))
            options["params"].append(parameter)
    trainable = {id(p) for p in objective.parameters() if p.requires_grad}
    if len(seen) != len(set(seen)) or trainable - set(seen):
        raise ValueError(f"{type(objective).__name__}.groups() must hold every trainable parameter exactly once")
    return list(groups.values())


def _options(group: ParameterGroup, depth: float, decays: bool, settings: TrainSettings) -> dict[str, Any]:
    return {
        "params": [],
        "decays": decays,
        "weight_decay": settings.weight_decay if decays else 0.0,
        "multiplier": group.lr_multiplier * depth,
        "scheduled": group.scheduled,
        "from_epoch": group.from_epoch,
    }


def set_lr_and_decay(optimizer: torch.optim.Optimizer, settings: TrainSettings, epoch: float) -> float:
    """Set the learning rate and weight decay of every group at a fractional epoch; return the scheduled learning rate."""
    lr = compute_lr(settings, epoch)
    for group in optimizer.param_groups:
        base = lr if group["scheduled"] else compute_peak_lr(settings)
        group["lr"] = base * group["multiplier"] if epoch >= group["from_epoch"] else 0.0
        group["weight_decay"] = compute_weight_decay(settings, epoch) if group["decays"] else 0.0
        if epoch < group["from_epoch"]:
            for parameter in group["params"]:
                parameter.grad = None
    return lr


@torch.no_grad()
def clip_each_gradient(parameters: Iterable[nn.Parameter], limit: float) -> None:
    """Scale down every gradient whose own norm is above the limit.

    g * min(1, limit / (|g| + 1e-6)), as `clip_gradients` of DINO's code does (facebookresearch/dino, utils.py).
    """
    for parameter in parameters:
        if parameter.grad is not None:
            norm = torch.linalg.vector_norm(parameter.grad)
            parameter.grad.mul_((limit / (norm + 1e-6)).clamp(max=1))


class Lars(torch.optim.Optimizer):
    """SGD whose step is scaled per tensor by trust * |w| / |g| (You, Gitman, Ginsburg 2017).

    Tensors without weight decay (biases and norms, unless the settings decay them) are not scaled. With `clip` (LARC) the
    scale replaces the scheduled learning rate where it is smaller, and never multiplies it.
    """

    def __init__(
        self, groups: Sequence[Mapping[str, Any]], momentum: float, trust: float = 1e-3, clip: bool = False
    ) -> None:
        defaults = {"lr": 0.0, "momentum": momentum, "trust": trust, "clip": clip}
        super().__init__([dict(g) for g in groups], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                update = parameter.grad
                if group["weight_decay"] > 0:
                    update = update + group["weight_decay"] * parameter
                    scale = compute_lars_scale(parameter, update, group["trust"])
                    update = update * (compute_larc_scale(scale, group["lr"]) if group["clip"] else scale)
                state = self.state[parameter]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(parameter)
                state["velocity"].mul_(group["momentum"]).add_(update)
                parameter.sub_(state["velocity"], alpha=group["lr"])


def compute_lars_scale(weight: Tensor, update: Tensor, trust: float) -> Tensor:
    """Return trust * |w| / |g|, or 1 if either norm is zero."""
    w, g = torch.linalg.vector_norm(weight), torch.linalg.vector_norm(update)
    return torch.where((w > 0) & (g > 0), trust * w / g.clamp(min=1e-12), torch.ones_like(w))


def compute_larc_scale(scale: Tensor, lr: float) -> Tensor:
    """Return min(scale / lr, 1), the factor that limits a tensor's learning rate to the scheduled one (NVIDIA Apex, LARC).

    At lr 0, where a warm-up may begin, it is 1, the limit: the step is zero, but the update enters the momentum.
    """
    return (scale / lr).clamp(max=1) if lr > 0 else torch.ones_like(scale)


def build_optimizer(objective: Objective, settings: TrainSettings) -> torch.optim.Optimizer:
    """Return the optimizer of the settings, over the objective's parameter groups."""
    groups = make_parameter_groups(objective, settings)
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=0.0, betas=settings.betas)
    if settings.optimizer == "adam":
        return torch.optim.Adam(groups, lr=0.0, betas=settings.betas)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=settings.momentum, nesterov=settings.nesterov)
    return Lars(groups, settings.momentum, settings.lars_trust_coefficient, settings.larc)
