"""CLIP for any two modalities of a sample: its two sides attract each other and repel the batch. Spec only.

The defaults are CLIP's loss with the scale that the cross-modal plankton study's released code starts from; `columns`
says which of two column terms is meant. The implementation is `clip_pairs_model`.
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
)
from sslbench_plankton.citations import CLIP
from sslbench_plankton.methods.pair_rules import QUICK_SOURCE, one_view, quick, undividable


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPairsConfig:
    """The joint space (`out`), dropout on features, the unit of the sizes that projections are told (0: they are told none).

    `scale` is where the learned logarithm of the scale starts (CLIP's is 2.6593, ln(1/0.07)); the scale stays within 1/100
    and 100. The released code takes each row's maximum away before it looks along columns (`columns` released); CLIP's
    column term does not (exact). A batch is split into `buckets` that do not see each other.
    """

    out: PositiveInt = 512
    dropout: Annotated[float, Range(at_least=0, below=1)] = 0.2
    unit: NonNegativeFloat = 224.0
    scale: AnyFloat = 1.0
    columns: Literal["exact", "released"] = "exact"
    buckets: PositiveInt = 1


def views(config: ClipPairsConfig) -> Mapping[str, Role]:
    """One view of both modalities."""
    return one_view()


def check(config: ClipPairsConfig, facts: PlanContext) -> Iterable[str]:
    """Say which settings cannot work."""
    yield from undividable(config.buckets, facts)


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
