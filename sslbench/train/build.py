"""Build pools, views, encoders and methods from the inputs of a pretraining."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from sslbench.api.modality import PLACE_FACTS
from sslbench.api.modules import Backbone, Method
from sslbench.api.specs import MethodParts, OperationParts, OperationSpec
from sslbench.api.targets import Labels, kind_of
from sslbench.api.values import Modality, PlanContext, Target
from sslbench.config.augmentations import PlannedAugmentation
from sslbench.config.choices import Choice
from sslbench.config.settings import TrainSettings
from sslbench.config.stage_inputs import PretrainInputs
from sslbench.data.table import Pool, Prepared, read_modality, with_statistics
from sslbench.data.views import BuiltAugmentation, BuiltOperation, ViewMaker
from sslbench.environment import seed_everything
from sslbench.train.dependencies import build_dependencies
from sslbench.train.pool import divide_pool

REFERENCE_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingData:
    """The data of one pretraining: the pool, the modalities with their statistics, and labels if the method uses them.

    `holdout` holds the rows on which the validation loss is computed.
    """

    pool: Pool
    holdout: Pool
    modalities: Mapping[str, Modality]
    target: Target
    labels: Labels | None
    holdout_labels: Labels | None = None


def gather_training_data(inputs: PretrainInputs, tables: Sequence[Prepared]) -> TrainingData:
    """Pool the rows for training: never a test row under pool `train`, only labeled rows for a method that uses labels.

    The pool is empty, and the modalities have no statistics, for a method without backbone and training.
    """
    shares = [] if inputs.pool is None else divide_pool(inputs.pool, tables, uses_labels=inputs.spec.uses_labels)
    divided = [(table, *rows) for table, rows in zip(tables, shares, strict=False)]
    members = [(table, rows) for table, rows, _ in divided if len(rows)]
    pool = Pool(members=members, modalities=inputs.modalities)
    holdout = Pool(members=[(table, rows) for table, _, rows in divided if len(rows)], modalities=inputs.modalities)
    modalities = inputs.modalities if inputs.pool is None else with_statistics(inputs.modalities, pool)
    if not inputs.spec.uses_labels:
        return TrainingData(pool=pool, holdout=holdout, modalities=modalities, target=Target(kind="none"), labels=None)
    names = tuple(sorted({name for table, _ in members for name in table.target.names}))
    target = Target(kind=members[0][0].target.kind, names=names)
    kind = kind_of(target)

    def join_labels(pool: Pool) -> Labels:
        found = [kind.rename(table.labels[rows], table.target.names, names) for table, rows in pool.members]
        return np.concatenate(found) if found else kind.generate(0, names)

    learned = join_labels(pool)
    return TrainingData(
        pool=pool,
        holdout=holdout,
        modalities=modalities,
        target=target,
        labels=kind.encode(learned, learned),
        holdout_labels=kind.encode(join_labels(holdout), learned),
    )


def make_views(modalities: Mapping[str, Modality], seed: int, device: torch.device, *, is_squashed: bool) -> ViewMaker:
    """Return the view maker of encoders; `is_squashed` states whether images were stretched to their canvas."""
    sizes = {name: m.sides for name, m in modalities.items() if m.spec.has_size}
    return ViewMaker(modalities=modalities, sizes=sizes, seed=seed, squashed=is_squashed, device=device)


def build_augmentation(
    planned: PlannedAugmentation, modalities: Mapping[str, Modality], pool: Pool | None
) -> BuiltAugmentation:
    """Build the operations of an augmentation; those that need reference samples get a fixed set of training rows."""
    roles = {}
    for role, operations in planned.roles.items():
        built = []
        for operation in operations:
            component, config = operation.choice.component, operation.choice.config
            count = component.spec.reference(config)
            reference = _read_reference(pool, count) if count and pool is not None else {}
            parts = OperationParts(modalities=modalities, reference=reference)
            implementation = component.implementation()(config, parts)
            removes = _removed_facts(component.spec, modalities)
            one = BuiltOperation(name=operation.random_key, p=operation.p, operation=implementation, removes=removes)
            built.append(one)
        roles[role] = tuple(built)
    return BuiltAugmentation(name=planned.random_key, weight=planned.weight, roles=roles)


def _removed_facts(spec: OperationSpec[Any], modalities: Mapping[str, Modality]) -> frozenset[str]:
    """Return the facts about places that an operation makes invalid."""
    changed = [name for name, modality in modalities.items() if spec.takes(modality.layout)]
    return frozenset(f"{name}.{fact}" for name in changed for fact in PLACE_FACTS if spec.places == "unknown")


def _read_reference(pool: Pool, count: int) -> Mapping[str, Any]:
    """Read rows of a pool in their natural range, as views have it; the same rows for every seed."""
    rows = np.random.default_rng(REFERENCE_SEED).choice(len(pool), size=min(count, len(pool)), replace=False)
    stored = {name: torch.from_numpy(values) for name, values in pool.read(np.sort(rows)).items()}
    modalities = pool.modalities
    return {name: modalities[name].code.natural(x) if name in modalities else x for name, x in stored.items()}


def build_method(
    inputs: PretrainInputs, modalities: Mapping[str, Modality], target: Target, samples: int, *, learned: bool = True
) -> Method:
    """Build encoders and method; torch is seeded by (seed, slot), so that all methods start with the same encoders.

    With `learned=False` no published weights are fetched or loaded, because a saved state replaces them.
    """
    seed, own = inputs.seed, inputs.method if learned else inputs.method.without_weights()
    chosen = {name: choice if learned else choice.without_weights() for name, choice in inputs.backbones.items()}
    encoders = {name: _build_encoder(choice, modalities[name], name, seed) for name, choice in chosen.items()}
    dependencies = build_dependencies(own, modalities)
    context = make_context(inputs, modalities, target, samples)
    parts = MethodParts(encoders=encoders, dependencies=dependencies, context=context, needs_weights=own.needs_weights)
    seed_everything(seed, "method")
    method: Method = own.build(parts)
    return method


def make_context(
    inputs: PretrainInputs, modalities: Mapping[str, Modality], target: Target, samples: int
) -> PlanContext:
    """Return the facts that a method is built from; one that does not train gets no shapes, and defaults of the schedule."""
    training, default = inputs.training, TrainSettings()
    return PlanContext(
        modalities=modalities, shapes=training.shapes if training else {}, samples=samples, target=target,
        batch_size=training.settings.batch_size if training else default.batch_size,
        epochs=training.epochs if training else default.epochs,
    )  # fmt: skip


def _build_encoder(choice: Choice, modality: Modality, slot: str, seed: int) -> Backbone:
    seed_everything(seed, "encoder", slot)
    encoder: Backbone = choice.build(modality)
    return encoder


def save_method(folder: Path, name: str, method: Method, weights: Mapping[str, Any]) -> None:
    """Write a method's state as safetensors atomically; the header holds the prefix of each encoder's weights."""
    state = {key: value.detach().cpu().clone().contiguous() for key, value in weights.items()}
    modules = {id(module): path for path, module in method.named_modules()}
    prefixes = {
        m: f"{modules[id(e)]}.{_network_prefix(e)}"
        for m, e in method.encoders.items()
        if any(True for _ in e.parameters())
    }
    unfinished = folder / f".{name}.unfinished"
    save_file(state, unfinished, metadata={"encoders": json.dumps(prefixes)})
    unfinished.replace(folder / f"{name}.safetensors")


def _network_prefix(encoder: Backbone) -> str:
    """Return the prefix of a wrapped library network, which is exported so that the library itself can load it."""
    return "network." if isinstance(getattr(encoder, "network", None), torch.nn.Module) else ""


def load_method(folder: Path, name: str, method: Method) -> Method:
    """Load a saved state into a newly built method."""
    method.load_state_dict(load_file(folder / f"{name}.safetensors"))
    return method


def describe_encoders(method: Method, modalities: Mapping[str, Modality]) -> dict[str, dict[str, Any]]:
    """Describe the input of each encoder with weights: normalization statistics, input size and pooling."""
    found = {}
    for name, encoder in method.encoders.items():
        modality = modalities[name]
        mean, std = ([round(v, 6) for v in encoder.get_buffer(one).flatten().tolist()] for one in ("mean", "std"))
        size = list(modality.sides if modality.spec.has_size else modality.shape)
        if any(True for _ in encoder.parameters()):
            found[name] = {"mean": mean, "std": std, "size": size, "pooling": encoder.pooling}
    return found


def save_training_facts(folder: Path, data: TrainingData) -> None:
    """Write the facts needed to build the method again: statistics, classes, and the number of rows."""
    content = {
        "modalities": {name: asdict(modality) for name, modality in data.modalities.items()},
        "target": asdict(data.target),
        "samples": len(data.pool),
    }
    (folder / "material.json").write_text(json.dumps(content))


def load_training_facts(folder: Path) -> tuple[Mapping[str, Modality], Target, int]:
    """Read the modalities, target and number of rows that `save_training_facts` wrote."""
    content = json.loads((folder / "material.json").read_text())
    modalities = {name: read_modality(values) for name, values in content["modalities"].items()}
    if "target" not in content:  # written before targets other than classes could be learned
        names = content["classes"]
        content["target"] = {"kind": "none" if names is None else "class", "names": names or ()}
    target = Target(kind=content["target"]["kind"], names=tuple(content["target"]["names"]))
    return modalities, target, content["samples"]
