"""Shard weights, gradients and optimizer state among processes, for models larger than one device (FSDP2).

Methods need no changes: parameters are gathered while the loss is computed, layer by layer for repeated layers, and
sharded otherwise. Files always hold full parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

FULL_STATE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def repeated_layers(module: nn.Module) -> Iterator[nn.Module]:
    """Yield layers in lists of two or more layers of one class, such as the blocks of a transformer."""
    for holder in module.modules():
        layers = list(holder.children()) if isinstance(holder, nn.ModuleList | nn.Sequential) else []
        if (
            len(layers) > 1
            and len({type(layer) for layer in layers}) == 1
            and next(layers[0].parameters(), None) is not None
        ):
            yield from layers


def shard(module: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Shard every parameter among the processes of a mesh; repeated layers are gathered one by one, the rest at once."""
    for (
        parameter
    ) in module.parameters():  # only contiguous ones can be sharded; those of a used encoder are channels last
        parameter.data = parameter.data.contiguous()
    for part in reversed((module, *repeated_layers(module))):  # inner modules first
        fully_shard(part, mesh=mesh["data_parallel"], reshard_after_forward=True)
    return module


def is_sharded(module: nn.Module) -> bool:
    """Return True if a module's parameters are sharded."""
    return any(isinstance(parameter, DTensor) for parameter in module.parameters())


def full_weights(module: nn.Module) -> Mapping[str, Any]:
    """Return a module's full state.

    For a sharded module all processes must call this; the first gets the full state, the others an empty mapping.
    """
    return get_model_state_dict(module, options=FULL_STATE) if is_sharded(module) else module.state_dict()


def full_state(module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the full state of a module and its optimizer, under the conditions of `full_weights`."""
    if not is_sharded(module):
        return module.state_dict(), optimizer.state_dict()
    return get_state_dict(module, optimizer, options=FULL_STATE)


def load_full_state(
    module: nn.Module, optimizer: torch.optim.Optimizer, weights: Mapping[str, Any], moments: Mapping[str, Any]
) -> None:
    """Load what `full_state` returned."""
    if not is_sharded(module):
        module.load_state_dict(weights)
        optimizer.load_state_dict(dict(moments))
        return
    options = StateDictOptions(full_state_dict=True)
    set_state_dict(module, optimizer, model_state_dict=dict(weights), optim_state_dict=dict(moments), options=options)
