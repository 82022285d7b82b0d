"""Choose the modalities on which the kit tests components: examples of every installed layout."""

from __future__ import annotations

from sslbench.api.layouts import LayoutSpec
from sslbench.api.values import Modality
from sslbench.catalog.facts import Catalog


def installed_layouts(catalog: Catalog) -> list[LayoutSpec]:
    """Return the installed layouts, sslbench's own first, and among these the ones with images."""
    found = sorted(catalog.all("layout"), key=lambda c: (c.origin.distribution != "sslbench", not c.spec.has_image))
    return [component.spec for component in found]


def example_modalities(catalog: Catalog) -> dict[str, Modality]:
    """Return an example of every installed layout, by description; of those with images also one with one channel."""
    found = {}
    for spec in installed_layouts(catalog):
        shapes = [spec.with_channels(spec.example, 1)] if spec.has_image else []
        for shape in [*shapes, spec.example]:
            found[f"layout {spec.name!r} of shape {shape}"] = Modality(layout=spec.name, shape=shape)
    return found
