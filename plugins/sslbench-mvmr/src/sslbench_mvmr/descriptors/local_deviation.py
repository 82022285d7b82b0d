"""Local standard deviation as a descriptor. Spec only; see `local_deviation_model`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import BackboneSpec, Range, hookimpl, setting
from sslbench_mvmr.citations import MV_MR


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDeviationConfig:
    """Settings of the local standard deviation."""

    radius: Annotated[int, Range(at_least=1)] = setting(1, "Pixels on each side of the center: 1 is a box of 3 x 3.")


def provides(config: LocalDeviationConfig) -> frozenset[str]:
    """Return the capabilities beyond encoding."""
    return frozenset()


@hookimpl
def sslbench_backbones() -> Iterable[BackboneSpec[LocalDeviationConfig]]:
    yield BackboneSpec(
        name="local-deviation",
        version=1,
        summary="standard deviation around each pixel, without parameters: 3,072 numbers at 32 px in color",
        citation=MV_MR,
        config=LocalDeviationConfig,
        smoke=LocalDeviationConfig(),
        build="sslbench_mvmr.descriptors.local_deviation_model:LocalDeviation",
        layouts=frozenset({"image"}),
        provides=provides,
    )
