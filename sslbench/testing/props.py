"""Provide the kit's own components, so that a plugin is tested without any other: samples, an encoder, a method.

They are components like any other, with the same hooks, but only the kit loads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
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
from sslbench.api.targets import Labels, TargetName

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


def vary_length(modality: Modality) -> Modality:
    """Return the modality with samples of different lengths, if its layout allows them."""
    return replace(modality, shape=(0, *modality.shape[1:])) if modality.spec.has_length else modality


def label_by_class(classes: NDArray[np.int64], kind: TargetName) -> tuple[Labels, tuple[str, ...]]:
    """Return labels of a kind that follow from classes 0 to 3, a tenth of labels and numbers unknown, and their names."""
    unknown = np.random.default_rng(4).random((len(classes), 3)) < 0.1
    if kind == "labels":
        labels = np.stack([classes < 2, classes % 2, classes == 3], axis=1).astype(np.int64)
        return np.where(unknown, -1, labels), ("a", "b", "c")
    if kind == "value":
        values = np.stack([1000.0 * (classes < 2) + 5, classes % 2 - 0.5], axis=1)
        return np.where(unknown[:, :2], np.nan, values), ("a", "b")
    return (classes, ("a", "b", "c", "d")) if kind == "class" else (np.full_like(classes, -1), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesConfig:
    """Settings of the generated samples."""

    rows: int = setting(96, "Number of samples.")
    layouts: tuple[str, ...] = setting(
        ("image",), "Layouts of the modalities; each modality has the name of its layout."
    )
    target: TargetName = setting("class", "Kind of target.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoConfig:
    """A component without settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """Settings of the kit's encoder."""

    width: int = setting(16, "Number of features.")


class Samples:
    """Four classes, each a pattern with noise; sequences have different lengths, and other targets follow from the class."""

    def __init__(self, config: SamplesConfig) -> None:
        self.shapes = {name: example_modality(name) for name in config.layouts}
        self.modalities: Mapping[str, Modality] = {name: vary_length(one) for name, one in self.shapes.items()}
        self.classes: NDArray[np.int64] = np.arange(config.rows) % 4
        self.labels, names = label_by_class(self.classes, config.target)
        self.target = Target(kind=config.target, names=names)
        self.columns: Mapping[str, NDArray[np.str_]] = {"id": np.arange(config.rows).astype(np.str_)}

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Return one sample."""
        label, own = int(self.classes[row]), np.random.default_rng([7, row])
        drawn = {name: _draw_sample(modality, label, own) for name, modality in self.shapes.items()}
        return {name: _cut(drawn[name], own) if one.is_ragged else drawn[name] for name, one in self.modalities.items()}

    def fingerprint(self) -> str:
        """Return the kind of target and the size as fingerprint."""
        return f"kit-{self.target.kind}-{len(self.labels)}"


def _cut(values: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Return the first steps of a sequence, at least half of them."""
    return values[: int(rng.integers(len(values) // 2, len(values) + 1))]


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
