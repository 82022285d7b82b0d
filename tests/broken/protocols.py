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
        return table.vectors()[task.bank], table.target[task.bank]

    def answer(self, query, features, labels):
        means = np.stack([features[labels == code].mean(0) for code in range(4)])
        return ((query[:, None] - means[None]) ** 2).sum(-1).argmin(1)

    def measure(self, trial):
        table = trial.table()
        for place, task in enumerate(trial.tasks):
            said = self.answer(table.vectors()[task.query], *self.learned(table, task, trial))
            yield Outcome(task=place, rows=task.query, predicted=said, scores=self.scores())

    def scores(self):
        return {}


def protocol(cls, *metrics, targets=("class",)):
    return lambda folder: ProtocolSpec(**SETTINGS, build=cls, needs=frozenset({Need.FEATURES}),
                                       targets=frozenset(targets), metrics=metrics, chooses=("units",))  # fmt: skip


class Undeclared(Nearest):
    def scores(self):
        return {"beauty": 0.9}


class Shuffles(Nearest):
    def learned(self, table, task, trial):
        some = np.random.default_rng().permutation(task.bank)[:12]
        return table.vectors()[some], table.target[some]

    def answer(self, query, features, labels):
        return labels[((query[:, None] - features[None]) ** 2).sum(-1).argmin(1)]


class Shifted(Nearest):
    def answer(self, query, features, labels):
        return (super().answer(query, features, labels) + 1) % 4


class NearestSample(Nearest):
    """A valid protocol of any target: predict the labels of the nearest known sample."""

    def answer(self, query, features, labels):
        if labels.ndim == 1:
            return super().answer(query, features, labels)
        found = np.empty((len(query), labels.shape[1]))
        for place, column in enumerate(labels.astype(float).T):
            known = (column >= 0) if labels.dtype.kind == "i" else ~np.isnan(column)
            nearest = ((query[:, None] - features[known][None]) ** 2).sum(-1).argmin(1)
            found[:, place] = column[known][nearest]
        return found


class Constant(NearestSample):
    """Predict the same numbers for every sample, and classes correctly."""

    def answer(self, query, features, labels):
        if labels.ndim == 2:
            return np.repeat(np.nanmean(labels, axis=0)[None], len(query), axis=0)
        return super().answer(query, features, labels)


class CodesOnly(Nearest):
    """Predict classes, and a code for several labels."""

    def answer(self, query, features, labels):
        return super().answer(query, features, labels) if labels.ndim == 1 else np.zeros(len(query), int)


class PeeksAtNumbers(NearestSample):
    """Learn numbers from the query too."""

    def learned(self, table, task, trial):
        rows = np.concatenate([task.bank, task.query]) if table.target.ndim == 2 else task.bank
        return table.vectors()[rows], table.target[rows]


class FirstTask(Nearest):
    """Solve one task of several."""

    def measure(self, trial):
        yield next(iter(super().measure(trial)))


class AnyRows(Nearest):
    """Predict validation rows as well."""

    def measure(self, trial):
        table = trial.table()
        for place, task in enumerate(trial.tasks):
            rows = np.concatenate([task.validation, task.query])
            said = self.answer(table.vectors()[rows], *self.learned(table, task, trial))
            yield Outcome(task=place, rows=rows, predicted=said)


class AveragesPadding(Nearest):
    """Average every step of a series, and those of padding."""

    def vectors(self, table):
        features = table.features["x"]
        return features if features.ndim == 2 else features.mean(1)

    def measure(self, trial):
        table = trial.table()
        for place, task in enumerate(trial.tasks):
            features = self.vectors(table)
            said = self.answer(features[task.query], features[task.bank], table.target[task.bank])
            yield Outcome(task=place, rows=task.query, predicted=said)


class Peeks(Nearest):
    def learned(self, table, task, trial):
        rows = np.concatenate([task.bank, task.query])
        return table.vectors()[rows], table.target[rows]


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
                return self.answer(table.vectors()[rows, :units], features[:, :units], labels)

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


class ChoosesOnQuery(Tells):
    """Select the number of features on the query, without reporting it."""

    def measure(self, trial):
        table = trial.table()
        for place, task in enumerate(trial.tasks):
            features, labels = self.learned(table, task, trial)
            said = {u: self.answer(table.vectors()[task.query, :u], features[:, :u], labels) for u in (4, 16)}
            best = max(said, key=lambda units: (said[units] == table.target[task.query]).mean())
            yield Outcome(task=place, rows=task.query, predicted=said[best])


class HidesForNumbers(NearestSample):
    """Select the number of features by validation rows, and report it for classes only."""

    def measure(self, trial):
        if trial.target.kind == "class":
            yield from super().measure(trial)
            return
        table = trial.table()
        for place, task in enumerate(trial.tasks):
            features, labels = self.learned(table, task, trial)
            truth = table.target[task.validation]

            def said(rows, units, features=features, labels=labels):
                return self.answer(table.vectors()[rows, :units], features[:, :units], labels)

            best = min((4, 16), key=lambda units: np.nanmean((said(task.validation, units) - truth) ** 2))
            yield Outcome(task=place, rows=task.query, predicted=said(task.query, best))


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
    "ignores_query_labels": protocol(Peeks),
    "is_at_chance_on_random_labels": protocol(ReadsNames),
    "ignores_row_order": protocol(First),
    "does_not_modify_features": protocol(InPlace),
    "ignores_padding_of_features": protocol(AveragesPadding),
    "scores_fall_with_noise": protocol(LikesNoise),
    "reports_its_selection": protocol(Hides),
    "has_usable_dependencies": lambda folder: replace(
        protocol(Nearest)(folder),
        dependencies=lambda config: {"teacher": Dependency(kind="backbone", name="kit-encodr")},
    ),
    "declares_what_it_varies": protocol(Varies),
    "stays_within_metric_ranges": protocol(Undeclared, Metric(name="beauty", low=0.0, high=0.5)),
}

FAULTS = [
    ("returns_valid_outcomes", "class: yields 1 and 0 outcomes for two tasks", protocol(FirstTask)),
    ("returns_valid_outcomes", "class: predicts rows that are not in the query of task 0", protocol(AnyRows)),
    ("returns_scores_of_every_class", "scores are not finite", protocol(ScoresNothing)),
    ("solves_easy_data", "value: scores -0.0", protocol(Constant, targets=("class", "value"))),
    ("returns_valid_outcomes", "labels: raised IndexError", protocol(Nearest, targets=("class", "labels"))),
    ("solves_easy_data", "labels: predictions have shape", protocol(CodesOnly, targets=("class", "labels"))),
    ("ignores_query_labels", "value: predictions change", protocol(PeeksAtNumbers, targets=("class", "value"))),
    ("ignores_query_labels", "value: predictions change", protocol(PeeksAtNumbers, targets=("value",))),
    ("ignores_query_labels", "class: predictions change", protocol(ChoosesOnQuery)),
    ("reports_its_selection", "value: outcome 0 depends on", protocol(HidesForNumbers, targets=("class", "value"))),
    ("reports_its_selection", "but chosen is empty", protocol(TellsNoName)),
    ("reports_its_selection", "is chosen on validation, but considered is empty", protocol(TellsNoRivals)),
    ("reports_its_selection", "is not the best of considered", protocol(TellsAnother)),
    ("reports_its_selection", "in considered, but", protocol(TellsMore)),
    ("reports_its_selection", "by its predictions", protocol(ScoresDistances)),
]
"""Checks and what they find in protocols with another defect than those of `BROKEN`."""
SOUND = protocol(Tells)
SCORED = protocol(Scores)
ANY_TARGET = protocol(NearestSample, targets=("class", "labels", "value"))
