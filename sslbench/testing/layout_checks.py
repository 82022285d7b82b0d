"""Check the contract of a layout on random samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from sslbench.api.layouts import Layout
from sslbench.api.values import Modality
from sslbench.data.canvas import PrepareSettings
from sslbench.report.figures.style import pyplot
from sslbench.testing.check import Subject, check

ROWS, CANVAS = 4, 8


def build_layout(subject: Subject) -> Layout:
    """Build the layout."""
    made: Layout = subject.component.implementation()(subject.spec)
    return made


def example(subject: Subject) -> Modality:
    """Return a modality with the example's shape."""
    return Modality(layout=subject.spec.name, shape=subject.spec.example)


@check(
    "layout",
    change="return samples of the modality's type in `random`, and of the shape that `stored` announces in `fit`",
    needs=("has_an_implementation",),
)
def prepares_samples(subject: Subject) -> Iterator[str]:
    """Files are allocated from the announced shape before a sample is read."""
    spec, layout, modality = subject.spec, build_layout(subject), example(subject)
    smaller = layout.stored(modality, CANVAS)
    for stored in (modality, smaller) if spec.has_size else (modality,):
        for fit in ("pad", "squash", "crop") if spec.has_size else ("pad",):
            value = layout.random(modality, np.random.default_rng(0))
            yield from (f"a random sample {error}" for error in layout.find_sample_errors(value, modality))
            made = layout.fit(value, stored, PrepareSettings(fit=fit))
            if made.shape != stored.shape or made.dtype != np.dtype(modality.stored_dtype):
                yield f"a sample becomes {made.dtype} {made.shape} with prepare.fit={fit}; announced: {stored.shape}"


@check(
    "layout",
    change="return float32 in `natural`, the requested sides in `resize`, and a row per position in `by_channel`",
    needs=("prepares_samples",),
)
def makes_views(subject: Subject) -> Iterator[str]:
    """Encoders receive these values, and normalize them with one mean and deviation per channel."""
    spec, layout, modality = subject.spec, build_layout(subject), example(subject)
    rows = np.stack([layout.random(modality, np.random.default_rng(row)) for row in range(ROWS)])
    view = layout.natural(torch.from_numpy(rows))
    if view.dtype != torch.float32 or view.shape != rows.shape or not view.isfinite().all():
        yield f"a batch {rows.shape} becomes {tuple(view.shape)} of {view.dtype}, which must be finite"
    flat = layout.by_channel(rows, None, modality)
    if flat.shape != (rows.size // modality.channels, modality.channels):
        yield f"by_channel returns {flat.shape} for a batch {rows.shape} with {modality.channels} channels"
    if spec.has_size:
        sides = (CANVAS,) * len(modality.sides)
        resized = layout.resize(view, sides, None)
        if resized.shape != (ROWS, *spec.with_sides(modality.shape, sides)):
            yield f"resize to {sides} returns {tuple(resized.shape)} for a batch {rows.shape}"


@check(
    "layout",
    change="implement `draw`, or set has_image and return uint8 [H, W] or [H, W, 3] in `to_image`",
    needs=("prepares_samples",),
)
def draws_samples(subject: Subject) -> Iterator[str]:
    """Figures show samples as read, as prepared, and as augmented views."""
    spec, layout, modality = subject.spec, build_layout(subject), example(subject)
    value = layout.random(modality, np.random.default_rng(0))
    for shown in (modality, replace(modality, range=(0.0, 1.0))):
        if spec.has_image:
            image = layout.to_image(value, shown)
            if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
                yield f"to_image returns {image.dtype} {image.shape}"
        figure, axes = pyplot().subplots()
        layout.draw(axes, value, shown)
        if not axes.has_data():
            yield "draw draws nothing"
        pyplot().close(figure)
