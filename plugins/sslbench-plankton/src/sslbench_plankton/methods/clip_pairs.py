"""CLIP for any two modalities of a sample: its two sides attract each other and repel the batch. Spec only.

The defaults are CLIP's loss with the scale that the cross-modal plankton study's released code starts from; `columns`
selects one of two column terms. The implementation is `clip_pairs_model`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

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
from sslbench_plankton.citations import CLIP
from sslbench_plankton.methods.pair_rules import QUICK_SOURCE, bucket_problems, one_view, quick


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPairsConfig:
    """Settings of CLIP for pairs of modalities."""

    out: PositiveInt = setting(512, "Width of the joint space.")
    dropout: Annotated[float, Range(at_least=0, below=1)] = setting(
        0.2, "Dropout probability on features before the projection."
    )
    unit: NonNegativeFloat = setting(
        224.0, "Unit of the sizes that projections receive, in pixels or steps (0: they receive none)."
    )
    scale: AnyFloat = setting(
        1.0,
        "Initial value of the learned logarithm of the scale (CLIP: ln(1/0.07)); the scale stays within 1/100 and 100.",
    )
    columns: Literal["exact", "released"] = setting(
        "exact",
        "Column term: CLIP's (exact), or that of the released code, which subtracts row maxima first (released).",
    )
    buckets: PositiveInt = setting(1, "Parts of a batch that are contrasted separately.")


def views(config: ClipPairsConfig) -> Mapping[str, Role]:
    """One view of both modalities."""
    return one_view()


def check(config: ClipPairsConfig, facts: PlanContext) -> Iterable[str]:
    """Say which settings cannot work."""
    yield from bucket_problems(config.buckets, facts)


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[ClipPairsConfig]]:
    yield MethodSpec(
        name="clip-pairs",
        version=1,
        summary="contrastive, two modalities: a sample's two sides attract each other and repel the batch",
        citation=CLIP,
        config=ClipPairsConfig,
        smoke=ClipPairsConfig(out=8, dropout=0.0),
        build="sslbench_plankton.methods.clip_pairs_model:ClipPairs",
        check=check,
        views=views,
        family="cross-modal",
        modalities=(2, 2),
        spaces=("joint",),
        recipes=(Recipe(name="quick", summary=quick.__doc__ or "", settings=quick(), source=QUICK_SOURCE),),
    )
