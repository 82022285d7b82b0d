"""Classes whose answer to a setting several methods share, beside what chance would share. Pure.

The count of Bendidi et al. 2023 (arXiv 2304.11718, appendix Table 3), which leaves open whether signs must agree: both are
counted. Chance is what is left when each method's settings are permuted: classes stay as correlated as they are.
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
    """Settings [S], seed means [M, C, S], and the classes' names; classes that some method or setting lacks are left out."""
    means = frame[frame["method"].isin(methods)].groupby(["method", "class", axis])["value"].mean()
    table = means.unstack(axis).reindex(pd.MultiIndex.from_product([methods, sorted(frame["class"].unique())]))
    whole = table.notna().all(axis=1).groupby(level=1).all()
    classes = list(whole.index[whole])
    values = np.stack([table.loc[method].loc[classes].to_numpy(np.float64) for method in methods])
    return table.columns.to_numpy(np.float64), values, classes


def signs(settings: Values, values: Values, correction: str = "raw", level: float = LEVEL) -> Signs:
    """[..., C]: 1 where a class [..., C, S] rises significantly with the settings [..., 1, S], -1 where it falls, else 0."""
    x = settings - settings.mean(-1, keepdims=True)
    y = values - values.mean(-1, keepdims=True)
    together, scale = (x * y).sum(-1), np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    r = np.divide(together, scale, out=np.zeros_like(together), where=np.broadcast_to(scale > 0, together.shape)).clip(
        -1, 1
    )
    n = values.shape[-1]
    with np.errstate(divide="ignore"):
        t = r * np.sqrt((n - 2) / (1 - r**2))
    p = correct_p(np.asarray(2 * stats.t.sf(np.abs(t), n - 2)), correction)
    found: Signs = (np.sign(r) * (p < level)).astype(np.int64)
    return found


def count_shared(found: Signs, min_methods: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of signs [..., M, C]: classes [...] that at least so many methods move one way, and that so many move at all."""
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
    """Classes with a shared bias in all, at least 3 and at least 2 methods; the count by chance, its 95 % point, and p."""
    settings, values, classes = class_means(frame, axis, methods)
    observed = signs(settings, values, correction)
    places = np.argsort(rng.random((draws, len(methods), 1, len(settings))), axis=-1)
    chance = signs(settings[places], values[None], correction)
    rows = []
    for least in sorted({len(methods), 3, 2} & set(range(2, len(methods) + 1)), reverse=True):
        for kind, ours, theirs in zip(
            ("same sign", "any sign"), count_shared(observed, least), count_shared(chance, least), strict=True
        ):
            rows.append({
                "methods": f"all {least}" if least == len(methods) else f"at least {least}", "signs": kind,
                "classes": int(ours), "tested_classes": len(classes), "by_chance": float(theirs.mean()),
                "chance_95": float(np.quantile(theirs, 0.95)), "p": float((1 + (theirs >= ours).sum()) / (1 + draws)),
            })  # fmt: skip
    return pd.DataFrame(rows)
