"""Fine-tuning the whole encoder, as a spec. The implementation is `finetune_instrument`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sslbench.api import Citation, Need, ProtocolSpec, hookimpl

if TYPE_CHECKING:
    from sslbench.api.modules import Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneConfig:
    """How encoder and head are trained together (arXiv 2503.11341, section 3).

    The paper's schedule is epochs=50, warmup=5, rate=2e-3; the default is a fifth of it. `head` is a linear layer, or
    width -> `bottleneck` -> norm -> activation -> classes (LayerNorm and GELU after encoders that offer tokens,
    BatchNorm and ReLU after others). `layer_decay` and `drop_path` act where an encoder knows its depth. The last
    epoch counts, or with `keep=best` the best on validation.
    """

    epochs: int = 10
    batch: int = 128
    rate: float = 1e-3
    decay: float = 0.01
    warmup: float = 1.0
    head: Literal["linear", "bottleneck"] = "bottleneck"
    bottleneck: int = 512
    layer_decay: float = 0.75
    drop_path: float = 0.2
    smoothing: float = 0.1
    augment: bool = True
    keep: Literal["last", "best"] = "last"


def build(config: FinetuneConfig) -> Instrument:
    """Reach the implementation."""
    from sslbench.protocols.finetune_instrument import Finetune

    return Finetune(config)


@hookimpl
def sslbench_protocols() -> Iterable[ProtocolSpec[FinetuneConfig]]:
    yield ProtocolSpec(
        name="finetune",
        version=1,
        summary="encoder and head trained together on the labels, with layer decay, drop path and smoothing",
        citation=Citation(
            title="How transferable are features in deep neural networks?",
            authors="Yosinski, Clune, Bengio, Lipson",
            year=2014,
            url="https://arxiv.org/abs/1411.1792",
        ),
        config=FinetuneConfig,
        smoke=FinetuneConfig(epochs=1, warmup=0, bottleneck=16),
        build=build,
        needs=frozenset({Need.ENCODERS}),
        targets=frozenset({"class"}),
    )
