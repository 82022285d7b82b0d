"""The linear probe on frozen features, as a spec. The implementation is `linear_instrument`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslbench.api import Citation, Need, ProtocolSpec, hookimpl

if TYPE_CHECKING:
    from sslbench.api.modules import Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearConfig:
    """A grid of probes, all trained at once on standardised features (batch norm without affine, arXiv 2111.06377, A.2).

    SGD with momentum and a cosine to 0; rate and decay are chosen on validation. `seeds` probes per pretraining seed
    are averaged within it.
    """

    rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    decays: tuple[float, ...] = (0.0, 1e-4, 1e-3)
    epochs: int = 30
    batch: int = 256
    momentum: float = 0.9
    seeds: int = 1
    space: str = ""


def build(config: LinearConfig) -> Instrument:
    """Reach the implementation."""
    from sslbench.protocols.linear_instrument import Linear

    return Linear(config)


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[LinearConfig]]:
    yield ProtocolSpec(
        name="linear",
        version=2,
        summary="linear probe on frozen features; rate and decay from a grid, chosen on validation",
        citation=Citation(
            title="Understanding intermediate layers using linear classifier probes",
            authors="Alain, Bengio",
            year=2016,
            url="https://arxiv.org/abs/1610.01644",
        ),
        config=LinearConfig,
        smoke=LinearConfig(epochs=3, rates=(0.1, 1.0), decays=(0.0,)),
        build=build,
        needs=frozenset({Need.FEATURES}),
        targets=frozenset({"class"}),
    )
