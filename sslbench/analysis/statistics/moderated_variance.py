"""Shrink variances of many classes, each with few degrees of freedom, toward a common prior. Pure.

Smyth, "Linear models and empirical Bayes methods for assessing differential expression in microarray experiments",
Statistical Applications in Genetics and Molecular Biology 3(1), 2004, section 6: variances are scaled chi-squared
around a prior of `prior_freedom` degrees of freedom, which is estimated from the spread of their logarithms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Values = NDArray[np.float64]
MAX_PRIOR_FREEDOM = 1e6


def moderate_variances(variances: Values, freedom: float) -> tuple[Values, float]:
    """Return the posterior means of positive variances [C] with the same degrees of freedom, and those of the result.

    A single variance is returned unchanged.
    """
    if len(variances) < 2:
        return variances, freedom
    prior, prior_freedom = fit_prior(variances, freedom)
    weight = prior_freedom / (prior_freedom + freedom)
    return weight * prior + (1 - weight) * variances, freedom + prior_freedom


def fit_prior(variances: Values, freedom: float) -> tuple[float, float]:
    """Fit the prior's variance and degrees of freedom to the moments of log variances (Smyth 2004, section 6.2)."""
    logs = np.log(variances) - special.digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(logs.var(ddof=1) - special.polygamma(1, freedom / 2))
    half = MAX_PRIOR_FREEDOM / 2
    if excess > special.polygamma(1, half):
        half = float(optimize.brentq(lambda x: float(special.polygamma(1, x)) - excess, 1e-6, half))
    prior = float(np.exp(logs.mean() + special.digamma(half) - np.log(half)))
    return prior, 2 * half
