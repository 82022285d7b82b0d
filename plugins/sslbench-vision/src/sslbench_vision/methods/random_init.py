"""An encoder with random weights, as a baseline. Spec only; see `untrained_model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sslbench.api import MethodSpec, Role, hookimpl
from sslbench_vision.citations import SSLBENCH


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomInitConfig:
    """No settings."""


def views(config: RandomInitConfig) -> Mapping[str, Role]:
    """Return no roles: nothing is trained."""
    return {}


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[RandomInitConfig]]:
    yield MethodSpec(
        name="random-init",
        version=1,
        summary="the encoder with its random starting weights",
        citation=SSLBENCH,
        config=RandomInitConfig,
        smoke=RandomInitConfig(),
        build="sslbench_vision.methods.untrained_model:RandomInit",
        views=views,
        family="baseline",
        modalities=(1, 8),
        trains=False,
        baseline=True,
        random_init=True,
    )
