"""Count classes whose response to a setting is shared by several methods, and compare with chance. Pure.

The count of Bendidi et al. 2023 (arXiv 2304.11718, appendix Table 3), which does not state whether signs must agree:
both are counted. Chance is estimated by permuting each method's settings, which keeps the correlation between classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from sslbench.analysis.statistics.class_trends import LEVEL, correct_p

Values = NDArray[np.float64]
Signs = NDArray[np.int64]


def class_means(frame: pd.DataFrame, axis: str, methods: Sequence[str]) -> tuple[Values, Values, list[Any]]:
    """Return settings [S], seed means [M, C, S] and class names; classes missing in a method or setting are dropped."""
    means = frame[frame["method"].isin(methods)].groupby(["method", "class", axis])["value"].mean()
    table = means.unstack(axis).reindex(pd.MultiIndex.from_product([methods, sorted(frame["class"].unique())]))
    complete = table.notna().all(axis=1).groupby(level=1).all()
    classes = list(complete.index[complete])
    values = np.stack([table.loc[method].loc[classes].to_numpy(np.float64) for method in methods])
    return table.columns.to_numpy(np.float64), values, classes


def signs(settings: Values, values: Values, correction: str = "raw", level: float = LEVEL) -> Signs:
    """Return the sign of each significant trend [..., C]: 1 if a class [..., C, S] rises with the settings [..., 1, S],
    -1 if it falls, else 0.
    """
    x = settings - settings.mean(-1, keepdims=True)
    y = values - values.mean(-1, keepdims=True)
    covariance, scale = (x * y).sum(-1), np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    r = np.divide(
        covariance, scale, out=np.zeros_like(covariance), where=np.broadcast_to(scale > 0, covariance.shape)
    ).clip(-1, 1)
    n = values.shape[-1]
    with np.errstate(divide="ignore"):
        t = r * np.sqrt((n - 2) / (1 - r**2))
    p = correct_p(np.asarray(2 * stats.t.sf(np.abs(t), n - 2)), correction)
    found: Signs = (np.sign(r) * (p < level)).astype(np.int64)
    return found


def count_shared(found: Signs, min_methods: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count classes of signs [..., M, C] with at least `min_methods` methods of one sign, and of any sign: two [...]."""
    rising, falling = (found > 0).sum(-2), (found < 0).sum(-2)
    return (np.maximum(rising, falling) >= min_methods).sum(-1), (rising + falling >= min_methods).sum(-1)


def shared_bias(
    frame: pd.DataFrame,
    axis: str,
    methods: Sequence[str],
    rng: np.random.Generator,
    *,
    correction: str = "raw",
    draws: int = 1000,
) -> pd.DataFrame:
    """Count classes with a shared trend in all, at least 3 and at least 2 methods.

    Also returns the count by chance, its 95 % quantile, and p.
    """
    settings, values, classes = class_means(frame, axis, methods)
    observed = signs(settings, values, correction)
    places = np.argsort(rng.random((draws, len(methods), 1, len(settings))), axis=-1)
    chance = signs(settings[places], values[None], correction)
    rows = []
    for min_methods in sorted({len(methods), 3, 2} & set(range(2, len(methods) + 1)), reverse=True):
        for kind, count, by_chance in zip(
            ("same sign", "any sign"),
            count_shared(observed, min_methods),
            count_shared(chance, min_methods),
            strict=True,
        ):
            rows.append({
                "methods": f"all {min_methods}" if min_methods == len(methods) else f"at least {min_methods}", "signs": kind,
                "classes": int(count), "tested_classes": len(classes), "by_chance": float(by_chance.mean()),
                "chance_95": float(np.quantile(by_chance, 0.95)), "p": float((1 + (by_chance >= count).sum()) / (1 + draws)),
            })  # fmt: skip
    return pd.DataFrame(rows)
