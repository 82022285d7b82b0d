"""A residual multilayer perceptron for vectors. Spec only; the implementation is `res_mlp_model`.

The bi-modal crop study states eight layers and about 550,000 parameters. Form `paper` has a linear layer, four residual
blocks of two linear layers, and 531,712 parameters for 12 values. The released code adds a last stage: form `released`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sslbench.api import BackboneSpec, PositiveInt, hookimpl, setting
from sslbench_crops.citations import BIMODAL_CROPS


@dataclass(frozen=True, slots=True, kw_only=True)
class ResMlpConfig:
    """Settings of a residual multilayer perceptron."""

    form: Literal["paper", "released"] = setting(
        "paper",
        "Layers as the paper states them (paper), or with the last stage of its code: batch norm, ReLU, linear (released).",
    )
    width: PositiveInt = setting(256, "Width of every layer, and of the features.")
    blocks: PositiveInt = setting(4, "Residual blocks, of two linear layers each.")


def provides(config: ResMlpConfig) -> frozenset[str]:
    """Return no capabilities beyond encoding."""
    return frozenset()


@hookimpl
def sslbench_backbones() -> Iterable[BackboneSpec[ResMlpConfig]]:
    yield BackboneSpec(
        name="res-mlp",
        version=1,
        summary="residual multilayer perceptron for vectors: about 530,000 parameters, or the 600,000 of released code",
        citation=BIMODAL_CROPS,
        config=ResMlpConfig,
        smoke=ResMlpConfig(width=16, blocks=1),
        build="sslbench_crops.backbones.res_mlp_model:ResMlp",
        layouts=frozenset({"vector"}),
        provides=provides,
    )
