"""Summarize the terms of training losses over epochs. Pure."""

from __future__ import annotations

import pandas as pd

EPOCH = "epoch"
"""Term that holds the number of an epoch."""


def last_and_best(training: pd.DataFrame) -> pd.DataFrame:
    """Return the terms of each training in its last and its best epoch; `epoch` is 'last' or 'best'.

    The best epoch has the lowest validation loss, or the lowest loss if there is none. The number of each is the term
    'epoch'.
    """
    parts = []
    for _, one in training.groupby(["run", "seed", "fold"], sort=False):
        terms = set(one["term"])
        losses = one[one["term"] == next((name for name in ("validation_loss", "loss") if name in terms), "")]
        numbers = {"last": one["epoch"].max()}
        if len(losses):
            numbers["best"] = losses["epoch"].iloc[int(losses["value"].argmin())]
        for name, number in numbers.items():
            own = one[one["epoch"] == number]
            parts += [own.assign(epoch=name), own.head(1).assign(epoch=name, term=EPOCH, value=float(number))]
    return pd.concat(parts, ignore_index=True) if parts else training
