"""Settings of the losses that MV-MR and its distillation share; see `agreement_model`.

The paper and its released code differ in several points. `objective` chooses all of them at once, and each has a setting of
its own: 'paper' (as printed), 'released' (as the code computes it), 'corrected' (as printed, with the bias-corrected
statistic).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from sslbench.api import NonNegativeFloat, PlanContext, PositiveInt, setting

Objective = Literal["paper", "released", "corrected"]
FORMS: Mapping[Objective, Mapping[str, Any]] = {
    "paper": {"statistic": "squared", "error": "sum", "deviation": "smoothed", "distances": "exact", "divisor": 1.0},
    "released": {"statistic": "root", "error": "mean", "deviation": "plain", "distances": "clamped", "divisor": 32.0},
    "corrected": {
        "statistic": "unbiased", "error": "sum", "deviation": "smoothed", "distances": "exact", "divisor": 1.0,
    },
}  # fmt: skip
"""What each objective uses for settings that are not set (arXiv 2303.12130v2, section 3; released code of MV-MR)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementConfig:
    """Settings of the losses. A weight of 0 leaves a loss out; 'auto' is what `objective` uses."""

    objective: Objective = setting("paper", "Form of the loss: as printed, as released, or bias-corrected.")
    projector: tuple[PositiveInt, ...] = setting(
        (8192, 8192, 8192), "Widths of the projector's layers; none: the encoder's features are used."
    )
    invariance: NonNegativeFloat = setting(1.0, "Weight of the squared error of the two embeddings (lambda).")
    variance: NonNegativeFloat = setting(1.0, "Weight of the hinge of the standard deviations (mu).")
    views: NonNegativeFloat = setting(1.0, "Weight of the dependence of the two embeddings (alpha).")
    representations: NonNegativeFloat = setting(
        1.0, "Weight of the dependence on each descriptor, or on the teacher (beta)."
    )
    statistic: Literal["auto", "squared", "root", "unbiased"] = setting(
        "auto", "Distance correlation: its square (paper), its root (released), or the U-statistic (corrected)."
    )
    error: Literal["auto", "sum", "mean"] = setting(
        "auto", "Squared error over the numbers of an embedding: their sum (paper) or mean (released)."
    )
    deviation: Literal["auto", "smoothed", "plain"] = setting(
        "auto", "Standard deviation of the hinge: with 1e-4 under the root (paper) or without (released)."
    )
    distances: Literal["auto", "exact", "clamped"] = setting(
        "auto", "Squared distances: exact (paper), or at least 1e-4, also on the diagonal (released)."
    )
    divisor: NonNegativeFloat = setting(
        0.0,
        "Divisor of embeddings and descriptors before distances; 0: that of the objective, 1 (paper) or 32 (released).",
    )


C = TypeVar("C", bound=AgreementConfig)


def resolve(config: C, forms: Mapping[Objective, Mapping[str, Any]] = FORMS) -> C:
    """Return the settings with the objective's own values for those that are not set."""
    form = forms[config.objective]
    return replace(config, **{name: value for name, value in form.items() if getattr(config, name) in ("auto", 0)})


def check_agreement(config: AgreementConfig, context: PlanContext, name: str, *, has_partners: bool) -> Iterable[str]:
    """Yield a problem for too few rows, and for losses without weights."""
    if context.batch_size < 4:
        yield f"train.batch_size={context.batch_size}: {name!r} compares at least 4 rows. Set it to 4 or more"
    if not any((config.invariance, config.variance, config.views, config.representations and has_partners)):
        yield "method: no loss has a weight. Set one of invariance, variance, views or representations above 0"
