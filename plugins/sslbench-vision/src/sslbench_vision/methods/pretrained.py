"""Published weights without further training, as a baseline. Spec only; see `pretrained_model`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sslbench.api import AnyFloat, MethodSpec, PlanContext, PositiveFloat, Role, Share, hookimpl, setting
from sslbench_vision.citations import TIMM


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedConfig:
    """Source of the weights, and the normalization of the images that they were trained on."""

    weights: Path | None = setting(
        None, "Local file with the weights: safetensors, or a torch file (read with weights_only)."
    )
    package: str = setting(
        "", "Installed Python package that contains the weights, without `weights`; empty: download them."
    )
    keys: Literal["same", "efficientnet-lite"] = setting(
        "same", "Naming of the tensors in the source, translated to the encoder's names."
    )
    match: Share = setting(0.9, "Smallest fraction of the encoder's tensors that the source must match.")
    mean: tuple[AnyFloat, ...] = setting(
        (), "Mean per channel of the images in [0, 1] of the pretraining; empty: as the source states."
    )
    std: tuple[PositiveFloat, ...] = setting(
        (), "Standard deviation per channel of these images; empty: as the source states."
    )


def check(config: PretrainedConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every statistic that cannot be used."""
    if len(config.mean) != len(config.std):
        yield (
            f"mean={list(config.mean)} and std={list(config.std)} differ in length. Set both method.mean and method.std, "
            "with one value per channel"
        )
    if not all(math.isfinite(value) for value in (*config.mean, *config.std)) or any(one <= 0 for one in config.std):
        yield f"mean={list(config.mean)}, std={list(config.std)}: expected finite means and deviations above 0"


def libraries(config: PretrainedConfig) -> Iterable[str]:
    """Name the package that contains the weights."""
    return (config.package,) if config.package and config.weights is None else ()


def reset_unused(config: PretrainedConfig) -> PretrainedConfig:
    """Reset the package if the weights are a file."""
    return config if config.weights is None else replace(config, package="")


def views(config: PretrainedConfig) -> Mapping[str, Role]:
    """Return no roles: nothing is trained."""
    return {}


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[PretrainedConfig]]:
    yield MethodSpec(
        name="pretrained",
        version=2,
        summary="an encoder with published weights, or with your own",
        citation=TIMM,
        config=PretrainedConfig,
        smoke=PretrainedConfig(),
        build="sslbench_vision.methods.pretrained_model:Pretrained",
        check=check,
        views=views,
        family="pretrained",
        modalities=(1, 1),
        trains=False,
        frozen_weights=True,
        libraries=libraries,
        reset_unused=reset_unused,
        baseline=True,
    )
