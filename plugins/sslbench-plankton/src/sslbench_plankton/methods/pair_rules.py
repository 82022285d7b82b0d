"""Define what methods for two modalities share: their view, checks of batches, and settings for two cores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sslbench.api import PlanContext, Role, Setting

QUICK_SOURCE = "sslbench: a first setting for two cores, tuned on no data"


def one_view() -> Mapping[str, Role]:
    """One view of both modalities."""
    return {"view": Role(count=1)}


def bucket_problems(buckets: int, facts: PlanContext) -> Iterable[str]:
    """Say which batches cannot be contrasted."""
    if facts.batch_size < 2:
        yield f"train.batch_size={facts.batch_size}: leaves no other pair to contrast with. Set it to 2 or more"
    elif facts.batch_size % buckets or facts.batch_size // buckets < 2:
        problem = (
            f"method.buckets={buckets}: does not divide train.batch_size={facts.batch_size} into parts of 2 or more"
        )
        yield f"{problem}. Change one of them"


def quick() -> Mapping[str, Setting]:
    """Two cores, small images: 128 pairs a step, one cycle of AdamW."""
    return {
        "train.epochs": 30,
        "train.batch_size": 128,
        "train.optimizer": "adamw",
        "train.lr": 1e-3,
        "train.weight_decay": 1e-2,
        "train.schedule": "one-cycle",
        "augmentation.name": "cross-modal",
        "method.out": 128,
        "method.dropout": 0.0,
    }
