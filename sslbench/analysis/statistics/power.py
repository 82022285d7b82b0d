"""What a sweep can see: score tables with planted slopes, and how often each rule finds them. Pure but for its generator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sslbench.analysis.statistics.class_trends import BASES, CORRECTIONS, fit_class_trends, trend


def plant_trends(
    settings: int, seeds: int, slopes: Sequence[float], rng: np.random.Generator, *, noise: float, between: float = 0.0
) -> pd.DataFrame:
    """Scores of one method: settings evenly from 0 to 1, a class for each slope (score gained from the first to the last).

    `noise` is the deviation of each score; `between` that of what each seed adds to a class at every setting.
    """
    x = np.linspace(0, 1, settings)
    own = rng.normal(0, between, (len(slopes), 1, seeds)) if between else 0.0
    values = 0.5 + np.array(slopes)[:, None, None] * x[None, :, None] + own
    values = values + rng.normal(0, noise, (len(slopes), settings, seeds))
    index = pd.MultiIndex.from_product([range(len(slopes)), x, range(seeds)], names=["class", "setting", "seed"])
    return pd.DataFrame({"value": values.reshape(-1)}, index=index).reset_index().assign(method="planted")


def detection_rates(
    settings: int, seeds: int, slope: float, rng: np.random.Generator, *, noise: float, classes: int = 20, moved: int = 10,
    draws: int = 50,
) -> pd.DataFrame:  # fmt: skip
    """For every basis and correction: the share of moved classes found, sign and all, and of still ones called moved."""
    slopes = [slope] * moved + [0.0] * (classes - moved)
    tables = [plant_trends(settings, seeds, slopes, rng, noise=noise).assign(method=str(draw)) for draw in range(draws)]
    found = fit_class_trends(pd.concat(tables), "setting")
    right = "ascending" if slope > 0 else "descending"
    still = found["class"] >= moved
    rows = []
    for basis in BASES:
        for correction in CORRECTIONS:
            labels = trend(found, basis, correction)
            rows.append({
                "settings": settings, "seeds": seeds, "slope": slope, "noise": noise,
                "basis": basis, "correction": correction,
                "power": float((labels[~still] == right).mean()) if moved else float("nan"),
                "false": float((labels[still] != "none").mean()) if moved < classes else float("nan"),
            })  # fmt: skip
    return pd.DataFrame(rows)
