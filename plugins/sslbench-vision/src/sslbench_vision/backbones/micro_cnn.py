"""Residual network that trains in seconds on two cores. Spec only; see `micro_cnn_model`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import BackboneSpec, PositiveInt, hookimpl, setting
from sslbench_vision.citations import RESNET


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroCnnConfig:
    """Settings of the micro CNN."""

    widths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = setting(
        (32, 64, 128, 256), "Channels of the stem and of three stages; the last is the width of the features."
    )
    blocks: PositiveInt = setting(1, "Residual blocks of each stage.")


def provides(config: MicroCnnConfig) -> frozenset[str]:
    """Return the capabilities beyond encoding."""
    return frozenset({"any-size", "maps", "depth", "drop-path"})


@hookimpl
def sslbench_backbones() -> Iterable[BackboneSpec[MicroCnnConfig]]:
    yield BackboneSpec(
        name="micro-cnn",
        version=1,
        summary="stem and three residual stages, 32 to 256 channels: trains in seconds on two cores",
        citation=RESNET,
        config=MicroCnnConfig,
        smoke=MicroCnnConfig(widths=(4, 4, 8, 8)),
        build="sslbench_vision.backbones.micro_cnn_model:MicroCnn",
        layouts=frozenset({"image"}),
        provides=provides,
    )
