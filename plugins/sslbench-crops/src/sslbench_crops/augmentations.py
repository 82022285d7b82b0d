"""Augmentations of vectors: data, no code. `augmentation.corrupt.rate=0.2` sets the rate of either."""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.api import AugmentationSpec, OperationStep, hookimpl
from sslbench_crops.citations import BIMODAL_CROPS, SCARF


@hookimpl
def sslbench_augmentations() -> Iterable[AugmentationSpec]:
    yield AugmentationSpec(
        name="feature-corruption",
        version=1,
        summary="60 % of the values of each vector are drawn from the training data, column by column (SCARF)",
        citation=SCARF,
        operations={"corrupt": OperationStep(operation="feature-corruption")},
    )
    yield AugmentationSpec(
        name="batch-corruption",
        version=1,
        summary="in half of the batches, 60 % of the columns of all vectors come from one other sample (released crop code)",
        citation=BIMODAL_CROPS,
        operations={"corrupt": OperationStep(operation="batch-corruption")},
    )
