"""Crop, flip and jitter with one draw for the whole batch, as the released code of MV-MR makes its random descriptor.

A sample's view then depends on the first sample of its batch. Specs only; see `batch_draws_operation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench_vision.operations.color import ColorJitterConfig
from sslbench_vision.operations.crops import RandomResizedCropConfig, resize_shapes
from sslbench_vision.operations.geometry import FlipConfig

from sslbench.api import OperationSpec, Share, hookimpl, setting
from sslbench_mvmr.citations import MV_MR

IMPLEMENTATIONS = "sslbench_mvmr.operations.batch_draws_operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCropConfig(RandomResizedCropConfig):
    """Settings of the crop."""

    batch_p: Share = setting(1.0, "Probability of cropping a batch.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFlipConfig(FlipConfig):
    """Settings of the flip."""

    batch_p: Share = setting(0.5, "Probability of mirroring a batch.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJitterConfig(ColorJitterConfig):
    """Settings of the jitter."""

    batch_p: Share = setting(0.8, "Probability of changing the colors of a batch.")


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec]:  # type: ignore[type-arg]
    image: frozenset[str] = frozenset({"image"})
    yield OperationSpec(
        name="batch-crop", version=1, summary="cut one random box out of all images of a batch", citation=MV_MR,
        config=BatchCropConfig, smoke=BatchCropConfig(), build=f"{IMPLEMENTATIONS}:crop_batch", layouts=image,
        shapes=resize_shapes, across_samples=True,
    )  # fmt: skip
    yield OperationSpec(
        name="batch-flip", version=1, summary="mirror all images of a batch or none", citation=MV_MR,
        config=BatchFlipConfig, smoke=BatchFlipConfig(), build=f"{IMPLEMENTATIONS}:flip_batch", layouts=image,
        across_samples=True,
    )  # fmt: skip
    yield OperationSpec(
        name="batch-jitter", version=1, summary="change the colors of all images of a batch in one way", citation=MV_MR,
        config=BatchJitterConfig, smoke=BatchJitterConfig(), build=f"{IMPLEMENTATIONS}:jitter_batch", layouts=image,
        across_samples=True,
    )  # fmt: skip
