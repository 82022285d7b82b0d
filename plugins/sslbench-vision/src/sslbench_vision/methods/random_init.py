"""The encoder before it has learned anything: the row that says what an architecture gives by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sslbench.api import MethodSpec, Role, hookimpl
from sslbench_vision.citations import SSLBENCH


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomInitConfig:
    """Nothing to set."""


def views(config: RandomInitConfig) -> Mapping[str, Role]:
    """None: it does not learn."""
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
