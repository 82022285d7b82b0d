"""Small galleries: which samples they hold, and what their neighbors vote for queries of any modality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslbench.api.modules import Trial
from sslbench.api.values import FeatureTable, Outcome, Scalar, TableArtifact, Task
from sslbench.evaluation.features import vectors
from sslbench.protocols.gallery import GalleryConfig
from sslbench.protocols.knn import KnnConfig
from sslbench.protocols.knn_evaluator import votes, weights
from sslbench.protocols.nearest_neighbors import nearest

Rows = NDArray[np.int64]
VOTE = KnnConfig(vote="inverse")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """One gallery, the queries that it is asked, and the classes [.] that it takes more of than there is.

    `left_out` are samples that are no queries because one of their group is in the gallery; None where there are no groups.
    """

    gallery: Rows
    query: Rows
    exhausted: Rows
    left_out: Rows | None = None


def taken(labels: Rows, rows: Rows, shots: int, rng: np.random.Generator) -> Rows:
    """At most `shots` of each class among `rows`, in random order."""
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
) -> Drawn:
    """A gallery and its queries, by the rules of the settings; rows are drawn in the order of their ids [n].

    No group [n] is on both sides: a query of the gallery's groups is left out.
    """
    bank = task.bank[np.argsort(ids[task.bank])]
    if config.source == "train":
        codes = np.union1d(labels[bank], labels[task.query])  # a class that is asked and not in the bank gives nothing
        counts = np.array([(labels[bank] == code).sum() for code in codes.tolist()], np.int64)
        return Drawn(gallery=taken(labels, bank, shots, rng), query=task.query, exhausted=codes[counts < shots])
    rows = np.concatenate([task.bank, task.validation, task.query])
    rows = rows[np.argsort(ids[rows])]
    codes, counts = np.unique(labels[rows], return_counts=True)
    exhausted = codes[counts <= shots]
    short = np.isin(labels[rows], exhausted)
    if config.small_classes == "drop_class":
        rows, short = rows[~short], short[~short]
    gallery = taken(labels, rows[~short], shots, rng)
    for code, count in zip(codes, counts, strict=True):
        own = rows[short & (labels[rows] == code)]
        if len(own):
            kept = count - 1 if config.small_classes == "keep_one_query" else count
            gallery = np.concatenate([gallery, rng.permutation(own)[:kept]])
    query = np.setdiff1d(rows, gallery)
    if groups is None:
        return Drawn(gallery=gallery, query=query, exhausted=exhausted)
    shared = np.isin(groups[query], groups[gallery])
    return Drawn(gallery=gallery, query=query[~shared], exhausted=exhausted, left_out=query[shared])


def named_sets(modalities: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Each modality alone by its name, and all of them together, whose name is not told: ''."""
    return [*((name, (name,)) for name in modalities), ("", tuple(modalities))]


class Gallery:
    """The protocol: for every size and draw, every modality (and all) asked of every modality (and all)."""

    def __init__(self, config: GalleryConfig) -> None:
        self.config = config

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Answer every query of every gallery; with source `all` one task is as good as any."""
        table = trial.table(self.config.space)
        labels = np.asarray(table.target)
        units = unit_vectors(table)
        for place, task in enumerate(trial.tasks[:1] if self.config.source == "all" else trial.tasks):
            used_up: dict[str, list[Scalar]] = {"class": [], "samples": [], "shots": []}
            for shots, draw in product(self.config.shots, range(self.config.draws)):
                rng = trial.rng("gallery", str(task.setting.get("fold")), shots, draw)
                drawn = draw_gallery(labels, table.columns["id"], task, shots, self.config, rng, table.groups)
                if draw == 0:
                    _tell(used_up, drawn, labels, task, shots, trial.target.names)
                yield from self._answers(place, shots, draw, drawn, units, labels, len(trial.target.names), table.space)
            told = TableArtifact(name="exhausted", columns={name: tuple(values) for name, values in used_up.items()})
            yield Outcome(task=place, artifacts=(told,))

    def _answers(
        self, place: int, shots: int, draw: int, drawn: Drawn, units: Mapping[str, Tensor], labels: Rows, classes: int,
        shared: str,
    ) -> Iterator[Outcome]:  # fmt: skip
        if not len(drawn.query) or not len(drawn.gallery):
            return
        codes = torch.from_numpy(labels[drawn.gallery])
        scores = {"exhausted_classes": float(len(drawn.exhausted))}
        if drawn.left_out is not None:
            scores["queries_left_out"] = float(len(drawn.left_out))
        sets = named_sets(list(units))
        for (held, inside), (asked, outside) in product(sets, sets):
            if not shared and not (inside == outside or len(inside) > 1):
                continue  # what lies in different spaces has no distance
            found = []
            for modality in outside:
                own = inside if shared else (modality,)
                bank = torch.cat([units[name][drawn.gallery] for name in own])
                query = units[modality][drawn.query]
                cosines, rows = nearest(bank, query, self.config.neighbors, self.config.memory)
                found.append((cosines, codes.repeat(len(own))[rows]))
            cosines, named = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
            order = torch.argsort(cosines, dim=1, descending=True, stable=True)
            vote = votes(weights(cosines.gather(1, order), VOTE), named.gather(1, order), classes, cosines.shape[1])
            names = {"gallery": held, "queries": asked}
            yield Outcome(
                task=place,
                setting={**{name: value for name, value in names.items() if value}, "shots": shots},
                draw=draw,
                rows=drawn.query,
                bank=drawn.gallery,
                predicted=vote.argmax(1).numpy(),
                scores=scores,
            )


def unit_vectors(table: FeatureTable) -> dict[str, Tensor]:
    """Modality -> [n, D] of length 1."""
    found = {name: torch.from_numpy(vectors(table, name)) for name in sorted(table.features)}
    return {name: torch.nn.functional.normalize(x, dim=1) for name, x in found.items()}


def _tell(
    used_up: dict[str, list[Scalar]], drawn: Drawn, labels: Rows, task: Task, shots: int, names: Sequence[str]
) -> None:
    known = np.concatenate([task.bank, task.validation, task.query])
    for code in drawn.exhausted.tolist():
        used_up["class"].append(names[code])
        used_up["samples"].append(int((labels[known] == code).sum()))
        used_up["shots"].append(shots)
