"""Define the losses of every kind of target on encoded labels; see `TargetKind.encode`. Imports torch.

Shapes: B samples, C classes, labels or values, G probes that are trained side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sslbench.api.modules import equation
from sslbench.api.targets import TargetName
from sslbench.api.values import Target


@equation
def cross_entropy(scores: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Return the mean cross-entropy of scores [B, C] and codes [B], with label smoothing."""
    return torch.nn.functional.cross_entropy(scores, target, label_smoothing=smoothing)


@equation
def binary_cross_entropy(scores: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Return the mean binary cross-entropy of scores and labels [B, C] over known labels; NaN is unknown.

    Label smoothing moves labels towards 1/2, as cross-entropy with two classes does.
    """
    known = ~target.isnan()
    smooth = target[known] * (1 - smoothing) + smoothing / 2
    total = torch.nn.functional.binary_cross_entropy_with_logits(scores[known], smooth, reduction="sum")
    return total / known.sum().clamp(min=1)


@equation
def squared_error(scores: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Return half the mean squared error of scores and standardized values [B, C] over known values; NaN is unknown."""
    known = ~target.isnan()
    return (scores[known] - target[known]).square().sum() / (2 * known.sum().clamp(min=1))


def cross_entropy_gradient(scores: Tensor, target: Tensor) -> Tensor:
    """Return the gradient [B, G, C] of the mean cross-entropy by scores [B, G, C], for each of G probes separately.

    `target` [B] are class codes.
    """
    gradient = torch.softmax(scores, dim=2)
    gradient[torch.arange(len(target)), :, target] -= 1
    return gradient.div_(len(target))


def binary_cross_entropy_gradient(scores: Tensor, target: Tensor) -> Tensor:
    """Return the gradient [B, G, C] of each label's mean binary cross-entropy; `target` [B, C] is NaN where unknown.

    Unknown labels count as samples with gradient 0, so that the gradient of a label does not depend on other labels.
    """
    return _known_only(torch.sigmoid(scores) - target.unsqueeze(1)).div_(len(target))


def squared_error_gradient(scores: Tensor, target: Tensor) -> Tensor:
    """Return the gradient [B, G, C] of half of each value's mean squared error; `target` [B, C] is NaN where unknown."""
    return _known_only(scores - target.unsqueeze(1)).div_(len(target))


def _known_only(difference: Tensor) -> Tensor:
    return torch.where(difference.isnan(), 0.0, difference)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLoss:
    """Loss of scores against encoded labels, its gradient for probes, and what scores mean.

    loss: scores [B, C], encoded labels, label smoothing in [0, 1) -> scalar.
    gradient: scores [B, G, C], encoded labels -> [B, G, C].
    answer: scores [..., C] -> codes [...] (class), probabilities (labels) or standardized values [..., C].
    output: the same for classes as probabilities [..., C], the largest of which is the answer.
    """

    loss: Callable[[Tensor, Tensor, float], Tensor]
    gradient: Callable[[Tensor, Tensor], Tensor]
    answer: Callable[[Tensor], Tensor]
    output: Callable[[Tensor], Tensor]


def most_probable(scores: Tensor) -> Tensor:
    """Return the code of the highest score."""
    return scores.argmax(-1)


def probabilities(scores: Tensor) -> Tensor:
    """Return the softmax of scores [..., C]; a row that has none, as its scores are not finite, is unchanged.

    In float64, so that different float32 scores have different probabilities.
    """
    found = torch.softmax(scores.double(), -1)
    return torch.where(found.isnan(), scores, found)


def unchanged(scores: Tensor) -> Tensor:
    """Return the scores."""
    return scores


LOSSES: Mapping[TargetName, TargetLoss] = {
    "class": TargetLoss(
        loss=cross_entropy, gradient=cross_entropy_gradient, answer=most_probable, output=probabilities
    ),
    "labels": TargetLoss(
        loss=binary_cross_entropy, gradient=binary_cross_entropy_gradient, answer=torch.sigmoid, output=torch.sigmoid
    ),
    "value": TargetLoss(loss=squared_error, gradient=squared_error_gradient, answer=unchanged, output=unchanged),
}


def loss_of(target: Target) -> TargetLoss:
    """Return the loss of a target; raises KeyError for data without labels."""
    return LOSSES[target.kind]
