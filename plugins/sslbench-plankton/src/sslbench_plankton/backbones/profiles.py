"""Three encoders of profiles, with the layer sizes of the cross-modal plankton study. Specs only; see `profiles_model`.

Every profile is brought to one number of steps first, as the study does (224), so that none of them meets padding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import BackboneSpec, PositiveInt, Range, hookimpl, setting
from sslbench_plankton.citations import CROSS_MODAL

SEQUENCE: frozenset[str] = frozenset({"sequence"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileCnnConfig:
    """Settings of a one-dimensional ResNet-18."""

    widths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = setting(
        (32, 64, 128, 256), "Channels of the four stages."
    )
    blocks: PositiveInt = setting(2, "Residual blocks per stage.")
    steps: PositiveInt = setting(224, "Steps to which a profile is resampled.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileTransformerConfig:
    """Settings of a post-norm transformer with a class token and learned positions."""

    width: PositiveInt = setting(128, "Width of tokens.")
    depth: PositiveInt = setting(6, "Number of layers.")
    heads: PositiveInt = setting(4, "Attention heads.")
    hidden: PositiveInt = setting(256, "Width of the hidden layer of each feed-forward block.")
    dropout: Annotated[float, Range(at_least=0, below=1)] = setting(0.2, "Dropout probability.")
    positions: Annotated[int, Range(at_least=3)] = setting(2048, "Number of learned positions; at least `steps` + 2.")
    steps: PositiveInt = setting(224, "Steps to which a profile is resampled.")

    def __post_init__(self) -> None:
        """Refuse more steps than positions: one is the class token's, and one is kept for padding."""
        if self.steps > self.positions - 2:
            most = self.positions - 2
            raise ValueError(
                f"steps={self.steps}: must be at most positions - 2 = {most}. Lower steps, or raise positions"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLstmConfig:
    """Settings of one bidirectional LSTM layer; the feature is the last state of each direction."""

    width: PositiveInt = setting(128, "Width of the state of each direction.")
    steps: PositiveInt = setting(224, "Steps to which a profile is resampled.")


def provides(config: object) -> frozenset[str]:
    """Profiles of any number of steps."""
    return frozenset({"any-size"})


@hookimpl
def sslbench_backbones() -> Iterable[BackboneSpec]:  # type: ignore[type-arg]
    yield BackboneSpec(
        name="profile-cnn", version=1, summary="a one-dimensional ResNet-18 of 32 to 256 channels, max-pooled",
        citation=CROSS_MODAL, config=ProfileCnnConfig, smoke=ProfileCnnConfig(widths=(4, 4, 8, 8), blocks=1, steps=32),
        build="sslbench_plankton.backbones.profiles_model:ProfileCnn", layouts=SEQUENCE, provides=provides,
    )  # fmt: skip
    yield BackboneSpec(
        name="profile-transformer", version=1, summary="six post-norm layers over the steps, read at a class token",
        citation=CROSS_MODAL, config=ProfileTransformerConfig,
        build="sslbench_plankton.backbones.profiles_model:ProfileTransformer", layouts=SEQUENCE,
        smoke=ProfileTransformerConfig(width=8, depth=1, heads=2, hidden=16, positions=64, steps=32), provides=provides,
    )  # fmt: skip
    yield BackboneSpec(
        name="profile-lstm", version=1, summary="one bidirectional LSTM, its last states side by side",
        citation=CROSS_MODAL, config=ProfileLstmConfig, smoke=ProfileLstmConfig(width=8, steps=16),
        build="sslbench_plankton.backbones.profiles_model:ProfileLstm", layouts=SEQUENCE, provides=provides,
    )  # fmt: skip
