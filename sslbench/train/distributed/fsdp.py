"""Sharded training, for what does not fit one device: weights, gradients and optimizer state in equal parts (FSDP2).

A method knows nothing of it: its parameters are whole while its loss runs, layer by layer where layers repeat, and parts
of themselves everywhere else. What is written to disk is always whole.
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

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def repeated_layers(module: nn.Module) -> Iterator[nn.Module]:
    """Layers that lie in a list of two or more of their own class, such as the blocks of a transformer."""
    for holder in module.modules():
        layers = list(holder.children()) if isinstance(holder, nn.ModuleList | nn.Sequential) else []
        if (
            len(layers) > 1
            and len({type(layer) for layer in layers}) == 1
            and next(layers[0].parameters(), None) is not None
        ):
            yield from layers


def shard(module: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Part every parameter among the processes of a mesh; repeated layers are gathered one by one, the rest at once."""
    for part in reversed((module, *repeated_layers(module))):  # what lies deeper comes first
        fully_shard(part, mesh=mesh["data_parallel"], reshard_after_forward=True)
    return module


def sharded(module: nn.Module) -> bool:
    """Whether a module's parameters are parted."""
    return any(isinstance(parameter, DTensor) for parameter in module.parameters())


def whole_weights(module: nn.Module) -> Mapping[str, Any]:
    """A module's state; of a sharded one the first process has all and the others nothing, and all must ask together."""
    return get_model_state_dict(module, options=WHOLE) if sharded(module) else module.state_dict()


def whole_state(module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The state of a module and its optimizer, as `whole_weights`."""
    if not sharded(module):
        return module.state_dict(), optimizer.state_dict()
    return get_state_dict(module, optimizer, options=WHOLE)


def restore(
    module: nn.Module, optimizer: torch.optim.Optimizer, weights: Mapping[str, Any], moments: Mapping[str, Any]
) -> None:
    """Put back what `whole_state` gave."""
    if not sharded(module):
        module.load_state_dict(weights)
        optimizer.load_state_dict(dict(moments))
        return
    options = StateDictOptions(full_state_dict=True)
    set_state_dict(module, optimizer, model_state_dict=dict(weights), optim_state_dict=dict(moments), options=options)
