"""Declare the layout of sequences."""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.api import Citation, LayoutSpec, hookimpl


@hookimpl
def sslbench_layouts() -> Iterable[LayoutSpec]:
    yield LayoutSpec(
        name="sequence",
        version=1,
        summary="a series of measurements of one or several channels, of equal or different lengths",
        citation=Citation(
            title="NumPy arrays of steps and channels",
            authors="the sslbench authors",
            year=2026,
            url="https://numpy.org/doc/stable/",
        ),
        build="sslbench.data.layouts.sequence_layout:SequenceLayout",
        axes=("steps", "channels"),
        channel_axis=1,
        example=(12, 3),
        has_length=True,
    )
