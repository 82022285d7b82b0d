"""What each stage depends on, and nothing else: the hash under which its output is kept.

Labels enter only where a method takes them, data and schedule only where it trains, the backbone only where one is used.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sslbench.config.checks import needs_encoders
from sslbench.config.choices import Choice
from sslbench.config.convert import plain
from sslbench.config.parts import Part
from sslbench.config.plan import Plan
from sslbench.data import splits
from sslbench.data.canvas import PrepareSettings
from sslbench.environment import DECODERS, device_kind, versions

ANSWERS = 2
"""What an evaluation's folder holds: raised when answers are kept that were not."""
LIBRARIES = ("torch", "numpy", "scikit-learn", "timm", "torchvision", "scipy")


def digest(*values: Any) -> str:
    """A short hash of plain values."""
    text = json.dumps([plain(value) for value in values], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def prepare_key(plan: Plan, part: Part) -> str:
    """A part's files, settings and canvas, and the libraries that decode."""
    return part_key(part, plan.prepare, plan.canvas)


def part_key(part: Part, settings: PrepareSettings, canvas: int) -> str:
    """The same, outside a plan."""
    pictures = any(m.layout == "image" for m in part.dataset.modalities.values())
    fit = (canvas, settings.fit, settings.background, settings.unreadable) if pictures else ()
    return digest(part.choice.key(), part.part, part.fingerprint(), fit, versions(DECODERS))


def rows_key(plan: Plan, fold: int) -> str:
    """Which samples a method may learn from."""
    parts = [prepare_key(plan, part) for part in plan.pretrain_parts]
    rule = (plan.splits, fold, splits.VERSION) if plan.pool == "train" or plan.spec.takes_target else ()
    return digest(parts, plan.pool, rule)


def pretrain_key(plan: Plan, seed: int, fold: int) -> str:
    """A method's encoders: what it is, and only what it really uses."""
    spec = plan.spec
    shapes = {name: (m.layout, m.shape, m.facts) for name, m in plan.modalities.items()}
    values: list[Any] = [plan.method.key(), shapes, versions(LIBRARIES)]
    if spec.backbone:
        values += [{m: c.key() for m, c in plan.backbones.items()}, seed]
    if spec.backbone or spec.trains:
        values += [rows_key(plan, fold), plan.view, plan.canvas]
    if spec.trains:
        train = {k: v for k, v in plain(plan.train).items() if k != "checkpoint_seconds"}
        values += [[a.key() for a in plan.augmentations], train, seed, plan.threads, device_kind()]
    return digest("pretrain", *values)


def pretrain_shape(plan: Plan) -> str:
    """What a training costs per row: everything but which rows, how many, how often and from which seed."""
    shapes = {name: (m.layout, m.shape, m.facts) for name, m in plan.modalities.items()}
    values: list[Any] = [plan.method.key(), shapes, {m: c.key() for m, c in plan.backbones.items()}, plan.threads]
    if plan.spec.trains:
        own = plan.train
        train = (own.batch, own.accumulate, own.optimiser, own.precision, own.compile)
        values += [[a.key() for a in plan.augmentations], plan.view, plan.canvas, train]
    return digest("shape", *values)


def encoder_shape(plan: Plan, *more: Any) -> str:
    """What running the encoders costs per row, and `more` on their features: no method and no seed."""
    shapes = {name: (m.layout, m.shape, m.facts) for name, m in plan.modalities.items()}
    encoders = {m: c.key() for m, c in plan.backbones.items()} if plan.spec.backbone else plan.method.key()
    return digest("encoder", shapes, encoders, plan.view, plan.canvas, plan.threads, plan.train.precision, *more)


def extract_key(plan: Plan, pretrain: str, part: Part, epoch: int | None) -> str:
    """The features of one evaluation part under one encoder."""
    views = any(protocol.spec.views(protocol.config) for protocol in plan.protocols)
    gentle = plan.label_preserving.key() if plan.label_preserving and views else None
    values = (plan.view, epoch, gentle, plan.train.precision, plan.threads, device_kind())
    return digest("extract", pretrain, prepare_key(plan, part), *values)


def evaluate_key(plan: Plan, extract: str, protocol: Choice, seed: int, folds: tuple[int, ...]) -> str:
    """One protocol's answers on those features."""
    values: list[Any] = [ANSWERS, extract, protocol.key(), plan.splits, folds, splits.VERSION, seed]
    values += [plan.threads, plan.products]
    if needs_encoders(protocol):
        values += [plan.train.precision]
    return digest("evaluate", *values)


def run_id(plan: Plan) -> str:
    """A run's folder: readable first, unique by what it is."""
    backbone = "+".join(c.name for c in plan.backbones.values()) or "own"
    data = "+".join(dict.fromkeys(part.choice.name for part in plan.evaluate_parts))
    keys = [pretrain_key(plan, seed, fold) for seed in plan.seeds for fold in plan.folds]
    parts = [prepare_key(plan, part) for part in plan.evaluate_parts]
    rest = digest(keys, parts, [p.key() for p in plan.protocols], plan.splits, plan.folds, plan.view, plan.seeds)
    readable = "-".join((plan.method.name, backbone, data)).replace("/", "_").replace(" ", "_")
    return f"{readable[:80]}-{rest[:10]}"
