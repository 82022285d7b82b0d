"""Toy methods: each has one hard case, records what it received, and is otherwise as small as possible."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from sslbench.api import ImageArtifact, Loss, MethodSpec, Role, hookimpl
from sslbench.api.modules import ParameterGroup, TrainedMethod

from .data import CITATION

SEEN: dict[str, Any] = {}


@dataclass(frozen=True, kw_only=True)
class Nothing:
    queue: int = 16


class Toy(TrainedMethod):
    views: ClassVar[Mapping[str, Role]] = {"view": Role(count=2)}
    modalities = (1, 2)

    def __init__(self, config, parts):
        super().__init__()
        self.kept = nn.ModuleDict(dict(parts.encoders))
        self.config, self.context = config, parts.context

    @property
    def encoders(self):
        return dict(self.kept.items())

    def features(self, view):
        return torch.cat([e(view[m], view.get(f"{m}.length")) for m, e in self.kept.items()], dim=1)


class Pairs(Toy):
    """Two modalities, a ragged one among them, and the image's size reaching a projection."""

    views: ClassVar = {"view": Role(count=1)}
    modalities = (2, 2)

    def __init__(self, config, parts):
        super().__init__(config, parts)
        self.project = nn.ModuleDict(
            {m: nn.Linear(e.width + (2 if m == "image" else 1), 4, bias=False) for m, e in parts.encoders.items()}
        )

    def embed(self, view):
        found = dict(super().embed(view))
        facts = {"image": view["image.size"] / 24, "profile": view["profile.length"].unsqueeze(1) / 8}
        joint = {m: self.project[m](torch.cat([found[m], facts[m].to(found[m].dtype)], 1)) for m in self.kept}
        return found | {f"{m}.joint": x for m, x in joint.items()}

    def loss(self, batch, step):
        view = batch.views["view"][0]
        SEEN["sizes"] = {tuple(s) for s in view["image.size"].int().tolist()}
        SEEN["lengths"] = set(view["profile.length"].tolist())
        joint = [nn.functional.normalize(self.embed(view)[f"{m}.joint"], dim=1) for m in ("image", "profile")]
        logits = 5 * joint[0] @ joint[1].T
        return Loss(total=nn.functional.cross_entropy(logits, torch.arange(len(logits))))


class Masks(Toy):
    """Per-sample masks from the random numbers of the batch."""

    views: ClassVar = {"view": Role(count=1)}

    def loss(self, batch, step):
        mask = batch.random.uniform("mask", 6) < 0.5
        for row, one in zip(batch.index.tolist(), mask.tolist(), strict=True):
            SEEN.setdefault("masks", {}).setdefault((step.epoch, row), one)
        return Loss(total=(self.features(batch.views["view"][0]) ** 2).mean())

    def illustrate(self, batch, step):
        for name, modality in self.context.modalities.items():
            view = batch.views["view"][0]
            lengths = {"input.length": view[f"{name}.length"].numpy()} if f"{name}.length" in view else {}
            arrays = {"input": view[name].numpy(), **lengths}
            yield ImageArtifact(name=f"inputs-{name}", layout=modality.layout, arrays=arrays)


class Assignments(Toy):
    """Pseudo-labels from a pass over the whole training set at every epoch's start."""

    views: ClassVar = {"view": Role(count=1)}

    def __init__(self, config, parts):
        super().__init__(config, parts)
        self.register_buffer("assigned", torch.full((parts.context.samples,), -1))
        self.head = nn.Linear(sum(e.width for e in parts.encoders.values()), 2)

    def before_epoch(self, step, survey):
        values = torch.zeros(self.context.samples)
        for rows, view in survey():
            values[rows] = self.features(view).mean(1)
        values = step.processes.sum(values)
        self.get_buffer("assigned").copy_((values > values.median()).long())
        SEEN.setdefault("before_epoch", []).append(step.epoch)

    def loss(self, batch, step):
        target = self.get_buffer("assigned")[batch.index]
        assert (target >= 0).all()
        return Loss(total=nn.functional.cross_entropy(self.head(self.features(batch.views["view"][0])), target))


class Queue(Toy):
    """A momentum network and a queue that move in `after_step` alone, one carry per loss call."""

    def __init__(self, config, parts):
        super().__init__(config, parts)
        self.teacher = copy.deepcopy(self.kept)
        for parameter in self.teacher.parameters():
            parameter.requires_grad_(False)
        width = sum(e.width for e in parts.encoders.values())
        self.register_buffer("queue", torch.zeros(config.queue, width))

    @property
    def encoders(self):
        return dict(self.teacher.items())

    def loss(self, batch, step):
        one, two = batch.views["view"]
        query = nn.functional.normalize(self.features(one), dim=1)
        with torch.no_grad():
            key = torch.cat([e(two[m]) for m, e in self.teacher.items()], 1)
            key = nn.functional.normalize(key, dim=1)
        logits = torch.cat([(query * key).sum(1, keepdim=True), query @ self.get_buffer("queue").T], 1)
        loss = nn.functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))
        return Loss(total=loss, terms={"queue": loss}, carry={"keys": step.processes.gather(key)})

    def after_step(self, step, carries):
        SEEN.setdefault("carries", []).append(len(carries))
        keys = torch.cat([carry["keys"] for carry in carries])[: len(self.get_buffer("queue"))]
        self.get_buffer("queue").copy_(torch.cat([keys, self.get_buffer("queue")])[: len(self.get_buffer("queue"))])
        for slow, fast in zip(self.teacher.parameters(), self.kept.parameters(), strict=True):
            slow.lerp_(fast, 0.1)

    def groups(self):
        return (ParameterGroup(parameters=tuple(self.kept.parameters())),)


class Sizes(Toy):
    """Views of two sizes, and one that is not augmented."""

    views: ClassVar = {"global": Role(count=2), "local": Role(count=3), "original": Role(count=1, augment=False)}

    def loss(self, batch, step):
        SEEN["shapes"] = {role: [tuple(v["image"].shape[1:]) for v in views] for role, views in batch.views.items()}
        SEEN.setdefault("original", {})[step.index] = (
            batch.index.tolist(),
            batch.views["original"][0]["image"].clone(),
        )
        parts = [self.features(view) for views in batch.views.values() for view in views]
        return Loss(total=torch.stack([(p**2).mean() for p in parts]).mean())


def check_queue(config, facts):
    if config.queue > facts.samples:
        yield f"method.queue = {config.queue} does not fit {facts.samples} training samples"


@hookimpl
def sslbench_methods():
    for name, cls in (
        ("pairs", Pairs),
        ("masks", Masks),
        ("assignments", Assignments),
        ("queue", Queue),
        ("sizes", Sizes),
    ):
        yield MethodSpec(
            name=f"toy-{name}", version=1, summary="a toy", citation=CITATION, config=Nothing, smoke=Nothing(), build=cls,
            check=check_queue, views=lambda config, cls=cls: cls.views, family="toy", modalities=cls.modalities,
            spaces=("joint",),
        )  # fmt: skip
