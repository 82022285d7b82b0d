"""What specs of methods for two modalities share: their one view, what batches they need, and settings for two cores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sslbench.api import Facts, Role, Setting

QUICK_SOURCE = "sslbench: a first setting for two cores, tuned on no data"


def one_view() -> Mapping[str, Role]:
    """One view of both modalities."""
    return {"view": Role(count=1)}


def undividable(buckets: int, facts: Facts) -> Iterable[str]:
    """Say which batches cannot be contrasted."""
    if facts.batch < 2:
        yield f"train.batch = {facts.batch} leaves nothing to contrast with; possible: 2 or more"
    if facts.batch % buckets or facts.batch // buckets < 2:
        yield f"method.buckets = {buckets} does not divide train.batch = {facts.batch} into parts of 2 or more"


def quick() -> Mapping[str, Setting]:
    """Two cores, small pictures: 128 pairs a step, one cycle of AdamW."""
    return {
        "train.epochs": 30,
        "train.batch": 128,
        "train.optimiser": "adamw",
        "train.rate": 1e-3,
        "train.decay": 1e-2,
        "train.schedule": "one-cycle",
        "augmentation.name": "cross-modal",
        "method.out": 128,
        "method.dropout": 0.0,
    }
