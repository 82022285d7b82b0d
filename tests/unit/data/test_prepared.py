"""Prepared columns and the loader: ragged sequences, concurrent starts, epochs, errors while reading."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sslbench.api.values import Modality, Target
from sslbench.data.loader import epoch_order, read_ahead
from sslbench.data.prepare import prepare
from sslbench.data.prepare_inputs import PrepareInputs, SampleInputs
from sslbench.data.table import Pool, Prepared, open_prepared, with_statistics
from sslbench.stages.lease import Leases
from sslbench.stages.stage import make_stage


class Ragged:
    """Sequences of different lengths and a vector, in memory."""

    def __init__(self, n: int) -> None:
        self.rng = np.random.default_rng(0)
        self.rows = [self.rng.normal(size=(int(self.rng.integers(1, 9)), 2)).astype(np.float32) for _ in range(n)]
        self.vectors = self.rng.normal(size=(n, 3)).astype(np.float32)
        self.modalities = {
            "profile": Modality(layout="sequence", shape=(0, 2)),
            "table": Modality(layout="vector", shape=(3,)),
        }
        self.target = Target(kind="none")
        self.labels = np.full(n, -1)
        self.columns = {"id": np.arange(n).astype(str)}

    def read(self, row, rng):
        return {"profile": self.rows[row], "table": self.vectors[row]}

    def fingerprint(self) -> str:
        return "ragged"


def ragged_inputs(n: int = 40, unreadable: float = 0.05) -> PrepareInputs:
    part = SimpleNamespace(dataset=Ragged(n), fingerprint=lambda: "ragged", key_form=lambda: "ragged")
    samples = SampleInputs(part=part, layouts=(), canvas=0, fit="pad", background="as-is", groups=(), decoders={})
    return PrepareInputs(samples=samples, unreadable=unreadable)


def made(inputs: PrepareInputs, folder: Path) -> Prepared:
    prepare(inputs, "ragged", folder, lambda done, total: None)
    return open_prepared(folder, "ragged")


def test_ragged_columns_are_padded_at_the_end_and_have_a_length(tmp_path):
    table = made(ragged_inputs(), tmp_path)
    rows = np.array([5, 0, 17])
    batch = table.read(rows)
    source = Ragged(40)
    assert batch["profile.length"].tolist() == [len(source.rows[r]) for r in rows]
    for place, row in enumerate(rows):
        length = len(source.rows[row])
        assert (batch["profile"][place, :length] == source.rows[row]).all()
        assert (batch["profile"][place, length:] == 0).all()
    pool = Pool(members=[(table, np.arange(40))], modalities=table.modalities)
    described = with_statistics(table.modalities, pool)
    steps = np.concatenate(source.rows)
    assert described["profile"].mean == pytest.approx(steps.mean(0), abs=1e-5)
    assert described["profile"].std == pytest.approx(steps.std(0), abs=1e-5)
    joined = Pool(members=[(table, np.arange(0, 20)), (table, np.arange(20, 40))], modalities=table.modalities)
    mixed = joined.read(np.array([25, 3, 39]))
    assert mixed["profile.length"].tolist() == [len(source.rows[r]) for r in (25, 3, 39)]


def _prepare_slowly(folder: Path, counter) -> None:
    def tick(done, total):
        if done == 1:
            with counter.get_lock():
                counter.value += 1

    state = make_stage(
        folder / "key", "prepare", lambda scratch: prepare(ragged_inputs(), "ragged", scratch, tick), Leases(), print
    )
    assert state == "done"


def test_two_processes_prepare_once(tmp_path):
    context = multiprocessing.get_context("fork")
    counter = context.Value("i", 0)
    processes = [context.Process(target=_prepare_slowly, args=(tmp_path, counter)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert counter.value == 1


def test_a_shape_that_was_not_announced_is_unreadable(tmp_path):
    inputs = ragged_inputs(10, unreadable=0.5)
    inputs.samples.part.dataset.rows[3] = np.zeros((4, 5), np.float32)
    table = made(inputs, tmp_path)
    assert len(table) == 9
    assert "profile has shape (4, 5), but the dataset declares (0, 2)" in table.unreadable[0]


def test_epochs_are_permutations_that_depend_on_seed_and_epoch_alone():
    first = np.concatenate(epoch_order(100, 25, 1, 0))
    assert sorted(first) == list(range(100))
    assert (first == np.concatenate(epoch_order(100, 25, 1, 0))).all()
    assert (first != np.concatenate(epoch_order(100, 25, 1, 1))).any()
    assert [len(rows) for rows in epoch_order(110, 25, 0, 0)] == [25] * 4
    assert [len(rows) for rows in epoch_order(7, 25, 0, 0)] == [7]


def test_an_error_while_reading_reaches_the_reader(tmp_path):
    table = made(ragged_inputs(), tmp_path)
    pool = Pool(members=[(table, np.arange(40))], modalities=table.modalities)
    with pytest.raises(IndexError, match="out of bounds"):
        list(read_ahead(pool, [np.array([1]), np.array([1000])]))
