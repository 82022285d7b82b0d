"""SYNTHETIC pairs of an image and an optical pulse, of a stated model. Spec only; the model is in `pulses`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import (
    DatasetCard,
    DatasetSpec,
    Modality,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    hookimpl,
    setting,
)
from sslbench_plankton.citations import SSLBENCH


@dataclass(frozen=True, slots=True, kw_only=True)
class PulsePairsConfig:
    """Settings of generated particles, each an image and a pulse. Part `lab` has twelve classes of one size. Part `sea` has
    smaller particles, twice the noise, a gain that varies more, and classes of very different size. Part `uto` is like
    `sea`, has twice as many samples as `lab`, and no labels.
    """

    samples: PositiveInt = setting(150, "Samples of each class of the part `lab`.")
    noise: NonNegativeFloat = setting(3.0, "Standard deviation of the noise of pulses, in counts.")
    seed: NonNegativeInt = setting(0, "Seed of the generator.")


def parts(config: PulsePairsConfig) -> tuple[str, ...]:
    """Return the parts of the published set: cultures, samples of the sea, and an unlabeled stream of a station."""
    return ("lab", "sea", "uto")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[PulsePairsConfig]]:
    yield DatasetSpec(
        name="pulse-pairs",
        version=2,
        parts=parts,
        label_preserving="cross-modal",
        summary="SYNTHETIC: particles that cross a laser, an image and a pulse of six bands each; a stated model, no data",
        citation=SSLBENCH,
        config=PulsePairsConfig,
        smoke=PulsePairsConfig(samples=5),
        build="sslbench_plankton.datasets.pulse_pairs_reader:open_part",
        card=DatasetCard(
            license="MIT",
            citation=SSLBENCH,
            source="drawn on demand",
            obtain="it is drawn on demand",
            embedded=True,
            modalities={
                "image": Modality(layout="image", shape=(1, 0, 0)),
                "profile": Modality(layout="sequence", shape=(0, 6)),
            },
        ),
    )
