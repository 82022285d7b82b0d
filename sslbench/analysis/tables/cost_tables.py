"""Tabulate training costs and confusions by any facts of a study. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from sslbench.results.record import COSTS

PAIR = ("class", "predicted_class")


def mean_costs(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return one row per group: the mean of each cost over its trainings, and their number.

    Runs without training have no cost.
    """
    trained = frame[frame["epochs"] > 0]
    grouped = trained.groupby(list(by), dropna=False, sort=False)
    found = grouped[list(COSTS)].mean().reset_index()
    return found.assign(trainings=grouped.size().to_numpy())


def confusion_shares(frame: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Return the counts of every group by class and predicted class, `share` of the class, and `class_count`.

    Counts are over all seeds, folds and draws of a group.
    """
    counts = frame.groupby([*by, *PAIR], dropna=False, sort=False)["count"].sum().reset_index()
    of_class = counts.groupby([*by, "class"], dropna=False)["count"].transform("sum")
    return counts.assign(share=counts["count"] / of_class, class_count=of_class)


def most_confused(frame: pd.DataFrame, by: Sequence[str], limit: int) -> pd.DataFrame:
    """Return, per group, the at most `limit` pairs with the largest share of a class predicted as another."""
    shares = confusion_shares(frame, by)
    wrong = shares[shares["class"] != shares["predicted_class"]]
    ordered = wrong.sort_values(["share", "count"], ascending=False, kind="stable")
    chosen = ordered.groupby(list(by), dropna=False, sort=False).head(limit)
    order = shares[list(by)].drop_duplicates().reset_index(drop=True)
    return order.merge(chosen, on=list(by), how="inner")
