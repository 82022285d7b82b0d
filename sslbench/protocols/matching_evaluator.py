"""Measure retrieval within and across modalities on the test samples of every fold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslbench.api.modules import Trial
from sslbench.api.values import Artifact, Outcome, SampleGroups, Scalar, TableArtifact
from sslbench.protocols.matching import MatchingConfig

Codes = NDArray[np.int64]
Vectors = NDArray[np.float32]
MAX_RETRIEVED = 5


def compute_top_k(rows: Tensor, k: int) -> float:
    """Return the share of n samples whose own row is among the first k of their retrieved rows [n, K]."""
    own = torch.arange(len(rows)).unsqueeze(1)
    return float((rows[:, :k] == own).any(1).float().mean())


def same_class_share(rows: Tensor, codes: Tensor) -> float:
    """Return the mean share of the retrieved rows [n, K] that have the sample's class, the sample itself left out.

    Negative codes [n] are unknown.
    """
    own = torch.arange(len(rows)).unsqueeze(1)
    counted = (rows != own) & (codes[rows] >= 0) & (codes >= 0).unsqueeze(1)
    hits = counted & (codes[rows] == codes.unsqueeze(1))
    valid = counted.any(1)
    return float((hits.sum(1)[valid] / counted.sum(1)[valid]).mean()) if valid.any() else 0.0


def same_class_by_chance(codes: Tensor) -> float:
    """Return the probability that a random pair of samples has the same class."""
    counts = torch.bincount(codes[codes >= 0]).double()
    n = counts.sum()
    return float((counts * (counts - 1)).sum() / (n * (n - 1))) if n > 1 else 0.0


def modality_gap(first: Tensor, second: Tensor) -> float:
    """Return the distance between the means of two modalities' unit vectors [n, D] (Liang et al. 2022, section 2)."""
    return float((first.mean(0) - second.mean(0)).norm())


class Matching:
    """Evaluator of the matching protocol.

    For a method without the space, or with one modality, only the classes of neighbors are counted.
    """

    def __init__(self, config: MatchingConfig) -> None:
        self.config = config

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Match the samples of every distinct test set, or of the whole table if there are no tasks."""
        table = trial.table(self.config.space)
        vectors = {name: table.vectors_of(name) for name in sorted(table.features)}
        queries = {task.query.tobytes(): (place, task.query) for place, task in reversed(list(enumerate(trial.tasks)))}
        for place, query in queries.values() or [(None, np.arange(table.rows()))]:
            rows = query[
                np.unique(np.linspace(0, len(query) - 1, min(self.config.max_samples, len(query))).astype(int))
            ]
            codes = np.asarray(table.target)[rows]
            selected = {name: x[rows] for name, x in vectors.items()}
            yield from self._match_within(trial, place, selected, torch.from_numpy(codes))
            if table.space and len(vectors) > 1:
                yield from self._match_across(trial, place, rows, selected, torch.from_numpy(codes))

    def _match_within(
        self, trial: Trial, place: int | None, vectors: Mapping[str, Vectors], codes: Tensor
    ) -> Iterator[Outcome]:
        """Yield the scores of neighbors within each modality, and their means."""
        found = []
        for name, x in vectors.items() if (codes >= 0).any() else ():
            _, near = trial.find_nearest(x, x, self.config.neighbors + 1)
            scores = {
                "intra_modal_precision": same_class_share(torch.from_numpy(near), codes),
                "same_class_by_chance": same_class_by_chance(codes),
            }
            found.append(scores)
            yield Outcome(task=place, setting={"gallery": name, "queries": name}, scores=scores)
        yield Outcome(task=place, scores=_mean_scores(found))

    def _match_across(
        self, trial: Trial, place: int | None, rows: Codes, vectors: Mapping[str, Vectors], codes: Tensor
    ) -> Iterator[Outcome]:
        """Yield the scores of retrieval between each ordered pair of modalities, and their means."""
        count = min(max(self.config.neighbors + 1, MAX_RETRIEVED), len(rows))
        units = {name: torch.nn.functional.normalize(torch.from_numpy(x), dim=1) for name, x in vectors.items()}
        found = []
        for query, gallery in permutations(vectors, 2):
            near = torch.from_numpy(trial.find_nearest(vectors[gallery], vectors[query], count)[1])
            scores = {
                "top_1": compute_top_k(near, 1),
                "top_5": compute_top_k(near, 5),
                "top_5_chance": min(5, len(rows)) / len(rows),
                "modality_gap": modality_gap(units[query], units[gallery]),
            }
            if (codes >= 0).any():
                scores["same_class"] = same_class_share(near[:, : self.config.neighbors + 1], codes)
                scores["same_class_by_chance"] = same_class_by_chance(codes)
            found.append(scores)
            setting: dict[str, Scalar] = {"gallery": gallery, "queries": query}
            examples = self._make_examples(query, gallery, near, rows)
            yield Outcome(task=place, setting=setting, scores=scores, artifacts=(examples,))
        yield Outcome(task=place, scores=_mean_scores(found), artifacts=self._make_scatter(trial, units, codes))

    def _make_examples(self, query: str, gallery: str, near: Tensor, rows: Codes) -> SampleGroups:
        """Return a few evenly spaced samples with their nearest rows, and the rank of their own row among these."""
        places = np.unique(np.linspace(0, len(rows) - 1, min(self.config.examples, len(rows))).astype(int)).tolist()
        groups = {}
        for number, place in enumerate(places, 1):
            found = near[place, :MAX_RETRIEVED].tolist()
            rank = f"own at {found.index(place) + 1}" if place in found else f"own not in {MAX_RETRIEVED}"
            groups[f"{number}: {rank}"] = tuple(int(rows[i]) for i in (place, *found))
        return SampleGroups(name=f"retrieved-{query}-to-{gallery}", groups=groups, modalities=(query, gallery))

    def _make_scatter(self, trial: Trial, units: Mapping[str, Tensor], codes: Tensor) -> tuple[Artifact, ...]:
        """Return a t-SNE projection of all modalities of a few samples, or nothing if there are too few."""
        n = len(codes)
        chosen = np.unique(np.linspace(0, n - 1, min(self.config.points, n)).astype(int))
        if not self.config.points or len(chosen) < 3:
            return ()
        from sklearn.manifold import TSNE

        stacked = torch.cat([x[chosen] for x in units.values()]).numpy()
        state = int(trial.rng("t-sne").integers(2**31))
        plane = TSNE(perplexity=min(30.0, (len(stacked) - 1) / 3), random_state=state).fit_transform(stacked)
        names: Sequence[str] = trial.target.names
        classes = [names[code] if code >= 0 else "" for code in codes[chosen].tolist()]
        columns: dict[str, tuple[Scalar, ...]] = {
            "x": tuple(round(float(x), 4) for x in plane[:, 0]),
            "y": tuple(round(float(y), 4) for y in plane[:, 1]),
            "modality": tuple(name for name in units for _ in chosen),
        }
        if any(classes):
            columns["class"] = tuple(classes * len(units))
        return (TableArtifact(name="t-sne", columns=columns),)


def _mean_scores(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each score."""
    return {name: float(np.mean([scores[name] for scores in found])) for name in found[0]} if found else {}
