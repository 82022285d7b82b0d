"""Define toy protocols, each with one defect. `BROKEN` maps a check to the function that makes the spec."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sslbench.api import (
    Dependency,
    Metric,
    Need,
    Outcome,
    ProtocolSpec,
)

from .known import SETTINGS


class Nearest:
    """A valid protocol: predict the class with the nearest mean."""

    def __init__(self, config):
        pass

    def learned(self, table, task, trial):
        """Return features and labels to learn from."""
        return table.features["x"][task.bank], table.target[task.bank]

    def answer(self, query, features, labels):
        means = np.stack([features[labels == code].mean(0) for code in range(4)])
        return ((query[:, None] - means[None]) ** 2).sum(-1).argmin(1)

    def measure(self, trial):
        table = trial.table()
        for place, task in enumerate(trial.tasks):
            said = self.answer(table.features["x"][task.query], *self.learned(table, task, trial))
            yield Outcome(task=place, rows=task.query, predicted=said, scores=self.scores())

    def scores(self):
        return {}


def protocol(cls, *metrics):
    return lambda folder: ProtocolSpec(**SETTINGS, build=cls, needs=frozenset({Need.FEATURES}),
                                       targets=frozenset({"class"}), metrics=metrics, chooses=("units",))  # fmt: skip


class Undeclared(Nearest):
    def scores(self):
        return {"beauty": 0.9}


class Shuffles(Nearest):
    def learned(self, table, task, trial):
        some = np.random.default_rng().permutation(task.bank)[:12]
        return table.features["x"][some], table.target[some]

    def answer(self, query, features, labels):
        return labels[((query[:, None] - features[None]) ** 2).sum(-1).argmin(1)]


class Shifted(Nearest):
    def answer(self, query, features, labels):
        return (super().answer(query, features, labels) + 1) % 4


class Constant(Nearest):
    """Predict the same numbers for every sample, and classes correctly."""

    def answer(self, query, features, labels):
        if labels.ndim == 2:
            return np.repeat(np.nanmean(labels, axis=0)[None], len(query), axis=0)
        return super().answer(query, features, labels)


class Peeks(Nearest):
    def learned(self, table, task, trial):
        rows = np.concatenate([task.bank, task.query])
        return table.features["x"][rows], table.target[rows]


class ReadsNames(Nearest):
    def measure(self, trial):
        ids = trial.table().columns["id"].astype(int)
        for place, task in enumerate(trial.tasks):
            yield Outcome(task=place, rows=task.query, predicted=ids[task.query] % 4)


class First(Nearest):
    def answer(self, query, features, labels):
        means = np.stack([features[labels == code][0] for code in range(4)])
        return ((query[:, None] - means[None]) ** 2).sum(-1).argmin(1)


class InPlace(Nearest):
    def learned(self, table, task, trial):
        table.features["x"][:] = np.round(table.features["x"], 3)
        return super().learned(table, task, trial)


class Hides(Nearest):
    """Select the number of features on validation rows, without reporting it."""

    def measure(self, trial):
        table = trial.table()
        for place, task in enumerate(trial.tasks):
            features, labels = self.learned(table, task, trial)

            def said(rows, units, features=features, labels=labels):
                return self.answer(table.features["x"][rows, :units], features[:, :units], labels)

            held_out = table.target[task.validation]
            shares = {units: float((said(task.validation, units) == held_out).mean()) for units in (4, 16)}
            best = max(shares, key=lambda units: shares[units])
            predicted, validation = said(task.query, best), said(task.validation, best)
            yield Outcome(
                task=place, rows=task.query, predicted=predicted, validation=validation, **self.told(shares, best)
            )

    def told(self, shares, best):
        return {}


class Tells(Hides):
    """A valid protocol with a selection, the base of the inconsistent ones below."""

    def told(self, shares, best):
        among = tuple(({"units": units}, share) for units, share in shares.items())
        return {"chosen": {"units": best}, "chosen_on": "validation", "considered": among}


class TellsNoName(Tells):
    def told(self, shares, best):
        return {**super().told(shares, best), "chosen": {}}


class TellsNoRivals(Tells):
    def told(self, shares, best):
        return {**super().told(shares, best), "considered": ()}


class TellsAnother(Tells):
    def told(self, shares, best):
        return super().told(shares, 20 - best)


class TellsMore(Tells):
    def told(self, shares, best):
        return super().told({units: min(1.0, share + 0.05) for units, share in shares.items()}, best)


class Varies(Nearest):
    """Vary the number of features, and choose one, without declaring either."""

    def measure(self, trial):
        for outcome in super().measure(trial):
            yield replace(outcome, setting={"width": 16}, chosen={"seed": 3})


class Scores(Nearest):
    """A valid protocol that predicts scores of classes."""

    def answer(self, query, features, labels):
        return self.scored(np.eye(4)[super().answer(query, features, labels)])

    def scored(self, scores):
        return scores


class ScoresMore(Scores):
    def scored(self, scores):
        return np.pad(scores, ((0, 0), (0, 1)))


class ScoresNothing(Scores):
    def scored(self, scores):
        return np.where(scores == 1, np.nan, scores)


class ScoresDistances(Tells):
    """Validate by scores of which the lowest is the prediction."""

    def measure(self, trial):
        for outcome in super().measure(trial):
            yield replace(outcome, validation=1 - np.eye(4)[outcome.validation])


class LikesNoise(Nearest):
    def answer(self, query, features, labels):
        noise = features[labels == 0].std(0).mean()
        return super().answer(query, features, labels) if not 1 < noise < 3 else np.zeros(len(query), int)


BROKEN = {
    "returns_valid_outcomes": protocol(Undeclared),
    "returns_scores_of_every_class": protocol(ScoresMore),
    "is_deterministic": protocol(Shuffles),
    "solves_easy_data": protocol(Shifted),
    "solves_easy_data_of_every_target": lambda folder: replace(
        protocol(Constant)(folder), targets=frozenset({"class", "value"})
    ),
    "ignores_query_labels": protocol(Peeks),
    "is_at_chance_on_random_labels": protocol(ReadsNames),
    "ignores_row_order": protocol(First),
    "does_not_modify_features": protocol(InPlace),
    "scores_fall_with_noise": protocol(LikesNoise),
    "reports_its_selection": protocol(Hides),
    "has_usable_dependencies": lambda folder: replace(
        protocol(Nearest)(folder),
        dependencies=lambda config: {"teacher": Dependency(kind="backbone", name="kit-encodr")},
    ),
    "declares_what_it_varies": protocol(Varies),
    "stays_within_metric_ranges": protocol(Undeclared, Metric(name="beauty", low=0.0, high=0.5)),
}

MISSTATED = {
    "but chosen is empty": protocol(TellsNoName),
    "is chosen on validation, but considered is empty": protocol(TellsNoRivals),
    "is not the best of considered": protocol(TellsAnother),
    "in considered, but": protocol(TellsMore),
    "by its predictions": protocol(ScoresDistances),
}
"""Findings of `reports_its_selection` for protocols with an inconsistent report."""
UNSCORED = {"scores are not finite": protocol(ScoresNothing)}
"""Findings of `returns_scores_of_every_class` in addition to that of `BROKEN`."""
SOUND = protocol(Tells)
SCORED = protocol(Scores)
