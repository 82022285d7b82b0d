"""One change each to a record or to a table of predictions, and the sentence that refuses it."""

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
    "metric": (lambda r: score_of(r, "macro_accuracy").update(value=0.9999), "macro_accuracy is 0.999900, and"),
    "ami": (lambda r: score_of(r, "ami_max", "clustering").update(value=0.9), "ami_max is 0.900000, and"),
    "ami by another name": (
        lambda r: r["scores"].append({**score_of(r, "ami_max", "clustering"), "setting": '{"x": "against"}', "value": 1.0}),
        "reports ami_max, and no prediction that it follows from is submitted",
    ),
    "validation": (
        lambda r: next(s for s in r["scores"] if s["metric"] == "validation_micro_accuracy").update(value=0.5),
        "validation_micro_accuracy is 0.500000, and its choices say",
    ),
    "null": (lambda r: score_of(r, "ami_max_null", "clustering").update(value=0.3), "permuted labels give"),
    "class": (lambda r: r["classes"][3].update(recall=0.123), "is not what was predicted"),
    "lost class": (lambda r: r["classes"].pop(3) and None, "the record lacks class"),
    "lost metric": (lambda r: r["scores"].remove(score_of(r, "micro_accuracy")), "and the record lacks it"),
    "invented": (
        lambda r: r["scores"].append({**score_of(r, "micro_accuracy"), "setting": '{"shots": 3}'}),
        "no prediction that it follows from is submitted",
    ),
    "seed": (lambda r: _set(r, ["seeds", 2], 7), "has seeds 0, 1, 7; the suite's are 0, 1, 2"),
    "seed of answers": (lambda r: r["seeds"].remove(2), "holds answers of seed 2, which the record has not"),
    "pool": (lambda r: r.update(pool="all"), "learned from pool all; the suite's is train"),
    "fold": (lambda r: r["folds"].append(1), "has folds 0, 1; the suite's are 0"),
    "fingerprint": (lambda r: _set(r, ["evaluated_on", 0, "fingerprint"], "0" * 32), "digits has fingerprint 000"),
    "dataset": (lambda r: _set(r, ["evaluated_on", 0, "part"], "other"), "is measured on other, which the suite has not"),
    "reader": (lambda r: _set(r, ["evaluated_on", 0, "version"], 9), "digits is read by version 9"),
    "protocol": (lambda r: _set(r, ["protocols", 0, "version"], 9), "knn: version 9 was used, and suite 'small' was measured with version"),
    "setting": (
        lambda r: next(p for p in r["protocols"] if p["name"] == "knn")["settings"].update(temperature=0.5),
        "knn.temperature is 0.5; the suite's is 0.07",
    ),
    "unmeasured": (lambda r: r["protocols"].pop(0) and None, "is not measured by knn"),
    "range": (lambda r: score_of(r, "rank_me", "diagnostics").update(value=-5), "rank_me is -5, which is not from 1"),
    "chosen": (
        lambda r: [s.update(chosen='{"k": 3}') for s in r["scores"] if s["chosen_on"] == "validation" and s["protocol"] == "knn"]
        and None,
        'and the record says {"k": 3}',
    ),
    "infinite": (lambda r: score_of(r, "rank_me", "diagnostics").update(value=float("inf")), "Infinity is not finite"),
    "name": (lambda r: _set(r, ["method", "name"], "<script>alert(1)</script>"), "'<script>alert(1)</script>' is no name"),
    "path": (lambda r: _set(r, ["evaluated_on", 0, "part"], "../../x y"), "'../../x y' is no name"),
    "long": (lambda r: _set(r, ["method", "settings", "text"], "x" * 3000), "holds 3,000 characters"),
    "status": (lambda r: r.update(status="splendid"), "status 'splendid' is not possible"),
    "version": (lambda r: _set(r, ["method", "version"], "one"), "a version is no whole number"),
    "schema": (lambda r: r.update(schema=99), "record of schema 99"),
    "field": (lambda r: r.update(extra=1), "not a record"),
    "type": (lambda r: score_of(r, "micro_accuracy").update(seed="0"), "not a score"),
    "json setting": (lambda r: score_of(r, "micro_accuracy").update(setting="{"), "not a score"),
    "cost": (lambda r: r["cost"]["seconds"].update(pretrain=-1), "cost holds -1.0, which is no cost"),
    "no time": (lambda r: r["cost"]["seconds"].update(pretrain=0), "trains, and says that it took no time"),
    "one training": (
        lambda r: r["training"][1].update(history=r["training"][0]["history"]),
        "two seeds have the same losses in every epoch",
    ),
}  # fmt: skip


def _first(frame, column, value):
    frame.loc[frame.index[0], column] = value(frame.loc[frame.index[0], column]) if callable(value) else value
    return frame


TABLES: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "prediction": (lambda f: _first(f, "predicted", lambda v: (v + 1) % 10), "follows from its predictions"),
    "class": (lambda f: _first(f, "predicted", 10), "predicts a class that is none of the 10"),
    "label": (lambda f: _first(f, "label", lambda v: (v + 1) % 10), "1 labels are not those of the suite's test split"),
    "id": (lambda f: _first(f, "id", "stranger"), "sample ids are not the 360 of the suite's test split"),
    "twice": (lambda f: _first(f, "id", f["id"].iloc[1]), "1 test samples are answered twice"),
    "fewer": (lambda f: f.iloc[1:], "the 359 sample ids are not the 360"),
    "seed": (lambda f: f.assign(seed=f["seed"].replace(2, 5)), "holds answers of seed 5, which the record has not"),
    "no seed of one protocol": (
        lambda f: f[(f["seed"] != 2) | (f["protocol"] != "knn")],
        "holds no answers of seed 2, which the record has, by knn on digits, fold 0",
    ),
    "no seed": (lambda f: f[f["seed"] != 2], "holds no answers of seed 2, which the record has"),
    "dataset": (lambda f: f.assign(dataset="x"), "the suite has no dataset 'x'; it has digits"),
    "fold": (lambda f: f.assign(fold=3), "the suite has no fold 3 of digits; it has 0"),
    "setting": (lambda f: f.assign(setting="nothing"), "its setting is no JSON object of plain values"),
}
