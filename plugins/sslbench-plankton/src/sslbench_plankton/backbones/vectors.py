"""An encoder of vectors, such as measurements of a particle. Spec only; the implementation is `vectors_model`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import BackboneSpec, PositiveFloat, PositiveInt, hookimpl, setting
from sslbench_plankton.citations import SSLBENCH


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorMlpConfig:
    """Settings of layers of one width, each followed by batch norm and ReLU."""

    width: PositiveInt = setting(128, "Width of every layer.")
    depth: PositiveInt = setting(2, "Number of layers.")
    clip: PositiveFloat = setting(5.0, "Limit on standardized inputs, in standard deviations.")


def provides(config: VectorMlpConfig) -> frozenset[str]:
    """Nothing beyond encoding."""
    return frozenset()


@hookimpl
def sslbench_backbones() -> Iterable[BackboneSpec[VectorMlpConfig]]:
    yield BackboneSpec(
        name="vector-mlp", version=1, summary="fully connected layers for vectors of measurements", citation=SSLBENCH,
        config=VectorMlpConfig, smoke=VectorMlpConfig(width=8, depth=1),
        build="sslbench_plankton.backbones.vectors_model:VectorMlp", layouts=frozenset({"vector"}),
        provides=provides,
    )  # fmt: skip
