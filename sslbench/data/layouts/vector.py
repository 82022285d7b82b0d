"""Declare the layout of vectors."""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.api import Citation, LayoutSpec, hookimpl


@hookimpl
def sslbench_layouts() -> Iterable[LayoutSpec]:
    yield LayoutSpec(
        name="vector",
        version=1,
        summary="a fixed number of measurements, each with a unit of its own, or a spectrum",
        citation=Citation(
            title="NumPy arrays of values",
            authors="the sslbench authors",
            year=2026,
            url="https://numpy.org/doc/stable/",
        ),
        build="sslbench.data.layouts.vector_layout:VectorLayout",
        axes=("values",),
        channel_axis=0,
        example=(24,),
    )
