"""No encoder at all: the data itself as features, the row that says what pixels already give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sslbench.api import MethodSpec, PositiveInt, Role, hookimpl, setting
from sslbench_vision.citations import SSLBENCH


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFeaturesConfig:
    """Images are averaged down to at most this many pixels a side; sequences become moments per channel."""

    side: PositiveInt = setting(32, "Largest side in pixels to which images are averaged down.")


def views(config: RawFeaturesConfig) -> Mapping[str, Role]:
    """None: it does not learn."""
    return {}


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[RawFeaturesConfig]]:
    yield MethodSpec(
        name="raw-features",
        version=1,
        summary="the data itself: pixels, spectra, or moments of a sequence",
        citation=SSLBENCH,
        config=RawFeaturesConfig,
        smoke=RawFeaturesConfig(side=4),
        build="sslbench_vision.methods.untrained_model:RawFeatures",
        views=views,
        family="baseline",
        modalities=(1, 8),
        trains=False,
        backbone=False,
        baseline=True,
    )
