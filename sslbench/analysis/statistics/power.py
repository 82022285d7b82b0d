"""Simulate the power of a sweep: score tables with planted slopes, and the detection rate of each rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sslbench.analysis.statistics.class_trends import BASES, CORRECTIONS, fit_class_trends, trend


def plant_trends(
    settings: int, seeds: int, slopes: Sequence[float], rng: np.random.Generator, *, noise: float, between: float = 0.0
) -> pd.DataFrame:
    """Simulate scores of one method: evenly spaced settings from 0 to 1 and one class per slope.

    A slope is the gain from the first to the last setting. `noise` is the deviation of each score, `between` that of
    each seed's effect on a class at all settings.
    """
    x = np.linspace(0, 1, settings)
    seed_effects = rng.normal(0, between, (len(slopes), 1, seeds)) if between else 0.0
    values = 0.5 + np.array(slopes)[:, None, None] * x[None, :, None] + seed_effects
    values = values + rng.normal(0, noise, (len(slopes), settings, seeds))
    index = pd.MultiIndex.from_product([range(len(slopes)), x, range(seeds)], names=["class", "setting", "seed"])
    return pd.DataFrame({"value": values.reshape(-1)}, index=index).reset_index().assign(method="planted")


def detection_rates(
    settings: int, seeds: int, slope: float, rng: np.random.Generator, *, noise: float, classes: int = 20, moved: int = 10,
    draws: int = 50,
) -> pd.DataFrame:  # fmt: skip
    """Return, for every basis and correction, the detection rate of classes with a trend and the false positive rate.

    A detected class also has the right sign.
    """
    slopes = [slope] * moved + [0.0] * (classes - moved)
    tables = [plant_trends(settings, seeds, slopes, rng, noise=noise).assign(method=str(draw)) for draw in range(draws)]
    found = fit_class_trends(pd.concat(tables), "setting")
    right = "ascending" if slope > 0 else "descending"
    unchanged = found["class"] >= moved
    rows = []
    for basis in BASES:
        for correction in CORRECTIONS:
            labels = trend(found, basis, correction)
            rows.append({
                "settings": settings, "seeds": seeds, "slope": slope, "noise": noise,
                "basis": basis, "correction": correction,
                "power": float((labels[~unchanged] == right).mean()) if moved else float("nan"),
                "false": float((labels[unchanged] != "none").mean()) if moved < classes else float("nan"),
            })  # fmt: skip
    return pd.DataFrame(rows)
