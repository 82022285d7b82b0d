"""Define toy operations and augmentations, each with one defect. `BROKEN` maps a check to the function that makes the spec."""

from __future__ import annotations

from dataclasses import replace

import torch

from sslbench.api import (
    AugmentationSpec,
    OperationParts,
    OperationSpec,
    OperationStep,
)

from .known import KNOWN, SETTINGS


def operation(change):
    """Make an operation from a function of modality x."""

    def build(config, parts):
        def apply(view, draws):
            return {k: change(x, draws) if k in parts.modalities else x for k, x in view.items()}

        return apply

    return lambda folder: OperationSpec(**SETTINGS, build=build, layouts=frozenset({"image"}))


def forgetful(folder):
    build = lambda config, parts: lambda view, draws: {k: view[k] for k in parts.modalities}  # noqa: E731
    return OperationSpec(**SETTINGS, build=build, layouts=frozenset({"image"}))


def imprecise(folder):
    """Divide by the difference of 1 and 1.001, which is 0 in half precision."""

    def change(x, draws):
        near = (torch.full((1, 1), 1.001) @ torch.ones(1, 1)).squeeze()
        return x * 0.001 / (near - 1)

    return whole(operation(change))(folder)


def set_of(folder, name):
    brighter = operation(lambda x, draws: x + 1)(folder)
    return [brighter, AugmentationSpec(**{**KNOWN, "name": "whole"}, operations={"one": OperationStep(operation=name)})]


def drop_step(folder):
    """Drop the first step of a sequence, but not of its facts."""
    build = lambda config, parts: lambda view, draws: {**view, "x": view["x"][:, 1:]}  # noqa: E731
    shorten = lambda config, shapes: {name: (steps - 1, *others) for name, (steps, *others) in shapes.items()}  # noqa: E731
    return OperationSpec(**SETTINGS, build=build, layouts=frozenset({"sequence"}), shapes=shorten)


def from_reference(folder):
    """A valid operation that mixes reference samples into a view."""

    def build(config, parts):
        def apply(view, draws):
            made = dict(view)
            for name in parts.modalities:
                rows = (draws.uniform("row") * len(parts.reference[name])).long()
                made[name] = 0.5 * (view[name] + parts.reference[name].to(view[name].device)[rows])
            return made

        return apply

    return OperationSpec(**SETTINGS, build=build, layouts=frozenset({"image"}), reference=lambda config: 5)


def shuffled_reference(folder):
    """Draw the order of reference samples when the operation is built."""

    def build(config, parts):
        order = torch.randperm(5)
        shuffled = OperationParts(
            modalities=parts.modalities, reference={name: x[order] for name, x in parts.reference.items()}
        )
        return from_reference(folder).build(config, shuffled)

    return replace(from_reference(folder), build=build)


def whole(make):
    """Make an augmentation of one operation."""

    def both(folder):
        step = OperationStep(operation="broken")
        return [make(folder), AugmentationSpec(**{**KNOWN, "name": "whole"}, operations={"one": step})]

    return both


REFERENCE = whole(from_reference)
BROKEN = {
    "returns_announced_shapes": operation(lambda x, draws: x[..., 1:]),
    "stays_in_range": operation(lambda x, draws: x + 1),
    "does_not_modify_its_input": operation(lambda x, draws: x.mul_(0.5)),
    "keeps_unknown_keys": forgetful,
    "moves_facts_with_steps": drop_step,
    "uses_given_random_numbers": operation(lambda x, draws: x * torch.rand(1)),
    "treats_samples_independently": operation(lambda x, draws: (x - x.mean()).clamp(0, 1)),
    "uses_installed_operations": lambda folder: set_of(folder, "brokn"),
    "states_where_pixels_are": operation(lambda x, draws: x.flip(3)),
    "makes_valid_views": lambda folder: set_of(folder, "broken"),
    "makes_valid_views_under_autocast": imprecise,
    "makes_the_same_views_in_any_batch": whole(operation(lambda x, draws: (x - x.mean()).clamp(0, 1))),
}
FAULTS = [
    ("uses_given_random_numbers", "gives different results with the same draws", shuffled_reference),
    (
        "uses_given_random_numbers",
        "has random=False, but other draws give other results",
        lambda folder: replace(operation(lambda x, draws: x * draws.uniform("light", 1, 1, 1))(folder), random=False),
    ),
    ("makes_valid_views", "views differ for the same draws", whole(shuffled_reference)),
    ("makes_valid_views", "views of 'x' are torch.float64, not float32", whole(operation(lambda x, draws: x.double()))),
]
"""Checks and what they find in operations and augmentations with another defect than those of `BROKEN`."""
