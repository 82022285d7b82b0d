"""Collect warnings about settings that are allowed but lead to poor numbers, such as too short a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sslbench.api.values import PlanContext
from sslbench.config.choices import Choice
from sslbench.config.settings import TrainSettings

MIN_TRAINING_STEPS = 500
"""Optimizer steps below which a pretraining causes a warning. A convention: studies at laptop scale take 500 to 10,000."""


def collect_warnings(
    method: Choice,
    backbones: Mapping[str, Choice],
    protocols: Sequence[Choice],
    train: TrainSettings,
    facts: PlanContext,
) -> tuple[str, ...]:
    """Return one warning per setting, each with the setting's path."""
    chosen = {"method": method, **{f"backbones.{name}": choice for name, choice in backbones.items()}}
    chosen |= {f"protocol_settings.{choice.component.name}": choice for choice in protocols}
    found = [f"{path}.{text}" for path, choice in chosen.items() for text in choice.spec.warnings(choice.config, facts)]
    return tuple(dict.fromkeys([*(warn_of_few_steps(train, facts) if method.spec.trains else ()), *found]))


def warn_of_few_steps(train: TrainSettings, facts: PlanContext) -> Iterator[str]:
    """Yield a warning where a pretraining takes fewer optimizer steps than MIN_TRAINING_STEPS.

    `facts.samples` includes test samples, which most pools leave out: without `train.steps` the number is an upper limit.
    """
    steps = train.steps or facts.epochs * max(1, facts.samples // facts.batch_size)
    if steps < MIN_TRAINING_STEPS:
        setting = f"train.steps={train.steps}" if train.steps else f"train.epochs={train.epochs}"
        limit = f"at most {steps:,} optimizer steps, {facts.samples:,} samples in batches of {facts.batch_size:,}; "
        yield (
            f"{setting}: {'' if train.steps else limit}encoders trained so briefly stay close to random ones. "
            f"Set train.steps={MIN_TRAINING_STEPS} or more"
        )
