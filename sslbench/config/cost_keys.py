"""Derive keys of cost from the inputs of stages: stages with equal keys take the same time per row.

A `shape` is a key of equal cost per row, a `family` one of similar cost: one component at one size, with any settings.
"""

from __future__ import annotations

from typing import Any

from sslbench.config.compatibility import needs_encoders
from sslbench.config.datasets import Part
from sslbench.config.stage_inputs import EvaluateInputs, ExtractInputs, PretrainInputs
from sslbench.data.key_form import digest, to_key_form
from sslbench.data.prepare_inputs import SampleInputs


def prepare_shape(part: Part, samples: SampleInputs) -> str:
    """Return the key of the cost of preparing a sample: its reader and its canvas."""
    return digest(part.choice.key_form(), samples.canvas)


def prepare_family(part: Part, samples: SampleInputs) -> str:
    """Return a key of preparations by one reader."""
    return digest(part.choice.component.name, samples.canvas)


def pretrain_shape(inputs: PretrainInputs) -> str:
    """Return the key of a training's cost per sample: everything but the samples, their number, epochs and seed."""
    values: list[Any] = [inputs.method, inputs.modalities, inputs.backbones]
    if inputs.training is not None:
        training, own = inputs.training, inputs.training.settings
        values += [training.augmentations, training.threads, _canvas(inputs)]
        values += [own.batch_size, own.grad_accumulation, own.optimizer, own.precision, own.compile]
    return digest("shape", to_key_form(values))


def pretrain_family(inputs: PretrainInputs) -> str:
    """Return a key of trainings of one method and encoder at one size."""
    return digest(pretrain_encoder(inputs), "family", inputs.method.component.name)


def pretrain_encoder(inputs: PretrainInputs) -> str:
    """Return the encoder that a training passes; that of extraction from equal samples is the same."""
    training = inputs.training
    how = (training.settings.precision, training.threads) if training else ("", 0)
    return _encoder(inputs, _canvas(inputs), *how)


def extract_shape(inputs: ExtractInputs, *more: Any) -> str:
    """Return the key of the encoders' cost per sample, and of `more` computations on their features."""
    encoder = _encoder(inputs.pretrain, inputs.samples.canvas, inputs.precision, inputs.threads)
    return digest(encoder, *more) if more else encoder


def evaluate_shape(inputs: EvaluateInputs) -> str:
    """Return the key of an evaluation's cost per sample."""
    return extract_shape(inputs.extract, inputs.protocol.key_form(), to_key_form(inputs.fraction))


def evaluate_family(inputs: EvaluateInputs) -> str:
    """Return a key of evaluations by one protocol, and with one encoder if it runs that."""
    name = inputs.protocol.component.name
    return extract_shape(inputs.extract, name) if needs_encoders(inputs.protocol) else digest(name, inputs.threads)


def _encoder(inputs: PretrainInputs, canvas: int, precision: str, threads: int) -> str:
    encoders = inputs.backbones if inputs.spec.backbone else inputs.method
    return digest("encoder", to_key_form([inputs.modalities, encoders]), canvas, precision, threads)


def _canvas(inputs: PretrainInputs) -> int:
    return inputs.pool.parts[0].canvas if inputs.pool else 0
