"""Choose the test samples whose labels or numbers a run predicts worst, and read their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sslbench.api.targets import Labels
from sslbench.data.table import Prepared
from sslbench.report.figures.run_images import encode_rows
from sslbench.results.answers import VectorAnswers

MAX_SAMPLES, MAX_NAMES = 6, 12
"""Samples shown per label or number, and labels or numbers shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstSample:
    """A test sample and its prediction of one label or number, as text; `image` is a data URI ('': no longer on disk)."""

    id: str
    truth: str
    predicted: str
    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstSamples:
    """The samples of one label or number with the largest absolute error, the largest first."""

    name: str
    samples: Sequence[WorstSample]


def find_worst_samples(answers: VectorAnswers, table: Prepared | None) -> list[WorstSamples]:
    """List the worst predicted samples of each label or number; errors and predictions are means over seeds.

    Labels and numbers are in the order of the target. Samples are drawn from `table`.
    """
    predicted = answers.predicted.mean((0, 1))
    errors = answers.kind.measure_errors(answers.truth, answers.predicted).mean((0, 1))
    chosen = [(place, name, _largest(errors[:, place])) for place, name in enumerate(answers.names[:MAX_NAMES])]
    ids = list(dict.fromkeys(str(answers.ids[row]) for _, _, rows in chosen for row in rows))
    images = read_images(ids, table)
    return [
        WorstSamples(name=name, samples=[
            WorstSample(
                id=str(answers.ids[row]), truth=f"{answers.truth[row, place]:.4g}", predicted=f"{predicted[row, place]:.4g}",
                image=images.get(str(answers.ids[row]), ""),
            )
            for row in rows
        ])
        for place, name, rows in chosen
        if rows
    ]  # fmt: skip


def _largest(errors: Labels) -> list[int]:
    """Return the rows with the largest known errors."""
    order = np.argsort(-np.nan_to_num(errors, nan=-1.0), kind="stable")
    return [row for row in order[:MAX_SAMPLES].tolist() if errors[row] > 0]


def read_images(ids: Sequence[str], table: Prepared | None) -> dict[str, str]:
    """Return the images of samples as data URIs by id."""
    if table is None:
        return {}
    places = {name: place for place, name in enumerate(table.columns["id"].tolist())}
    known = [name for name in ids if name in places]
    if not known:
        return {}
    rows = np.array([places[name] for name in known], np.int64)
    return dict(zip(known, encode_rows(table, rows), strict=True))
