"""Draw small galleries and predict queries of any modality from their nearest neighbors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from sslbench.api.modules import Trial
from sslbench.api.targets import Labels, kind_of
from sslbench.api.values import Outcome, Scalar, TableArtifact, Task
from sslbench.protocols.gallery import GalleryConfig
from sslbench.protocols.knn import KnnConfig
from sslbench.protocols.knn_evaluator import compute_weights, predict

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Vectors = NDArray[np.float32]
INVERSE_VOTE = KnnConfig(vote="inverse")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GallerySplit:
    """The rows of one gallery and its queries, and the codes of classes that have too few samples.

    `left_out` are rows that are not queries because their group is in the gallery; None if there are no groups.
    """

    gallery: Rows
    query: Rows
    exhausted: Rows
    left_out: Rows | None = None


def find_members(labels: Labels) -> Mask:
    """Return which samples belong to each class, or have each label [n, C].

    With several labels, samples without any are one more column, so that galleries have negative examples.
    """
    if labels.ndim == 1:
        return np.asarray(labels[:, None] == np.arange(labels.max(initial=0) + 1))
    positive = labels > 0
    return np.column_stack([positive, ~positive.any(1)])


def draw_per_class(members: Mask, rows: Rows, shots: int, rng: np.random.Generator) -> Rows:
    """Draw at most `shots` of `rows` per class or label, in random order.

    A sample with several labels counts for each of them; labels with few samples are drawn first.
    """
    shuffled = rng.permutation(rows)
    counts = members[rows].sum(0)
    overlap = bool((members.sum(1) > 1).any())
    codes = np.argsort(counts, kind="stable") if overlap else np.arange(len(counts))
    drawn = np.zeros(len(members), np.bool_)
    found = [rows[:0]]
    for code in codes[counts[codes] > 0].tolist():
        own = shuffled[members[shuffled, code]]
        own = own[~drawn[own]][: max(shots - int(drawn[own].sum()), 0)]
        drawn[own] = True
        found.append(own)
    return np.concatenate(found)


def draw_gallery(
    labels: Labels,
    ids: NDArray[np.str_],
    task: Task,
    shots: int,
    config: GalleryConfig,
    rng: np.random.Generator,
    groups: NDArray[np.str_] | None = None,
) -> GallerySplit:
    """Draw a gallery and its queries; rows are sorted by their ids [n] first.

    Queries that share a group [n] with the gallery are left out.
    """
    members = find_members(labels)
    named = members.shape[1] - (labels.ndim == 2)  # without the samples that have no label
    bank = task.bank[np.argsort(ids[task.bank])]
    if config.source == "train":
        present = members[np.concatenate([bank, task.query]), :named].any(0)
        is_short = members[bank, :named].sum(0) < shots  # a tested class without training samples counts too
        return GallerySplit(
            gallery=draw_per_class(members, bank, shots, rng), query=task.query,
            exhausted=np.flatnonzero(present & is_short),
        )  # fmt: skip
    rows = np.concatenate([task.bank, task.validation, task.query])
    rows = rows[np.argsort(ids[rows])]
    counts = members[rows, :named].sum(0)
    exhausted = np.flatnonzero((counts > 0) & (counts <= shots))
    is_small = members[np.ix_(rows, exhausted)].any(1)
    if config.small_classes == "drop_class":
        rows, is_small = rows[~is_small], is_small[~is_small]
    gallery = draw_per_class(members, rows[~is_small], shots, rng)
    for code in exhausted.tolist():
        own = rows[is_small & members[rows, code]]
        if len(own):
            kept = counts[code] - 1 if config.small_classes == "keep_one_query" else counts[code]
            drawn = rng.permutation(own)[:kept]
            gallery = np.concatenate([gallery, drawn[~np.isin(drawn, gallery)]])
    query = np.setdiff1d(rows, gallery)
    if groups is None:
        return GallerySplit(gallery=gallery, query=query, exhausted=exhausted)
    shared = np.isin(groups[query], groups[gallery])
    return GallerySplit(gallery=gallery, query=query[~shared], exhausted=exhausted, left_out=query[shared])


def list_modality_sets(modalities: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """List (name, modalities) of each modality alone, and of all together, which has the name ''."""
    return [*((name, (name,)) for name in modalities), ("", tuple(modalities))]


class Gallery:
    """Evaluator of the gallery protocol.

    For every size and draw, queries of each modality (and of all) are classified by galleries of each modality (and of
    all).
    """

    def __init__(self, config: GalleryConfig) -> None:
        self.config = config

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Yield the predictions for every gallery; with source=all only the first task is used, as all are equal."""
        table = trial.table(self.config.space)
        labels = np.asarray(table.target)
        vectors = {name: table.vectors_of(name) for name in sorted(table.features)}
        for place, task in enumerate(trial.tasks[:1] if self.config.source == "all" else trial.tasks):
            exhausted: dict[str, list[Scalar]] = {"class": [], "samples": [], "shots": []}
            for shots, draw in product(self.config.shots, range(self.config.draws)):
                rng = trial.rng("gallery", str(task.setting.get("fold")), shots, draw)
                split = draw_gallery(labels, table.columns["id"], task, shots, self.config, rng, table.groups)
                if draw == 0:
                    _add_small_classes(exhausted, split, labels, task, shots, trial.target.names)
                yield from self._classify(trial, place, shots, draw, split, vectors, labels, table.space)
            columns = {name: tuple(values) for name, values in exhausted.items()}
            yield Outcome(task=place, artifacts=(TableArtifact(name="exhausted", columns=columns),))

    def _classify(
        self, trial: Trial, place: int, shots: int, draw: int, split: GallerySplit, vectors: Mapping[str, Vectors],
        labels: Labels, space: str,
    ) -> Iterator[Outcome]:  # fmt: skip
        """Yield the predictions of one gallery, for every pair of modality sets that can be compared."""
        if not len(split.query) or not len(split.gallery):
            return
        kind, known = kind_of(trial.target), labels[split.gallery]
        encoded = torch.from_numpy(kind.encode(known, known))
        scores = {"exhausted_classes": float(len(split.exhausted))}
        if split.left_out is not None:
            scores["queries_left_out"] = float(len(split.left_out))
        sets = list_modality_sets(list(vectors))
        for (gallery_name, gallery_modalities), (query_name, query_modalities) in product(sets, sets):
            if not space and not (gallery_modalities == query_modalities or len(gallery_modalities) > 1):
                continue  # without a shared space, different modalities have no distance
            found = []
            for modality in query_modalities:
                own = gallery_modalities if space else (modality,)
                bank = np.concatenate([vectors[name][split.gallery] for name in own])
                query = vectors[modality][split.query]
                cosines, rows = trial.find_nearest(bank, query, self.config.neighbors, memory=self.config.memory)
                found.append((torch.from_numpy(cosines), torch.from_numpy(rows % len(known))))
            similarities, neighbors = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
            order = torch.argsort(similarities, dim=1, descending=True, stable=True)
            weights = compute_weights(similarities.gather(1, order), INVERSE_VOTE)
            classes = len(trial.target.names)
            predicted = predict(weights, neighbors.gather(1, order), encoded, classes, order.shape[1])
            names = {"gallery": gallery_name, "queries": query_name}
            yield Outcome(
                task=place,
                setting={**{name: value for name, value in names.items() if value}, "shots": shots},
                draw=draw,
                rows=split.query,
                bank=split.gallery,
                predicted=predicted.numpy(),
                scores=scores,
            )


def _add_small_classes(
    columns: dict[str, list[Scalar]], split: GallerySplit, labels: Labels, task: Task, shots: int, names: Sequence[str]
) -> None:
    """Add a row to `columns` for each class or label that is too small for the gallery."""
    members = find_members(labels)[np.concatenate([task.bank, task.validation, task.query])]
    for code in split.exhausted.tolist():
        columns["class"].append(names[code])
        columns["samples"].append(int(members[:, code].sum()))
        columns["shots"].append(shots)
