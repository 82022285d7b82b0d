"""List changes of a record or of predictions, each with the message that refuses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def score_of(record, metric, protocol="knn", **more):
    return next(
        score for score in record["scores"]
        if (score["metric"], score["protocol"]) == (metric, protocol) and score["chosen_on"] != "query"
        and all(score[name] == value for name, value in more.items())
    )  # fmt: skip


def _set(record, path, value):
    for name in path[:-1]:
        record = record[name]
    record[path[-1]] = value


FORGED: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "metric": (lambda r: score_of(r, "macro_accuracy").update(value=0.9999), "macro_accuracy is 0.999900, but"),
    "calibration": (
        lambda r: score_of(r, "expected_calibration_error", "linear").update(value=0.0), "expected_calibration_error is 0.000000, but"
    ),
    "ami": (lambda r: score_of(r, "ami_max", "clustering").update(value=0.9), "ami_max is 0.900000, but"),
    "ami by another name": (
        lambda r: r["scores"].append({**score_of(r, "ami_max", "clustering"), "setting": '{"x": "against"}', "value": 1.0}),
        "reports ami_max without submitted predictions",
    ),
    "validation": (
        lambda r: next(s for s in r["scores"] if s["metric"] == "validation_micro_accuracy").update(value=0.5),
        "validation_micro_accuracy is 0.500000, but choices.json states",
    ),
    "null": (lambda r: score_of(r, "ami_max_null", "clustering").update(value=0.3), "permuted labels give"),
    "class": (lambda r: r["classes"][3].update(recall=0.123), "does not match the predictions"),
    "lost class": (lambda r: r["classes"].pop(3) and None, "is missing from the record"),
    "lost metric": (lambda r: r["scores"].remove(score_of(r, "micro_accuracy")), "micro_accuracy is missing from the record"),
    "invented": (
        lambda r: r["scores"].append({**score_of(r, "micro_accuracy"), "setting": '{"shots": 3}'}),
        "reports micro_accuracy without submitted predictions",
    ),
    "seed": (lambda r: _set(r, ["seeds", 2], 7), "has seeds 0, 1, 7; the suite's are 0, 1, 2"),
    "seed of answers": (lambda r: r["seeds"].remove(2), "has answers of seed 2, which is not in the record"),
    "pool": (lambda r: r.update(pool="all"), "was pretrained on pool all; the suite's is train"),
    "fold": (lambda r: r["folds"].append(1), "has folds 0, 1; the suite's are 0"),
    "fingerprint": (lambda r: _set(r, ["evaluated_on", 0, "fingerprint"], "0" * 32), "digits: its data differs from the suite's (fingerprint 000"),
    "dataset": (lambda r: _set(r, ["evaluated_on", 0, "part"], "other"), "is evaluated on other, which is not in the suite"),
    "reader": (lambda r: _set(r, ["evaluated_on", 0, "version"], 9), "digits: was read by version 9 of its dataset component"),
    "protocol": (lambda r: _set(r, ["protocols", 0, "version"], 9), "knn: version 9 was used, and suite 'small' was measured with version"),
    "setting": (
        lambda r: next(p for p in r["protocols"] if p["name"] == "knn")["settings"].update(temperature=0.5),
        "knn.temperature is 0.5; the suite's is 0.07",
    ),
    "unmeasured": (lambda r: r["protocols"].pop(0) and None, "is not evaluated with knn"),
    "range": (lambda r: score_of(r, "rank_me", "diagnostics").update(value=-5), "rank_me is -5, expected 1"),
    "chosen": (
        lambda r: [s.update(chosen='{"k": 3}') for s in r["scores"] if s["chosen_on"] == "validation" and s["protocol"] == "knn"]
        and None,
        'but the record states {"k": 3}',
    ),
    "infinite": (lambda r: score_of(r, "rank_me", "diagnostics").update(value=float("inf")), "Infinity is not finite"),
    "name": (lambda r: _set(r, ["method", "name"], "<script>alert(1)</script>"), "'<script>alert(1)</script>' is not a valid name"),
    "path": (lambda r: _set(r, ["evaluated_on", 0, "part"], "../../x y"), "'../../x y' is not a valid name"),
    "long": (lambda r: _set(r, ["method", "settings", "text"], "x" * 3000), "has 3,000 characters"),
    "status": (lambda r: r.update(status="splendid"), "status=splendid: must be one of 'done', "),
    "version": (lambda r: _set(r, ["method", "version"], "one"), "every version must be a whole number"),
    "schema": (lambda r: r.update(schema=99), "has format 99"),
    "field": (lambda r: r.update(extra=1), "not a record"),
    "type": (lambda r: score_of(r, "micro_accuracy").update(seed="0"), "].seed='0': must be a whole number"),
    "json setting": (lambda r: score_of(r, "micro_accuracy").update(setting="{"), "not a score"),
    "cost": (lambda r: r["cost"]["seconds"].update(pretrain=-1), "cost -1.0: must be finite and at least 0"),
    "no time": (lambda r: r["cost"]["seconds"].update(pretrain=0), "reports a training with 0 s of pretraining time"),
    "one training": (
        lambda r: r["training"][1].update(history=r["training"][0]["history"]),
        "two seeds have the same losses in every epoch",
    ),
}  # fmt: skip


def _without_scores(frame):
    empty = [[]] * len(frame)
    return frame.assign(rank=0, best_classes=empty, class_scores=empty)


def sharpen(scores):
    """Return scores with the same order and sum."""
    squares = scores.astype(float) ** 2
    return squares / squares.sum()


def _first(frame, column, value):
    frame.loc[frame.index[0], column] = value(frame.loc[frame.index[0], column]) if callable(value) else value
    return frame


TABLES: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "prediction": (
        lambda f: _first(_without_scores(f), "predicted", lambda v: (v + 1) % 10),
        "follows from its predictions",
    ),
    "prediction with scores": (
        lambda f: _first(f, "predicted", lambda v: (v + 1) % 10),
        "has class scores of 1 samples that contradict their rank",
    ),
    "rank": (lambda f: _first(f, "rank", 10), "has class scores of 1 samples that contradict their rank"),
    "scores": (lambda f: f.assign(class_scores=f["class_scores"] / 2), "reports brier_score, which does not follow"),
    "sharper scores": (lambda f: f.assign(class_scores=f["class_scores"].map(sharpen)), "brier_score is"),
    "some scores": (lambda f: _first(f, "class_scores", lambda v: v[1:]), "lists of different lengths"),
    "class": (lambda f: _first(f, "predicted", 10), "predicts a class code outside 0 to 9"),
    "label": (
        lambda f: _first(f, "label", lambda v: (v + 1) % 10),
        "1 samples have another label than in the suite's test split",
    ),
    "id": (lambda f: _first(f, "id", "stranger"), "the 360 samples are not the suite's test split of 360 samples"),
    "twice": (lambda f: _first(f, "id", f["id"].iloc[1]), "1 test samples have two answers"),
    "fewer": (lambda f: f.iloc[1:], "the 359 samples are not the suite's test split of 360"),
    "seed": (lambda f: f.assign(seed=f["seed"].replace(2, 5)), "has answers of seed 5, which is not in the record"),
    "no seed of one protocol": (
        lambda f: f[(f["seed"] != 2) | (f["protocol"] != "knn")],
        "has no answers of seed 2, which is in the record, by knn on digits, fold 0",
    ),
    "no seed": (lambda f: f[f["seed"] != 2], "has no answers of seed 2, which is in the record"),
    "dataset": (lambda f: f.assign(dataset="x"), "the suite has no dataset 'x'. Its datasets are digits"),
    "fold": (lambda f: f.assign(fold=3), "the suite has no fold 3 of digits. Its folds are 0"),
    "setting": (lambda f: f.assign(setting="nothing"), "its setting must be a JSON object of plain values"),
}
