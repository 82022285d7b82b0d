"""Provide the kit's own components, so that a plugin is tested without any other: samples, an encoder, a method.

They are components like any other, with the same hooks, but only the kit loads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import (
    ANY_LAYOUT,
    AugmentationSpec,
    BackboneSpec,
    Citation,
    DatasetCard,
    DatasetSpec,
    MethodSpec,
    Modality,
    OperationParts,
    OperationSpec,
    OperationStep,
    Role,
    Source,
    Target,
    hookimpl,
    setting,
)
from sslbench.api.layouts import DTYPES, LAYOUTS

if TYPE_CHECKING:
    from sslbench.api.modules import Operation
    from sslbench.api.specs import Dataset
    from sslbench.api.values import KeyedRandom, View

KIT = Citation(title="sslbench's conformance kit", authors="the sslbench authors", year=2026, url="https://example.org")
CARD = DatasetCard(license="MIT", citation=KIT, source="generated", obtain="it is generated", embedded=True)
SIDE = 16


def example_modality(layout: str) -> Modality:
    """Return the kit's modality of a layout; images are small, so that methods train fast."""
    spec = LAYOUTS.find(layout)
    sides = (min(side, SIDE) for side in spec.sides(spec.example))
    return Modality(layout=layout, shape=spec.with_sides(spec.example, sides) if spec.has_size else spec.example)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesConfig:
    """Settings of the generated samples."""

    rows: int = setting(96, "Number of samples.")
    layouts: tuple[str, ...] = setting(
        ("image",), "Layouts of the modalities; each modality has the name of its layout."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoConfig:
    """A component without settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """Settings of the kit's encoder."""

    width: int = setting(16, "Number of features.")


class Samples:
    """Four classes, each a pattern with noise."""

    def __init__(self, config: SamplesConfig) -> None:
        self.modalities: Mapping[str, Modality] = {name: example_modality(name) for name in config.layouts}
        self.target = Target(kind="class", names=("a", "b", "c", "d"))
        self.labels: NDArray[np.int64] = np.arange(config.rows) % 4
        self.columns: Mapping[str, NDArray[np.str_]] = {"id": np.arange(config.rows).astype(np.str_)}

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Return one sample."""
        label, own = int(self.labels[row]), np.random.default_rng([7, row])
        return {name: _draw_sample(modality, label, own) for name, modality in self.modalities.items()}

    def fingerprint(self) -> str:
        """Return the size as fingerprint."""
        return f"kit-{len(self.labels)}"


def _draw_sample(modality: Modality, label: int, rng: np.random.Generator) -> NDArray[Any]:
    pattern = np.random.default_rng([11, label]).normal(size=modality.shape)
    values = pattern + rng.normal(scale=0.5, size=modality.shape)
    if modality.stored_dtype == "float32":
        return values.astype(np.float32)
    return (np.clip(128 + 40 * values, 0, 255) * (DTYPES[modality.stored_dtype] / 255)).astype(modality.stored_dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseConfig:
    """Settings of the noise operation."""

    amount: float = setting(0.1, "Standard deviation of the noise.")


def noise(config: NoiseConfig, parts: OperationParts) -> Operation:
    """Add noise to every modality."""

    def change(view: View, draws: KeyedRandom) -> View:
        made = dict(view)
        for name in parts.modalities.keys() & view.keys():
            made[name] = view[name] + config.amount * draws.normal(name, *view[name].shape[1:])
            made[name] = made[name].clamp(0, 1) if parts.modalities[name].has_unit_range else made[name]
        return made

    return change


def provides(config: EncoderConfig) -> frozenset[str]:
    """Return all capabilities that the encoder has."""
    return frozenset({"tokens", "masked-tokens", "layers", "maps", "depth", "any-size"})


def one_view(config: NoConfig) -> Mapping[str, Role]:
    """Return a single view."""
    return {"view": Role(count=1)}


def samples(config: SamplesConfig, source: Source) -> Dataset:
    """Generate the samples."""
    return Samples(config)


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[SamplesConfig]]:
    yield DatasetSpec(name="kit-samples", version=1, summary="four classes of noise", citation=KIT, config=SamplesConfig,
                      smoke=SamplesConfig(rows=32), build=samples, card=CARD)  # fmt: skip


@hookimpl
def sslbench_backbones() -> Iterable[BackboneSpec[EncoderConfig]]:
    yield BackboneSpec(name="kit-encoder", version=1, summary="patches, a layer, and their mean", citation=KIT,
                       config=EncoderConfig, smoke=EncoderConfig(width=8), build="sslbench.testing.props_model:Encoder",
                       layouts=ANY_LAYOUT, provides=provides)  # fmt: skip


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[NoConfig]]:
    yield MethodSpec(name="kit-as-is", version=1, summary="an encoder, untrained", citation=KIT, config=NoConfig,
                     smoke=NoConfig(),
                     build="sslbench.testing.props_model:AsIs", views=one_view, family="kit", trains=False)  # fmt: skip


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec[NoiseConfig]]:
    yield OperationSpec(name="kit-noise", version=1, summary="noise on everything", citation=KIT, config=NoiseConfig,
                        smoke=NoiseConfig(), build=noise, layouts=ANY_LAYOUT)  # fmt: skip


@hookimpl
def sslbench_augmentations() -> Iterable[AugmentationSpec]:
    yield AugmentationSpec(name="kit-noisy", version=1, summary="noise on everything", citation=KIT,
                           operations={"noise": OperationStep(operation="kit-noise")})  # fmt: skip
