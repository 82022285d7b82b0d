"""The data itself as features, as a baseline. Spec only; see `untrained_model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sslbench.api import MethodSpec, PositiveInt, Role, hookimpl, setting
from sslbench_vision.citations import SSLBENCH


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFeaturesConfig:
    """Settings of raw features."""

    side: PositiveInt = setting(32, "Largest side in pixels to which images are averaged down.")


def views(config: RawFeaturesConfig) -> Mapping[str, Role]:
    """Return no roles: nothing is trained."""
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
