"""Declare the metrics that are computed from predicted classes and their scores."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from sslbench.api import Derivation, Metric, hookimpl

FUNCTIONS = "sslbench.analysis.statistics.metrics"
SOURCE = "Sokolova, Lapalme (2009): A systematic analysis of performance measures for classification tasks, Table 3"
RANKED = "sslbench.analysis.statistics.ranked_metrics"
TOP5 = "Russakovsky et al. (2015): ImageNet Large Scale Visual Recognition Challenge, section 4.1"
from_scores = partial(Metric, low=0, high=1, derived_from=Derivation.RANKED_SCORES)
from_matrix = partial(Metric, low=0, high=1, derived_from=Derivation.CONFUSION, source=SOURCE)


@hookimpl
def sslbench_metrics() -> Iterable[Metric]:
    yield from_matrix(
        name="micro_accuracy", label="micro", summary="share of samples that are classified correctly",
        compute=f"{FUNCTIONS}:micro_accuracy", is_shown=True, mean_over="samples",
    )  # fmt: skip
    yield from_matrix(
        name="macro_accuracy", label="macro", summary="mean recall of the classes with test samples",
        compute=f"{FUNCTIONS}:macro_accuracy", is_shown=True, is_main=True, mean_over="classes",
    )  # fmt: skip
    yield from_matrix(
        name="macro_precision", label="macro precision", compute=f"{FUNCTIONS}:macro_precision",
        summary="mean precision of the classes with test samples (0 where a class is never predicted)",
    )  # fmt: skip
    yield from_matrix(
        name="macro_f1", label="macro F1", compute=f"{FUNCTIONS}:macro_f1",
        summary="mean F1 of the classes with test samples",
    )  # fmt: skip
    yield from_scores(
        name="top5_accuracy", label="top-5", compute=f"{RANKED}:top5_accuracy", source=TOP5,
        summary="share of samples whose class is among the five best; none for five classes or fewer",
    )  # fmt: skip
    yield from_scores(
        name="macro_top5_accuracy", label="macro top-5", compute=f"{RANKED}:macro_top5_accuracy", source=TOP5,
        summary="mean top-5 accuracy of the classes with test samples",
    )  # fmt: skip
    yield from_scores(
        name="expected_calibration_error", label="ECE", compute=f"{RANKED}:expected_calibration_error",
        higher_is_better=False, summary="mean difference of confidence and accuracy in 15 bins of equal width",
        source="Guo, Pleiss, Sun, Weinberger (2017): On Calibration of Modern Neural Networks, equation 3",
    )  # fmt: skip
    yield from_scores(
        name="brier_score", label="Brier", compute=f"{RANKED}:brier_score", high=2, higher_is_better=False,
        summary="squared error of the probabilities, summed over classes; needs the scores of all classes",
        source="Brier (1950): Verification of forecasts expressed in terms of probability",
    )  # fmt: skip
    yield from_scores(
        name="area_under_risk_coverage", label="AURC", compute=f"{RANKED}:area_under_risk_coverage",
        higher_is_better=False, summary="mean error rate of the most confident samples, over all shares of samples",
        source="Geifman, El-Yaniv (2017): Selective Classification for Deep Neural Networks; area: Geifman et al. (2019)",
    )  # fmt: skip
