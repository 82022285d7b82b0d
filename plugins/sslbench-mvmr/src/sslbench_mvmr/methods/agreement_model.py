"""Train encoders whose views agree and depend on partners (Kinakh, Drozdova, Voloshynovskiy 2024, section 3)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from sslbench.api import Batch, Loss, MethodParts, Step, UnaugmentedPass, View
from sslbench.api.modules import Backbone, TrainedMethod, equation
from sslbench_mvmr.dependence import (
    center,
    clamped_distances,
    exact_distances,
    permuted_correlation,
    product_distances,
    squared_correlation,
)
from sslbench_mvmr.methods.agreement import AgreementConfig

EPSILON = 1e-4


@equation
def squared_error(one: Tensor, two: Tensor, *, is_mean: bool) -> Tensor:
    """Return the squared error of embeddings [B, D]: the mean over rows of its sum, or mean, over columns."""
    errors = (one - two).square()
    return errors.mean() if is_mean else errors.sum(1).mean()


@equation
def deviation_hinge(rows: Tensor, *, is_smoothed: bool) -> Tensor:
    """Return the mean over columns [B, D] of max(0, 1 - s), where s is sqrt(var + 1e-4), or the standard deviation."""
    deviation = (rows.var(0) + EPSILON).sqrt() if is_smoothed else rows.std(0)
    return torch.relu(1 - deviation).mean()


class BatchDependence(nn.Module):
    """Distance correlation of rows in the form of an objective.

    Buffers: mean correlation with each partner in this epoch, the same with its rows in another order, and the count.
    """

    def __init__(self, config: AgreementConfig, partners: Sequence[str]) -> None:
        super().__init__()
        self.config, self.partners = config, tuple(partners)
        self.register_buffer("sums", torch.zeros(2, len(partners)))
        self.register_buffer("count", torch.zeros(()))

    def centered(self, rows: Tensor) -> Tensor:
        """Return centered distances [B, B] of rows [B, D]; rows without gradient are compared by their products."""
        rows = rows / self.config.divisor
        if self.config.distances == "clamped":
            found = clamped_distances(rows)
        else:
            found = exact_distances(rows) if rows.requires_grad else product_distances(rows)
        return center(found, "u" if self.config.statistic == "unbiased" else "v")

    def compare(self, one: Tensor, two: Tensor) -> Tensor:
        """Return the correlation of two sets of centered distances."""
        return self._form(squared_correlation(one, two, undefined=float(self.config.distances == "clamped")))

    def compare_permuted(self, one: Tensor, two: Tensor) -> Tensor:
        """Return the correlation after half the rows of `two` changed places with the others."""
        order = torch.arange(len(two), device=two.device).roll(len(two) // 2)
        return self._form(permuted_correlation(one.detach(), two.detach(), order))

    def _form(self, squared: Tensor) -> Tensor:
        if self.config.statistic != "root":
            return squared
        # the root's slope is infinite at 0
        is_positive = squared > 0
        return torch.where(is_positive, torch.where(is_positive, squared, 1).sqrt(), 0)

    def restart(self) -> None:
        """Forget the correlations of the last epoch."""
        self.get_buffer("sums").zero_()
        self.get_buffer("count").zero_()

    def record(self, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """Add the correlations [2, K] of a step's batches."""
        for carry in carries:
            self.get_buffer("sums").add_(carry["correlations"])
            self.get_buffer("count").add_(1)

    def describe_weak(self) -> str:
        """Name the partners whose correlation in the last epoch was not above that of independent rows, or return ''."""
        found, independent = (self.get_buffer("sums") / self.get_buffer("count").clamp_min(1)).tolist()
        weak = [
            f"{name} ({value:.3f}, independent rows: {floor:.3f})"
            for name, value, floor in zip(self.partners, found, independent, strict=True)
            if value <= floor
        ]
        return ", ".join(weak)


def projector(width: int, widths: Sequence[int]) -> nn.Module:
    """Build linear layers without biases, with batch norm and ReLU between them; without widths, the identity."""
    layers: list[nn.Module] = []
    for before, after in pairwise((width, *widths)):
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers[:-2])


class Agreement(TrainedMethod, ABC):
    """Encoder and projector of one modality whose two views agree, and depend on partners of the original.

    config: settings of the losses, all of them set.
    partners: names of the descriptors or teachers.
    is_raised: whether the dependence on partners is raised; else it is lowered.
    """

    def __init__(
        self, config: AgreementConfig, parts: MethodParts, partners: Sequence[str], *, is_raised: bool = True
    ) -> None:
        super().__init__()
        self.config, self.is_raised = config, is_raised
        self.modality, self.encoder = next(iter(parts.encoders.items()))
        self.projector = projector(self.encoder.width, config.projector)
        self.dependence = BatchDependence(config, partners if config.representations else ())

    @abstractmethod
    def describe(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the rows [B, width] of every partner, without gradient."""

    @property
    def encoders(self) -> Mapping[str, Backbone]:
        return {self.modality: self.encoder}

    def embed(self, view: View) -> Mapping[str, Tensor]:
        """Return the features [B, D] of encoder and projector, by space."""
        feature = self.encoder(view[self.modality])
        return {self.modality: feature, f"{self.modality}.projector": self.projector(feature)}

    def project(self, view: View) -> Tensor:
        """Return the embeddings [B, D] of a view."""
        return cast(Tensor, self.projector(self.encoder(view[self.modality])))

    def loss(self, batch: Batch, step: Step) -> Loss:
        """Return the weighted loss over the rows of all processes, and the correlations for `after_step`."""
        config, gather = self.config, step.processes.gather
        original, view = (gather(self.project(batch.views[role][0])) for role in ("original", "view"))
        centered = self.dependence.centered(view)
        partners = {name: self.dependence.centered(gather(rows)) for name, rows in self.describe(batch).items()}
        correlations = {name: self.dependence.compare(centered, partner) for name, partner in partners.items()}
        floors = [self.dependence.compare_permuted(centered, partner) for partner in partners.values()]
        terms = {
            "invariance": squared_error(view, original, is_mean=config.error == "mean"),
            "variance": sum_hinges((view, original), is_smoothed=config.deviation == "smoothed"),
            "views": 1 - self.dependence.compare(centered, self.dependence.centered(original)),
        }
        representations = [1 - value if self.is_raised else value for value in correlations.values()]
        total = (
            config.invariance * terms["invariance"]
            + config.variance * terms["variance"]
            + config.views * terms["views"]
            + config.representations * sum(representations, view.new_zeros(()))
        )
        shown = {f"dependence on {name}": value for name, value in correlations.items()}
        stacked = [*(value.detach() for value in correlations.values()), *floors] or [view.new_zeros(0)]
        carry = {"correlations": torch.stack(stacked).view(2, -1) if floors else view.new_zeros(2, 0)}
        return Loss(total=total, terms={**terms, **shown}, carry=carry)

    def before_epoch(self, step: Step, survey: UnaugmentedPass) -> None:
        """Start the means of the correlations anew."""
        self.dependence.restart()

    def after_step(self, step: Step, carries: Sequence[Mapping[str, Tensor]]) -> None:
        """Add the correlations of the step to their means."""
        self.dependence.record(carries)

    def notes(self) -> Mapping[str, str]:
        """Warn of partners on which the embeddings depend no more than independent rows would."""
        weak = self.dependence.describe_weak()
        return {"dependence": f"not above that of independent rows in the last epoch: {weak}"} if weak else {}


def sum_hinges(embeddings: Sequence[Tensor], *, is_smoothed: bool) -> Tensor:
    """Return the sum of the hinges of embeddings [B, D]."""
    return torch.stack([deviation_hinge(rows, is_smoothed=is_smoothed) for rows in embeddings]).sum()
