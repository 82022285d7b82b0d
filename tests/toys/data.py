"""Toy data: images with ragged profiles and a size, spectra, and series of spectra. Two classes, well apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslbench.api import Citation, DatasetCard, DatasetSpec, Modality, Source, Target, hookimpl

CITATION = Citation(title="toys", authors="sslbench's tests", year=2026, url="https://example.org")
CARD = DatasetCard(license="MIT", citation=CITATION, source="made", obtain="it is made", embedded=True)


@dataclass(frozen=True, kw_only=True)
class Rows:
    rows: int = 60


class Toy:
    def __init__(self, samples, modalities, labels):
        self.samples, self.modalities, self.labels = samples, modalities, np.array(labels)
        self.target = Target(kind="class", names=("a", "b"))
        self.columns = {"id": np.arange(len(labels)).astype(str)}

    def read(self, row, rng):
        return self.samples[row]

    def fingerprint(self):
        return f"toy-{len(self.labels)}"


def pairs(config: Rows, source: Source) -> Toy:
    rng, samples, labels = np.random.default_rng(0), [], []
    for row in range(config.rows):
        label = row % 2
        height, width = rng.integers(10, 30, 2)
        image = np.clip(rng.normal(60 + 120 * label, 20, (1, height, width)), 0, 255).astype(np.uint8)
        profile = rng.normal(label, 0.3, (int(rng.integers(3, 9)), 2)).astype(np.float32)
        samples.append({"image": image, "profile": profile})
        labels.append(label)
    modalities = {
        "image": Modality(layout="image", shape=(1, 0, 0)),
        "profile": Modality(layout="sequence", shape=(0, 2)),
    }
    return Toy(samples, modalities, labels)


def spectra(config: Rows, source: Source) -> Toy:
    rng = np.random.default_rng(1)
    labels = [row % 2 for row in range(config.rows)]
    samples = [{"spectrum": rng.normal(label, 0.5, 4).astype(np.float32)} for label in labels]
    return Toy(samples, {"spectrum": Modality(layout="vector", shape=(4,))}, labels)


def series(config: Rows, source: Source) -> Toy:
    rng = np.random.default_rng(2)
    labels = [row % 2 for row in range(config.rows)]
    samples = [{"series": rng.normal(label, 0.5, (5, 4)).astype(np.float32)} for label in labels]
    return Toy(samples, {"series": Modality(layout="sequence", shape=(5, 4), sequence_of="spectrum")}, labels)


@dataclass(frozen=True, kw_only=True)
class Shape:
    modality: str = "spectrum"
    layout: str = "vector"
    shape: tuple[int, ...] = (4,)
    sequence_of: str = ""
    facts: tuple[str, ...] = ()


def shaped(config: Shape, source: Source) -> Toy:
    """Samples of any modality, for comparing shapes; sides of 0 are 6."""
    labels = [row % 2 for row in range(20)]
    kind = np.uint8 if config.layout == "image" else np.float32
    samples = [{config.modality: np.zeros([side or 6 for side in config.shape], kind)} for _ in labels]
    modality = Modality(
        layout=config.layout, shape=config.shape, sequence_of=config.sequence_of or None, facts=config.facts
    )
    return Toy(samples, {config.modality: modality}, labels)


@hookimpl
def sslbench_datasets():
    yield DatasetSpec(
        name="toy-shaped",
        version=1,
        summary="a toy",
        citation=CITATION,
        config=Shape,
        smoke=Shape(),
        build=shaped,
        card=CARD,
    )
    for name, build in (("toy-pairs", pairs), ("toy-spectra", spectra), ("toy-series", series)):
        yield DatasetSpec(
            name=name,
            version=1,
            summary="a toy",
            citation=CITATION,
            config=Rows,
            smoke=Rows(rows=20),
            build=build,
            card=CARD,
        )
