"""SimCLR: two views of a picture agree, all others differ. Spec only; the implementation is `simclr_model`.

Departures from the paper: none in `original`; the contrast is with the rows of the whole optimiser step's pass, so
accumulation is not a larger batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslbench.api import Facts, MethodParts, MethodSpec, Recipe, Role, hookimpl
from sslbench_vision.citations import SIMCLR

if TYPE_CHECKING:
    from sslbench.api.modules import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class SimclrConfig:
    """The projector (hidden width 0: the encoder's own) and the temperature. The paper's head has one hidden layer."""

    hidden: int = 0
    out: int = 128
    batch_norm: bool = False
    temperature: float = 0.1


def build(config: SimclrConfig, parts: MethodParts) -> Method:
    """Reach the implementation."""
    from sslbench_vision.methods.simclr_model import Simclr

    return Simclr(config, parts)


def views(config: SimclrConfig) -> Mapping[str, Role]:
    """Two views."""
    return {"view": Role(count=2)}


def check(config: SimclrConfig, facts: Facts) -> Iterable[str]:
    """Say which settings cannot work."""
    if config.temperature <= 0:
        yield f"method.temperature = {config.temperature} is not above 0"
    if facts.batch < 2:
        yield "train.batch = 1 leaves 'simclr' nothing to contrast with; possible: 2 or more"


ORIGINAL = Recipe(
    name="original",
    summary="the paper's: ResNet-50 at 224 px, LARS, batch 4,096, 1,000 epochs",
    settings={
        "backbone.name": "resnet50",
        "augmentation.name": "simclr",
        "view.size": 224,
        "train.epochs": 1000,
        "train.batch": 4096,
        "train.optimiser": "lars",
        "train.rate": 0.3,
        "train.scale_rate": True,
        "train.decay": 1e-6,
        "train.warmup": 10,
    },
)
QUICK = Recipe(
    name="quick",
    summary="two cores, small pictures: a micro CNN, one-cycle; crop and temperature picked on validation data of NDSB",
    settings={
        "backbone.name": "micro-cnn",
        "augmentation.name": "small-objects",
        "method.hidden": 512,
        "method.batch_norm": True,
        "method.temperature": 0.1,
        "train.epochs": 20,
        "train.batch": 256,
        "train.optimiser": "adamw",
        "train.rate": 2e-3,
        "train.decay": 1e-2,
        "train.schedule": "one-cycle",
    },
    samples=(0, 200_000),
    pixels=(0, 96 * 96),
)


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[SimclrConfig]]:
    yield MethodSpec(
        name="simclr",
        version=1,
        summary="contrastive: two views of a sample attract each other and repel the batch",
        citation=SIMCLR,
        config=SimclrConfig,
        smoke=SimclrConfig(hidden=16, out=8),
        build=build,
        check=check,
        views=views,
        family="contrastive",
        modalities=(1, 1),
        spaces=("projector",),
        recipes=(QUICK, ORIGINAL),
    )
