"""Aggregate selected scores: means over seeds or folds with intervals, deviations, and paired differences. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from sslbench.analysis.statistics.accuracy import Accuracy, KnownVariance
from sslbench.analysis.statistics.intervals import Estimate, Unit, mean_over_folds, mean_over_seeds
from sslbench.analysis.statistics.score_variance import half_width
from sslbench.results.answers import Question
from sslbench.results.varied import VariedTable

Key = TypeVar("Key", bound=Any)
Value = TypeVar("Value")
UNITS = ("seed", "fold", "draw")
"""Units of repetition of a score."""
PAIRING_FACTS = ("dataset", "protocol", "metric", "seed", "fold", "draw", "epoch")
"""Facts that two values must share to be paired, in addition to the settings that protocols vary."""


def group_by(values: Iterable[Value], key: Callable[[Value], Key]) -> dict[Key, list[Value]]:
    """Group values by a key; groups and values keep their order."""
    found: dict[Key, list[Value]] = defaultdict(list)
    for value in values:
        found[key(value)].append(value)
    return found


def mean_by(keys: Iterable[Key], values: Iterable[float]) -> dict[Key, float]:
    """Average values by key, in the order of the keys; the sum does not depend on the order of the values."""
    found: dict[Key, list[float]] = defaultdict(list)
    for key, value in zip(keys, values, strict=True):
        found[key].append(value)
    return {key: math.fsum(own) / len(own) for key, own in sorted(found.items())}


def estimate(
    seeds: Sequence[int],
    folds: Sequence[int],
    values: Sequence[float],
    test_share: float = 0.2,
    known: KnownVariance | None = None,
) -> Estimate:
    """Estimate the mean of one metric from its values by seed and fold; probe seeds and draws are averaged within these.

    A known variance gives an interval over seeds and test samples. Otherwise the unit is the seed, or the fold if there
    is one seed, corrected for the share that each fold tests.
    """
    by_seed = list(mean_by(seeds, values).values())
    if known is not None:
        return estimate_known(by_seed, known)
    by_fold = list(mean_by(folds, values).values()) if len(by_seed) == 1 else []
    return mean_over_folds(by_fold, test_share) if len(by_fold) > 1 else mean_over_seeds(by_seed)


def estimate_known(by_seed: Sequence[float], known: KnownVariance) -> Estimate:
    """Estimate the mean of values by seed with a known variance."""
    over_samples: Unit = "seeds and test samples" if known.variance.n_seeds > 1 else "test samples"
    return Estimate(
        mean=float(np.mean(by_seed)), ci95_half_width=half_width(known.variance), n=len(by_seed),
        unit=over_samples if known.test_samples else "seeds", test_samples=known.test_samples,
    )  # fmt: skip


def estimates(
    frame: pd.DataFrame, by: Sequence[str], variances: Mapping[Accuracy, KnownVariance] = MappingProxyType({})
) -> pd.DataFrame:
    """Return one row per group: mean, half-width of its 95 % interval, n, unit, and number of test samples.

    An accuracy of one run with known variance has an interval over seeds and test samples; see `estimate` for others.
    """
    rows = []
    for places, group in _groups(frame, by):
        share = float(group["test_share"].iloc[0]) if "test_share" in group else 0.2
        seeds, folds, values = (group[name].tolist() for name in ("seed", "fold", "value"))
        rows.append({**places, **asdict(estimate(seeds, folds, values, share, _known_variance(group, variances)))})
    return pd.DataFrame(rows, columns=[*by, "mean", "ci95_half_width", "n", "unit", "test_samples"])


def _groups(frame: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield the facts and the scores of every group."""
    for key, group in frame.groupby(list(by), dropna=False, sort=False):
        yield dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True)), group


def _known_variance(group: pd.DataFrame, variances: Mapping[Accuracy, KnownVariance]) -> KnownVariance | None:
    """Return the variance of a group that is one accuracy of one run; None for other groups."""
    if not variances or not {"run", "question", "epoch"} <= {*group} or group["epoch"].notna().any():
        return None
    columns = (group[name] for name in ("run", "dataset", "protocol", "question", "metric"))
    found = {
        Accuracy(run, Question(dataset, protocol, question), metric)
        for run, dataset, protocol, question, metric in zip(*columns, strict=True)
    }
    return variances.get(found.pop()) if len(found) == 1 else None


def deviations(frame: pd.DataFrame, by: Sequence[str], axis: str = "") -> pd.DataFrame:
    """Return one row per group: mean, `deviation` (n - 1) and `deviation_n` (n) over folds, seeds and draws.

    With an axis, over its values, each a mean over folds and seeds. Folds share most of their training data: the deviation
    describes their spread and is not an interval of the mean.
    """
    rows = []
    for places, group in _groups(frame.dropna(subset=[axis]) if axis else frame, by):
        units = [axis] if axis else [name for name in UNITS if name in group]
        values = group.groupby(units, dropna=False, sort=bool(axis))["value"].mean()
        varied = " x ".join(f"{name}s" for name in units if group[name].nunique() > 1) or "one value"
        deviation = values.std(ddof=1) if len(values) > 1 else None
        spread = {"deviation": deviation, "deviation_n": values.std(ddof=0)}
        unit = f"values of {axis}" if axis else varied
        rows.append({**places, "mean": values.mean(), **spread, "n": len(values), "unit": unit})
    return pd.DataFrame(rows, columns=[*by, "mean", "deviation", "deviation_n", "n", "unit"])


def extremes(frame: pd.DataFrame, by: Sequence[str], axis: str = "") -> pd.DataFrame:
    """Return one row per group: `min` and `max` over folds, seeds and draws, or over the values of an axis."""
    units = [axis] if axis else [name for name in UNITS if name in frame]
    values = frame.groupby([*by, *units], dropna=False, sort=False)["value"].mean().reset_index()
    return values.groupby([*by], dropna=False, sort=False)["value"].agg(["min", "max"]).reset_index()


def unit_values(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return one value per seed, fold, draw and group."""
    units = [name for name in UNITS if name in frame]
    return frame.groupby([*dict.fromkeys((*by, *units))], dropna=False, sort=False)["value"].mean().reset_index()


def seed_values(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return one value per seed and group: folds, probe seeds and draws are averaged within a seed."""
    return frame.groupby([*dict.fromkeys((*by, "seed"))], dropna=False, sort=False)["value"].mean().reset_index()


def paired_difference(frame: pd.DataFrame, method: str, axes: Sequence[str], varied: VariedTable) -> pd.DataFrame:
    """Subtract the value of `method` with the same seed, data, backbone, protocol, metric, epoch and setting.

    Values must also agree on every one of `axes` that the method's runs vary. A method without a backbone is compared
    with every backbone. Values without a counterpart are dropped.
    """
    reference, ours = frame[frame["method"] == method], frame[frame["method"] != method]
    shared_axes = [axis for axis in axes if axis in frame and axis != "method" and reference[axis].notna().all()]
    backbone = ["backbone"] if set(reference["backbone"]) != {"none"} else []
    own = ["class"] if "class" in frame else []
    wanted = dict.fromkeys((*PAIRING_FACTS, *varied.facts, *own, *shared_axes, *backbone))
    same = [name for name in wanted if name in frame and (name != "backbone" or backbone)]
    base = reference.groupby(same, dropna=False)["value"].mean().rename("base").reset_index()
    kept = [name for name in ours.columns if name not in ("value", "setting", "question", "chosen", "chosen_on")]
    paired = ours.groupby(kept, dropna=False, sort=False)["value"].mean().reset_index().merge(base, on=same)
    return paired.assign(value=paired["value"] - paired["base"])
