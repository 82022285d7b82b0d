"""Changes of profiles, as the cross-modal plankton study makes them. Specs only; see `profiles_operation`.

They act on every sequence of a view, under any name; `mirror-together` on its images as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import NonNegativeFloat, OperationSpec, PositiveInt, Shapes, Share, Span, hookimpl, setting
from sslbench_plankton.citations import CROSS_MODAL

SEQUENCE: frozenset[str] = frozenset({"sequence"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BandScaleConfig:
    """Settings of scaling each band of each sample by its own factor."""

    factor: Span[NonNegativeFloat] = setting((0.95, 1.05), "Smallest and largest factor.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BandDropConfig:
    """Settings of setting bands to 0."""

    p_band: Share = setting(0.05, "Probability of each band; at least one band is dropped.")
    max_bands: PositiveInt = setting(4, "Most bands that are dropped.", old_names=("most",))


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeCropConfig:
    """Settings of resampling a profile and cutting a window out of it."""

    steps: PositiveInt = setting(236, "Steps to which a profile is resampled.")
    keep: PositiveInt = setting(224, "Steps of the window, at most `steps`.")

    def __post_init__(self) -> None:
        """Refuse windows that are longer than what they are cut from."""
        if self.keep > self.steps:
            raise ValueError(f"keep={self.keep}: must be at most steps={self.steps}. Lower keep, or raise steps")


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorConfig:
    """Nothing to set; how often is the augmentation's probability."""


def crop_shapes(config: TimeCropConfig, shapes: Shapes) -> Shapes:
    """Sequences become `keep` steps long."""
    return {name: (config.keep, shape[1]) if len(shape) == 2 else shape for name, shape in shapes.items()}


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec]:  # type: ignore[type-arg]
    yield OperationSpec(
        name="band-scale", version=1, summary="multiply each band by a factor near 1", citation=CROSS_MODAL,
        config=BandScaleConfig, smoke=BandScaleConfig(),
        build="sslbench_plankton.operations.profiles_operation:band_scale", layouts=SEQUENCE,
    )  # fmt: skip
    yield OperationSpec(
        name="band-drop", version=1, summary="set one to four bands to 0", citation=CROSS_MODAL,
        config=BandDropConfig, smoke=BandDropConfig(),
        build="sslbench_plankton.operations.profiles_operation:band_drop", layouts=SEQUENCE,
    )  # fmt: skip
    yield OperationSpec(
        name="time-crop", version=1, summary="resample to a number of steps, and keep a window of them",
        citation=CROSS_MODAL, config=TimeCropConfig, smoke=TimeCropConfig(steps=20, keep=16),
        build="sslbench_plankton.operations.profiles_operation:time_crop",
        layouts=SEQUENCE, shapes=crop_shapes,
    )  # fmt: skip
    yield OperationSpec(
        name="mirror-together", version=1, summary="mirror the image and reverse the sequence: one particle, turned round",
        citation=CROSS_MODAL, config=MirrorConfig, smoke=MirrorConfig(),
        build="sslbench_plankton.operations.profiles_operation:mirror_together",
        layouts=frozenset({"image", "sequence"}), random=False, places="updated",
    )  # fmt: skip
