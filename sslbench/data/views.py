"""Make augmented views of a batch on the device.

Views are made role by role; each operation is applied with a probability per sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from sslbench.api.modules import Operation
from sslbench.api.values import KeyedRandom, Modality, Role, View
from sslbench.api.view_places import crop_facts, whole_image_facts
from sslbench.data.keyed_random import CounterRandom


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BuiltOperation:
    """One built operation of an augmentation, with one probability or one per view of the role.

    removes: facts that do not hold after it.
    """

    name: str
    p: tuple[float, ...]
    operation: Operation
    removes: frozenset[str] = frozenset()

    def probability(self, view: int) -> float:
        """Return the probability for one view of the role."""
        return self.p[view] if len(self.p) > 1 else self.p[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BuiltAugmentation:
    """A built augmentation: operations by role, and the weight of its loss."""

    name: str
    weight: float
    roles: Mapping[str, Sequence[BuiltOperation]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewMaker:
    """Convert stored rows to views; `seed` keys all random numbers."""

    modalities: Mapping[str, Modality]
    sizes: Mapping[str, tuple[int, ...]]
    seed: int
    squashed: bool = False
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def natural(self, stored: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
        """Move a batch to the device in its natural range, float32: images of integers in [0, 1].

        An image that was squashed to its canvas gets 'aspect' [B], its original width divided by its height.
        """
        view: dict[str, Tensor] = {}
        for name, values in stored.items():
            tensor = torch.from_numpy(values).to(self.device, non_blocking=True)
            if name in self.modalities:
                view[name] = self.modalities[name].code.natural(tensor)
            else:
                view[name] = tensor if name.endswith(".length") else tensor.to(torch.float32)
        if self.squashed:
            for name in [n for n in view if n.endswith(".size")]:
                view[f"{name.removesuffix('.size')}.aspect"] = view[name][:, 1] / view[name][:, 0]
        return view

    def plain(self, view: View) -> View:
        """Return the view without augmentation: whole images (or their central square) at the encoders' size."""
        made = dict(view)
        for name, size in self.sizes.items():
            if name in made and self.modalities[name].spec.sides(made[name].shape[1:]) != size:
                code, aspect = self.modalities[name].code, made.get(f"{name}.aspect")
                if f"{name}.box" in made:
                    made |= crop_facts(made, name, code.shown_boxes(made[name], aspect))
                made[name] = code.resize(made[name], size, aspect)
        return self._arrange(made)

    def make(
        self, view: View, samples: Tensor, epoch: int, augmentation: BuiltAugmentation, roles: Mapping[str, Role]
    ) -> dict[str, tuple[View, ...]]:
        """Make all views of a batch by role; `samples` [B] are rows of the training table, which key random numbers.

        Images get the facts of `sslbench.api.view_places`.
        """
        view = {**view, **self._place_facts(view)}
        made: dict[str, tuple[View, ...]] = {}
        for role, wanted in roles.items():
            if not wanted.augment:
                made[role] = (self.plain(view),) * wanted.count
                continue
            views = []
            for place in range(wanted.count):
                random = CounterRandom.of(samples, self.seed, epoch, augmentation.name, role, place)
                views.append(self._arrange(_augment(view, random, augmentation.roles[role], place)))
            made[role] = tuple(views)
        return made

    def _place_facts(self, view: View) -> View:
        """Return the facts of images before any operation: views show all of them."""
        tracked = [name for name, m in self.modalities.items() if name in view and m.spec.has_places]
        return {fact: values for name in tracked for fact, values in whole_image_facts(name, view[name]).items()}

    def _arrange(self, view: View) -> View:
        """Convert batches to the memory format of their layout: channels last is faster for convolutions."""
        return {name: self._arrange_one(name, x) for name, x in view.items()}

    def _arrange_one(self, name: str, x: Tensor) -> Tensor:
        spec = self.modalities[name].spec if name in self.modalities else None
        if spec is None or not spec.memory_format or x.shape[1 + spec.channel_axis] == 1:
            return x
        return x.contiguous(memory_format=getattr(torch, spec.memory_format))


def _augment(view: View, random: KeyedRandom, operations: Sequence[BuiltOperation], place: int) -> View:
    for built in operations:
        own = random.fork(built.name)
        probability = built.probability(place)
        if probability >= 1:
            view = built.operation(view, own)
        elif probability > 0:
            view = _apply_with_probability(view, own, built, probability)
        if built.removes and probability > 0:
            view = {name: x for name, x in view.items() if name not in built.removes}
    return view


def _apply_with_probability(view: View, random: KeyedRandom, built: BuiltOperation, probability: float) -> View:
    """Apply an operation to a random share of the samples, and leave the others unchanged bit for bit."""
    chosen = torch.nonzero(random.uniform("apply") < probability).squeeze(1)
    if not len(chosen):
        return view
    changed = built.operation({name: x[chosen] for name, x in view.items()}, random[chosen])
    result = dict(view)
    for name, x in changed.items():
        if name not in view:
            raise ValueError(
                f"augmentation: operation {built.name!r} with p={probability} adds {name!r} to samples, which only "
                "operations with p=1 can do. Set its p=1"
            )
        result[name] = view[name].index_copy(0, chosen, x.to(view[name].dtype))
    return result
