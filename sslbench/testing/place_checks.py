"""Check that the facts of a view state where its pixels come from: one bright spot per image is followed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from sslbench.api.modules import Operation
from sslbench.api.values import View
from sslbench.api.view_places import locate, whole_image_facts
from sslbench.data.keyed_random import CounterRandom
from sslbench.testing.check import NotApplicable, Subject, check
from sslbench.testing.view_checks import ROWS, build_operation, supported_modalities

GRAY, BRIGHT = 0.4, 0.9
PLACES = ((0.15, 0.15), (0.15, 0.85), (0.5, 0.5), (0.85, 0.15), (0.85, 0.85))
"""Spots, as fractions of height and width."""
TOLERANCE = 1.25
"""Largest distance in pixels of the image between a spot and where the facts say that it is."""
MARGIN = 2.0
"""Spots nearer to the border of a view, in pixels of the image, may be cut."""


@check(
    "operation",
    change="add crop_facts() or flip_facts() of sslbench.api.view_places to the result and set places='updated' in the spec, "
    "or set places='unknown'",
    needs=("uses_given_random_numbers", "keeps_unknown_keys"),
)
def states_where_pixels_are(subject: Subject) -> Iterator[str]:
    """Dense methods match places of two views, and learn nothing useful from wrong ones."""
    if subject.spec.places == "unknown":
        raise NotApplicable("has places='unknown', so the facts about places are removed")
    tracked = {what: m for what, m in supported_modalities(subject).items() if m.spec.has_places}
    if not tracked:
        raise NotApplicable("does not change images")
    for what, modality in tracked.items():
        operation = build_operation(subject, modality)
        blank = torch.full((ROWS, *modality.shape), GRAY)
        before = _apply(operation, blank)
        missing = [fact for fact in whole_image_facts("x", blank) if fact not in before]
        if missing:
            yield f"{what} loses {missing[0]!r}"
            continue
        wrong = [finding for place in PLACES for finding in _misplaced(operation, blank, before, place)]
        yield from (f"{what} with places={subject.spec.places!r}: {finding}" for finding in wrong[:1])


def _apply(operation: Operation, images: Tensor) -> View:
    return operation({"x": images, **whole_image_facts("x", images)}, CounterRandom.of(torch.arange(ROWS), 0))


def _misplaced(operation: Operation, blank: Tensor, before: View, place: tuple[float, float]) -> Iterator[str]:
    """Yield where the spot is in one of the views, if the facts say something else."""
    sides = torch.tensor(blank.shape[2:])
    row, column = (torch.tensor(place) * sides).long().tolist()
    spotted = blank.clone()
    spotted[:, :, row - 1 : row + 2, column - 1 : column + 2] = BRIGHT
    view = _apply(operation, spotted)
    change = (view["x"] - before["x"]).abs().sum(1)
    seen = torch.where(change > 0.1 * change.amax((1, 2), keepdim=True), change, 0.0)
    found = locate(view, "x", _center_of_mass(seen).unsqueeze(1)).squeeze(1) * sides
    expected = torch.tensor([row + 0.5, column + 0.5])
    top_left, extent = view["x.box"][:, :2] * sides, view["x.box"][:, 2:] * sides
    is_inside = (expected - top_left >= MARGIN) & (top_left + extent - expected >= MARGIN)
    is_visible = is_inside.all(1) & (change.amax((1, 2)) > 1e-3)
    for sample in torch.nonzero(is_visible & ((found - expected).abs().amax(1) > TOLERANCE)).flatten().tolist():
        (y, x), (height, width) = found[sample].tolist(), sides.tolist()
        yield f"a spot at row {row}, column {column} of {height} x {width} px is at row {y:.0f}, column {x:.0f} by its facts"


def _center_of_mass(weights: Tensor) -> Tensor:
    """Return the centers (y, x) [B, 2] of weights [B, H, W], as fractions of height and width; NaN where all are 0."""
    height, width = weights.shape[1:]
    rows, columns = (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width
    center = torch.stack([(weights.sum(2) * rows).sum(1), (weights.sum(1) * columns).sum(1)], dim=1)
    return center / weights.sum((1, 2)).unsqueeze(1)
