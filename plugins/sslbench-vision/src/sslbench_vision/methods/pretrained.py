"""Weights from elsewhere, measured as they are: the row that says what a published encoder gives. Spec only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sslbench.api import MethodParts, MethodSpec, Role, hookimpl
from sslbench_vision.citations import TIMM

if TYPE_CHECKING:
    from sslbench.api.modules import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedConfig:
    """Where the weights come from.

    `weights` is a local safetensors or torch file (read with weights_only); without it, `package` names an installed
    Python package that carries them, and without both the backbone's published weights are downloaded. `keys` says
    how the file's names become the encoder's. Loading is refused below the share `match` of tensors.
    """

    weights: Path | None = None
    package: str = ""
    keys: Literal["same", "efficientnet-lite"] = "same"
    match: float = 0.9


def build(config: PretrainedConfig, parts: MethodParts) -> Method:
    """Reach the implementation."""
    from sslbench_vision.methods.pretrained_model import load
    from sslbench_vision.methods.untrained_model import Untrained

    notes = {f"{name} weights": load(encoder, config) for name, encoder in parts.encoders.items()}
    return Untrained(parts.encoders, notes)


def views(config: PretrainedConfig) -> Mapping[str, Role]:
    """None: it does not learn here."""
    return {}


@hookimpl
def sslbench_methods() -> Iterable[MethodSpec[PretrainedConfig]]:
    yield MethodSpec(
        name="pretrained",
        version=1,
        summary="an encoder with published weights, or with yours",
        citation=TIMM,
        config=PretrainedConfig,
        smoke=PretrainedConfig(),
        build=build,
        views=views,
        family="pretrained",
        modalities=(1, 1),
        trains=False,
        baseline=True,
    )
