"""Declare the layout of images."""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.api import Citation, LayoutSpec, hookimpl


@hookimpl
def sslbench_layouts() -> Iterable[LayoutSpec]:
    yield LayoutSpec(
        name="image",
        version=1,
        summary="an image of any number of channels: 8 bits, 16 bits or floats",
        citation=Citation(
            title="NumPy arrays of channels, height and width",
            authors="the sslbench authors",
            year=2026,
            url="https://numpy.org/doc/stable/",
        ),
        build="sslbench.data.layouts.image_layout:ImageLayout",
        axes=("channels", "height", "width"),
        channel_axis=0,
        example=(3, 32, 32),
        dtype="uint8",
        has_size=True,
        has_image=True,
        memory_format="channels_last",
    )
