"""Draw small galleries and classify queries of any modality by their nearest neighbors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from sslbench.api.modules import Trial
from sslbench.api.values import Outcome, Scalar, TableArtifact, Task
from sslbench.protocols.gallery import GalleryConfig
from sslbench.protocols.knn import KnnConfig
from sslbench.protocols.knn_evaluator import compute_weights, sum_votes

Rows = NDArray[np.int64]
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


def draw_per_class(labels: Rows, rows: Rows, shots: int, rng: np.random.Generator) -> Rows:
    """Draw at most `shots` of `rows` per class, in random order."""
    shuffled = rng.permutation(rows)
    found = [shuffled[labels[shuffled] == code][:shots] for code in np.unique(labels[rows])]
    return np.concatenate(found) if found else rows[:0]


def draw_gallery(
    labels: Rows,
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
    bank = task.bank[np.argsort(ids[task.bank])]
    if config.source == "train":
        codes = np.union1d(labels[bank], labels[task.query])  # a tested class without training samples counts too
        counts = np.array([(labels[bank] == code).sum() for code in codes.tolist()], np.int64)
        return GallerySplit(
            gallery=draw_per_class(labels, bank, shots, rng), query=task.query, exhausted=codes[counts < shots]
        )
    rows = np.concatenate([task.bank, task.validation, task.query])
    rows = rows[np.argsort(ids[rows])]
    codes, counts = np.unique(labels[rows], return_counts=True)
    exhausted = codes[counts <= shots]
    is_small = np.isin(labels[rows], exhausted)
    if config.small_classes == "drop_class":
        rows, is_small = rows[~is_small], is_small[~is_small]
    gallery = draw_per_class(labels, rows[~is_small], shots, rng)
    for code, count in zip(codes, counts, strict=True):
        own = rows[is_small & (labels[rows] == code)]
        if len(own):
            kept = count - 1 if config.small_classes == "keep_one_query" else count
            gallery = np.concatenate([gallery, rng.permutation(own)[:kept]])
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
        labels: Rows, space: str,
    ) -> Iterator[Outcome]:  # fmt: skip
        """Yield the predictions of one gallery, for every pair of modality sets that can be compared."""
        if not len(split.query) or not len(split.gallery):
            return
        codes = labels[split.gallery]
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
                found.append((torch.from_numpy(cosines), torch.from_numpy(np.tile(codes, len(own))[rows])))
            similarities, classes_found = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
            order = torch.argsort(similarities, dim=1, descending=True, stable=True)
            weights = compute_weights(similarities.gather(1, order), INVERSE_VOTE)
            vote = sum_votes(weights, classes_found.gather(1, order), len(trial.target.names), order.shape[1])
            names = {"gallery": gallery_name, "queries": query_name}
            yield Outcome(
                task=place,
                setting={**{name: value for name, value in names.items() if value}, "shots": shots},
                draw=draw,
                rows=split.query,
                bank=split.gallery,
                predicted=vote.argmax(1).numpy(),
                scores=scores,
            )


def _add_small_classes(
    columns: dict[str, list[Scalar]], split: GallerySplit, labels: Rows, task: Task, shots: int, names: Sequence[str]
) -> None:
    """Add a row to `columns` for each class that is too small for the gallery."""
    labeled = np.concatenate([task.bank, task.validation, task.query])
    for code in split.exhausted.tolist():
        columns["class"].append(names[code])
        columns["samples"].append(int((labels[labeled] == code).sum()))
        columns["shots"].append(shots)
