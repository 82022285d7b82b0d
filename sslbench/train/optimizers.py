"""Optimizers and learning rates. The schedules are pure functions of progress; LARS is here because torch lacks it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sslbench.api.modules import Depth, Objective, ParameterGroup
from sslbench.config.settings import TrainSettings


def peak_rate(settings: TrainSettings) -> float:
    """The highest learning rate: per 256 rows where `scale_rate` says so (Goyal et al. 2017)."""
    return settings.lr * settings.batch_size / 256 if settings.scale_lr else settings.lr


def rate_at(settings: TrainSettings, epoch: float) -> float:
    """The learning rate at a fractional epoch.

    Cosine: linear from `warmup_from` over the warm-up, then half a cosine to `final_rate`. One-cycle: cosine up from a
    25th over the first 30 %, cosine down to `final_rate` (Smith and Topin 2018).
    """
    peak = peak_rate(settings)
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
    return _cosine(peak, settings.min_lr, (epoch - warmup) / (settings.epochs - warmup))


def decay_at(settings: TrainSettings, epoch: float) -> float:
    """The weight decay at a fractional epoch: constant, or a cosine to `final_decay` over all epochs."""
    if settings.final_weight_decay is None:
        return settings.weight_decay
    return _cosine(settings.weight_decay, settings.final_weight_decay, epoch / settings.epochs)


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))


def depth_rates(objective: nn.Module, layer_decay: float) -> dict[int, float]:
    """Rate multipliers by parameter id: decay ** (depth - depth of the parameter) inside encoders that know depth."""
    rates: dict[int, float] = {}
    for module in objective.modules():
        if isinstance(module, Depth):
            for name, parameter in module.named_parameters():
                rates[id(parameter)] = layer_decay ** (module.depth - module.depth_of(name))
    return rates


def parameter_groups(objective: Objective, settings: TrainSettings) -> list[dict[str, Any]]:
    """Return the objective's groups, split by depth and by whether they decay.

    Parameters of fewer than two dimensions (norms, biases, scales) decay with `decay_norms_and_biases` only.
    Raises ValueError when a trainable parameter is in no group, or in two.
    """
    rates = depth_rates(objective, settings.layer_decay) if settings.layer_decay < 1 else {}
    groups: dict[tuple[int, float, bool], dict[str, Any]] = {}
    seen: list[int] = []
    for place, group in enumerate(objective.groups()):
        for parameter in group.parameters:
            seen.append(id(parameter))
            decays = group.weight_decay and (parameter.ndim > 1 or settings.decay_norms_and_biases)
            key = (place, rates.get(id(parameter), 1.0), decays)
            made = groups.setdefault(key, _options(group, key[1], decays, settings))
            made["params"].append(parameter)
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


def set_rates(optimizer: torch.optim.Optimizer, settings: TrainSettings, epoch: float) -> float:
    """Give every group its rate and decay for this moment, and return the scheduled rate."""
    rate = rate_at(settings, epoch)
    for group in optimizer.param_groups:
        base = rate if group["scheduled"] else peak_rate(settings)
        group["lr"] = base * group["multiplier"] if epoch >= group["from_epoch"] else 0.0
        group["weight_decay"] = decay_at(settings, epoch) if group["decays"] else 0.0
        if epoch < group["from_epoch"]:
            for parameter in group["params"]:
                parameter.grad = None
    return rate


@torch.no_grad()
def clip_each_gradient(parameters: Iterable[nn.Parameter], limit: float) -> None:
    """Scale every gradient whose own norm is above the limit down to it.

    g * min(1, limit / (|g| + 1e-6)), as `clip_gradients` of DINO's code does (facebookresearch/dino, utils.py).
    """
    for parameter in parameters:
        if parameter.grad is not None:
            norm = torch.linalg.vector_norm(parameter.grad)
            parameter.grad.mul_((limit / (norm + 1e-6)).clamp(max=1))


class Lars(torch.optim.Optimizer):
    """SGD whose step is scaled per tensor by trust * |w| / |g| (You, Gitman, Ginsburg 2017).

    Tensors that do not decay (biases, norms, unless the settings decay them) are neither adapted nor decayed. With
    `clip` (LARC) the scale replaces the scheduled rate where it is smaller, and never multiplies it.
    """

    def __init__(
        self, groups: Sequence[Mapping[str, Any]], momentum: float, trust: float = 1e-3, clip: bool = False
    ) -> None:
        defaults = {"lr": 0.0, "momentum": momentum, "trust": trust, "clip": clip}
        super().__init__([dict(g) for g in groups], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                update = parameter.grad
                if group["weight_decay"] > 0:
                    update = update + group["weight_decay"] * parameter
                    scale = lars_scale(parameter, update, group["trust"])
                    update = update * (larc_scale(scale, group["lr"]) if group["clip"] else scale)
                state = self.state[parameter]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(parameter)
                state["velocity"].mul_(group["momentum"]).add_(update)
                parameter.sub_(state["velocity"], alpha=group["lr"])


def lars_scale(weight: Tensor, update: Tensor, trust: float) -> Tensor:
    """trust * |w| / |g|, and 1 where either is zero."""
    w, g = torch.linalg.vector_norm(weight), torch.linalg.vector_norm(update)
    return torch.where((w > 0) & (g > 0), trust * w / g.clamp(min=1e-12), torch.ones_like(w))


def larc_scale(scale: Tensor, rate: float) -> Tensor:
    """Return min(scale / rate, 1), the factor that bounds a tensor's own rate by the scheduled one (NVIDIA Apex, LARC).

    At rate 0, where a warm-up may begin, it is 1, the limit: the step is zero, but the update enters the momentum.
    """
    return (scale / rate).clamp(max=1) if rate > 0 else torch.ones_like(scale)


def build_optimizer(objective: Objective, settings: TrainSettings) -> torch.optim.Optimizer:
    """The optimizer that the settings name, over the objective's groups."""
    groups = parameter_groups(objective, settings)
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=0.0, betas=settings.betas)
    if settings.optimizer == "adam":
        return torch.optim.Adam(groups, lr=0.0, betas=settings.betas)
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=settings.momentum, nesterov=settings.nesterov)
    return Lars(groups, settings.momentum, settings.lars_trust_coefficient, settings.larc)
