"""Score groups of test samples, such as those of one plate or instrument, from the predictions of a study's runs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from sslbench.analysis.statistics.group_differences import Groups, encode_groups, select_samples
from sslbench.api.errors import RequestError
from sslbench.api.metrics import Metric
from sslbench.api.suggestions import did_you_mean
from sslbench.report.class_units import ComparedUnit
from sslbench.results.answers import Answers, Question, TestAnswers, read_answers
from sslbench.results.frames import Results
from sslbench.results.record import Record
from sslbench.results.sample_columns import GroupReader
from sslbench.study.definition import DATASET, TARGET_UNITS


def read_group_answers(
    results: Results, protocol: str, unit: ComparedUnit
) -> Iterator[tuple[Record, Question, Answers, Groups]]:
    """Yield the answers of finished runs to the questions of a protocol, and the group of each test sample.

    Raises RequestError at the end if a run stores no columns, no dataset has the column, or all groups have one sample.
    """
    reader, largest = GroupReader(root=results.root, column=unit.group_column), 0
    for record in results.records:
        for question, answers in read_answers(results.root, record).items() if record.status == "done" else ():
            if question.protocol != protocol or answers.target_unit != unit.target_unit:
                continue
            groups = reader.read(record, question.dataset, answers.ids)
            if groups is not None:
                own = groups[(answers.folds == answers.folds[0]) & (groups != "")]
                largest = max(largest, int(np.unique(own, return_counts=True)[1].max(initial=0)))
                yield record, question, answers, groups
    if problem := _describe_problem(reader, largest):
        raise RequestError([f"class_effects: by={unit.group_column}: {problem}"])


def _describe_problem(reader: GroupReader, largest: int) -> str:
    """Return why groups cannot be compared, or ''."""
    if reader.old_runs:
        return (
            f"{len(reader.old_runs)} run(s) store no columns of test samples, as an earlier version wrote them, such as "
            f"{reader.old_runs[0]}. Delete their folders and repeat the command that made them: finished stages are kept"
        )
    if not largest and reader.known_columns:
        dataset, columns = next(iter(reader.known_columns.items()))
        hint = did_you_mean(reader.column, [*columns, *TARGET_UNITS, DATASET])
        return f"the test samples of {dataset} have no such column{hint}"
    if largest == 1:
        return "has a different value for every test sample. Name a column whose values several samples share"
    return ""


def score_groups(results: Results, protocol: str, unit: ComparedUnit, metric: Metric) -> pd.DataFrame:
    """Return the columns of `Results.scores` by run, dataset, seed, fold, setting and group, which is the column 'class'."""
    rows = [
        {
            "run": record.run, "dataset": question.dataset, "protocol": protocol, "setting": question.setting,
            "metric": metric.name, "chosen_on": "", "epoch": np.nan, **score,
        }
        for record, question, answers, groups in read_group_answers(results, protocol, unit)
        for score in _score_answers(answers, groups, metric, sorted(record.seeds))
    ]  # fmt: skip
    heads = results.runs.drop(columns="reason")
    return heads.merge(pd.DataFrame(rows), on=["run", "dataset"]) if rows else pd.DataFrame()


def _score_answers(answers: Answers, groups: Groups, metric: Metric, seeds: list[int]) -> Iterator[dict[str, object]]:
    """Yield the score of each group by seed and fold; groups in which the metric is not defined are left out."""
    for fold in np.unique(answers.folds).tolist():
        own = select_samples(answers, answers.folds == fold)
        known = groups[answers.folds == fold]
        if isinstance(own, TestAnswers):
            encoded, names = encode_groups(own, known)
            counts = np.bincount(encoded.labels, minlength=len(names))
            for seed, right in zip(seeds, encoded.right, strict=True):
                values = np.bincount(encoded.labels, right, len(names)) / counts
                for name, value in zip(names, values.tolist(), strict=True):
                    yield {"seed": seed, "fold": fold, "class": name, "value": value}
            continue
        compute = metric.implementation()
        for name in np.unique(known[known != ""]).tolist():
            some = select_samples(own, known == name)
            for seed, repeats in zip(seeds, some.predicted, strict=True):
                found = [compute(some.truth, one) for one in repeats]
                if all(value is not None for value in found):
                    yield {"seed": seed, "fold": fold, "class": name, "value": float(np.mean(found))}
