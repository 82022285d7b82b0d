"""Retrieval across modalities: formulas on unit vectors, and the protocol that applies them to the query of every fold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sslbench.api.modules import Trial
from sslbench.api.values import Artifact, Outcome, SampleGroups, Scalar, TableArtifact
from sslbench.protocols.gallery_evaluator import unit_vectors
from sslbench.protocols.matching import MatchingConfig
from sslbench.protocols.nearest_neighbors import nearest

Codes = NDArray[np.int64]
MEMORY, SHOWN = 256, 5


def found_within(rows: Tensor, k: int) -> float:
    """Share of the n samples whose own number is among the first k of their retrieved rows [n, K]."""
    own = torch.arange(len(rows)).unsqueeze(1)
    return float((rows[:, :k] == own).any(1).float().mean())


def same_class_share(rows: Tensor, codes: Tensor) -> float:
    """Mean share of each sample's retrieved rows [n, K], itself left out, that are of its class.

    Codes [n] below 0 are unknown.
    """
    own = torch.arange(len(rows)).unsqueeze(1)
    counted = (rows != own) & (codes[rows] >= 0) & (codes >= 0).unsqueeze(1)
    hits = counted & (codes[rows] == codes.unsqueeze(1))
    asked = counted.any(1)
    return float((hits.sum(1)[asked] / counted.sum(1)[asked]).mean()) if asked.any() else 0.0


def same_class_by_chance(codes: Tensor) -> float:
    """The chance that another sample is of one's own class."""
    counts = torch.bincount(codes[codes >= 0]).double()
    n = counts.sum()
    return float((counts * (counts - 1)).sum() / (n * (n - 1))) if n > 1 else 0.0


def modality_gap(first: Tensor, second: Tensor) -> float:
    """Distance between the means of two modalities' unit vectors [n, D] (Liang et al. 2022, section 2)."""
    return float((first.mean(0) - second.mean(0)).norm())


class Matching:
    """The protocol. Of a method without the space, or with one modality, only classes among neighbors are counted."""

    def __init__(self, config: MatchingConfig) -> None:
        self.config = config

    def measure(self, trial: Trial) -> Iterator[Outcome]:
        """Match the samples of every distinct query, or of the whole table where nothing is known of it."""
        table = trial.table(self.config.space)
        units = unit_vectors(table)
        queries = {task.query.tobytes(): (place, task.query) for place, task in reversed(list(enumerate(trial.tasks)))}
        for place, query in queries.values() or [(None, np.arange(table.rows()))]:
            rows = query[
                np.unique(np.linspace(0, len(query) - 1, min(self.config.max_samples, len(query))).astype(int))
            ]
            codes = np.asarray(table.target)[rows]
            here = {name: x[rows] for name, x in units.items()}
            yield from self._alone(place, here, torch.from_numpy(codes))
            if table.space and len(units) > 1:
                yield from self._matched(trial, place, rows, here, torch.from_numpy(codes))

    def _alone(self, place: int | None, units: Mapping[str, Tensor], codes: Tensor) -> Iterator[Outcome]:
        """Each modality's neighbors among itself."""
        found = []
        for name, x in units.items() if (codes >= 0).any() else ():
            _, near = nearest(x, x, min(self.config.neighbors + 1, len(x)), MEMORY)
            scores = {
                "intra_modal_precision": same_class_share(near, codes),
                "same_class_by_chance": same_class_by_chance(codes),
            }
            found.append(scores)
            yield Outcome(task=place, setting={"gallery": name, "queries": name}, scores=scores)
        yield Outcome(task=place, scores=_means(found))

    def _matched(
        self, trial: Trial, place: int | None, rows: Codes, units: Mapping[str, Tensor], codes: Tensor
    ) -> Iterator[Outcome]:
        wanted = min(max(self.config.neighbors + 1, SHOWN), len(rows))
        found = []
        for asked, held in permutations(units, 2):
            _, near = nearest(units[held], units[asked], wanted, MEMORY)
            scores = {
                "top_1": found_within(near, 1),
                "top_5": found_within(near, 5),
                "top_5_chance": min(5, len(rows)) / len(rows),
                "modality_gap": modality_gap(units[asked], units[held]),
            }
            if (codes >= 0).any():
                scores["same_class"] = same_class_share(near[:, : self.config.neighbors + 1], codes)
                scores["same_class_by_chance"] = same_class_by_chance(codes)
            found.append(scores)
            setting: dict[str, Scalar] = {"gallery": held, "queries": asked}
            shown = self._shown(asked, held, near, rows)
            yield Outcome(task=place, setting=setting, scores=scores, artifacts=(shown,))
        yield Outcome(task=place, scores=_means(found), artifacts=self._laid_out(trial, units, codes))

    def _shown(self, asked: str, held: str, near: Tensor, rows: Codes) -> SampleGroups:
        """For a few samples from all over, the sample and what was nearest to it, and where its own is among these."""
        places = np.unique(np.linspace(0, len(rows) - 1, min(self.config.examples, len(rows))).astype(int)).tolist()
        groups = {}
        for number, at in enumerate(places, 1):
            found = near[at, :SHOWN].tolist()
            rank = f"own at {found.index(at) + 1}" if at in found else f"own not in {SHOWN}"
            groups[f"{number}: {rank}"] = tuple(int(rows[i]) for i in (at, *found))
        return SampleGroups(name=f"retrieved-{asked}-to-{held}", groups=groups, modalities=(asked, held))

    def _laid_out(self, trial: Trial, units: Mapping[str, Tensor], codes: Tensor) -> tuple[Artifact, ...]:
        """All modalities' vectors of a few samples in the plane."""
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


def _means(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each score."""
    return {name: float(np.mean([scores[name] for scores in found])) for name in found[0]} if found else {}
