"""SigLIP for any two modalities: every pair of sides is judged alone. Spec only; see `siglip_pairs_model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import (
    AnyFloat,
    MethodSpec,
    NonNegativeFloat,
    PlanContext,
    PositiveInt,
    Range,
    Recipe,
    Role,
    hookimpl,
    setting,
)
from sslbench_plankton.citations import SIGLIP
from sslbench_plankton.methods.pair_rules import QUICK_SOURCE, bucket_problems, one_view, quick


@dataclass(frozen=True, slots=True, kw_only=True)
class SiglipPairsConfig:
    """Settings of SigLIP for pairs of modalities."""

    out: PositiveInt = setting(512, "Width of the joint space.")
    dropout: Annotated[float, Range(at_least=0, below=1)] = setting(
        0.2, "Dropout probability on features before the projection."
    )
    unit: NonNegativeFloat = setting(
        224.0, "Unit of the sizes that projections receive, in pixels or steps (0: they receive none)."
    )
    scale: AnyFloat = setting(1.0, "Initial value of the learned logarithm of the scale (SigLIP: ln 10).")
    bias: AnyFloat = setting(-10.0, "Initial value of the learned bias.")
    buckets: PositiveInt = setting(1, "Parts of a batch that are contrasted separately.")


def views(config: SiglipPairsConfig) -> Mapping[str, Role]:
    """One view of both modalities."""
    return one_view()


def check(config: SiglipPairsConfig, facts: PlanContext) -> Iterable[str]:
    """Say which settings cannot work."""
    yield from bucket_problems(config.buckets, facts)


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[SiglipPairsConfig]]:
    yield MethodSpec(
        name="siglip-pairs",
        version=1,
        summary="two modalities: whether two sides are of one sample is judged pair by pair, by a sigmoid",
        citation=SIGLIP,
        config=SiglipPairsConfig,
        smoke=SiglipPairsConfig(out=8, dropout=0.0),
        build="sslbench_plankton.methods.siglip_pairs_model:SiglipPairs",
        check=check,
        views=views,
        family="cross-modal",
        modalities=(2, 2),
        spaces=("joint",),
        recipes=(Recipe(name="quick", summary=quick.__doc__ or "", settings=quick(), source=QUICK_SOURCE),),
    )
