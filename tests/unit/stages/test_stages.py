"""Stages and leases: made once, by one process at a time, complete or not at all, also if a process is killed or suspended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest

from sslbench import environment
from sslbench.api.errors import DataBroken, Diverged, Unavailable
from sslbench.stages.lease import Leases, file_system_now, find_holder
from sslbench.stages.stage import (
    MAX_KILLED_MAKERS,
    clear_failure,
    is_finished,
    load_cost,
    load_failure,
    make_stage,
    try_make_stage,
)

SAID: list[str] = []


def ignore(text: str) -> None:
    SAID.append(text)


def writes(text: str, times: list[str]):
    def make(folder):
        times.append(text)
        (folder / "out.txt").write_text(text)

    return make


def claim_of(final, number: int, owner: environment.Process, age: float = 0.0) -> None:
    """Write a lease as another process would have, `age` seconds ago."""
    final.parent.mkdir(parents=True, exist_ok=True)
    path = final.parent / f".{final.name}.lease-{number:04d}"
    path.write_text(json.dumps(asdict(owner)))
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))


ELSEWHERE = environment.Process(machine="another", node="another", pid=1, started="1")


def test_a_stage_is_made_once_and_leaves_no_other_file(tmp_path):
    final, times = tmp_path / "kind/key", []
    assert try_make_stage(final, "t", writes("a", times), Leases(), ignore) == "done"
    assert try_make_stage(final, "t", writes("b", times), Leases(), ignore) == "done"
    assert times == ["a"]
    assert (final / "out.txt").read_text() == "a"
    assert load_cost(final)["seconds"] >= 0
    assert [path.name for path in final.parent.iterdir()] == ["key"]


def test_a_live_holder_is_left_alone_and_a_silent_one_replaced(tmp_path):
    final, times = tmp_path / "kind/key", []
    leases = Leases(patience=30)
    claim_of(final, 1, ELSEWHERE, age=5)
    assert find_holder(final, leases)["node"] == "another"
    assert try_make_stage(final, "t", writes("a", times), leases, ignore) == "busy"
    claim_of(final, 1, ELSEWHERE, age=40)
    assert find_holder(final, leases) is None
    assert try_make_stage(final, "t", writes("a", times), leases, ignore) == "done"


def test_a_holder_that_died_on_this_machine_is_replaced_at_once(tmp_path):
    final, times = tmp_path / "kind/key", []
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = environment._start_time(child.pid)
    dead = replace(environment.this_process(), pid=child.pid, started=started)
    claim_of(final, 1, dead)
    assert try_make_stage(final, "t", writes("a", times), Leases(), ignore) == "busy"
    child.kill()
    child.wait()
    assert try_make_stage(final, "t", writes("a", times), Leases(), ignore) == "done"


def test_a_process_number_used_again_is_another_process(tmp_path):
    me = environment.this_process()
    assert not environment.has_ended(me)
    assert environment.has_ended(replace(me, started="12345"))
    assert not environment.has_ended(ELSEWHERE)  # unknown on other machines


def test_one_of_many_starting_at_once_makes_it(tmp_path):
    final, times, states = tmp_path / "kind/key", [], []

    def slow(folder):
        times.append("made")
        time.sleep(0.3)
        (folder / "out.txt").write_text("a")

    def start():
        states.append(make_stage(final, "t", slow, Leases(), ignore))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states == ["done"] * 8
    assert times == ["made"]


def test_the_result_of_a_suspended_process_is_compared_and_dropped(tmp_path):
    """The first process is suspended for longer than the patience; a second one finishes the stage; the first resumes."""
    for late, complains in (("a", False), ("b", True)):
        SAID.clear()
        final, times = tmp_path / late / "key", []

        def asleep(folder, final=final, times=times, late=late):
            lease = next(final.parent.glob(".key.lease-*"))
            then = time.time() - 100  # longer than the patience, and not yet given up for good
            os.utime(lease, (then, then))
            assert try_make_stage(final, "t", writes("a", times), Leases(), ignore) == "done"
            (folder / "out.txt").write_text(late)

        assert try_make_stage(final, "t", asleep, Leases(beat=1000), ignore) == "done"
        assert (final / "out.txt").read_text() == "a"
        assert any("made twice, and the outputs differ in out.txt" in text for text in SAID) == complains
        assert [path.name for path in final.parent.iterdir()] == ["key"]


def test_the_next_maker_takes_over_checkpoints_and_nothing_else(tmp_path):
    final = tmp_path / "kind/key"
    left = final.parent / ".key.part-0001"
    left.mkdir(parents=True)
    (left / "training.checkpoint").write_text("half")
    (left / "out.txt").write_text("torn")
    found = {}

    def make(folder):
        found.update({path.name: path.read_text() for path in folder.iterdir()})
        (folder / "out.txt").write_text("whole")

    claim_of(final, 1, ELSEWHERE, age=1000)
    assert try_make_stage(final, "t", make, Leases(), ignore) == "done"
    assert found == {"training.checkpoint": "half"}
    assert {path.name for path in final.iterdir()} == {"out.txt", "stage.json"}
    assert not left.exists()


@pytest.mark.parametrize(
    ("error", "status", "code", "reason"),
    [
        (ArithmeticError("no"), "failed", 1, "ArithmeticError: no"),
        (
            Diverged(3, float("nan")),
            "diverged",
            1,
            "the loss became nan at step 3. Lower the learning rate (in pretraining: train.lr), or set train.precision=float32",
        ),
        (Unavailable("no weights"), "unavailable", 1, "no weights"),
        (DataBroken("torn file"), "failed", 3, "torn file"),
    ],
)
def test_a_failure_is_kept_until_it_is_retried(tmp_path, error, status, code, reason):
    final, times = tmp_path / "kind/key", []

    def fails(folder):
        raise error

    assert try_make_stage(final, "the title", fails, Leases(), ignore) == "failed"
    failure = load_failure(final)
    assert (failure.status, failure.code, failure.reason, failure.stage) == (status, code, reason, "the title")
    assert ("Traceback" in failure.traceback) == (status == "failed")
    assert try_make_stage(final, "t", writes("a", times), Leases(), ignore) == "failed"
    assert not times
    clear_failure(final)
    assert try_make_stage(final, "t", writes("a", times), Leases(), ignore) == "done"
    assert is_finished(final)


def test_a_stage_that_kills_its_processes_fails_in_the_end(tmp_path):
    final, times = tmp_path / "kind/key", []
    claim_of(final, MAX_KILLED_MAKERS, ELSEWHERE, age=1000)
    assert try_make_stage(final, "t", writes("a", times), Leases(), ignore) == "failed"
    assert load_failure(final).reason.startswith(
        f"{MAX_KILLED_MAKERS} processes were killed in this step, probably for"
    )


def test_a_heartbeat_keeps_a_lease_alive(tmp_path):
    final = tmp_path / "kind/key"
    leases = Leases(beat=0.05, patience=0.5)
    with leases.claim(final) as claim:
        time.sleep(1.0)
        assert leases.is_alive(claim.path)
        assert abs(file_system_now(final.parent) - claim.path.stat().st_mtime) < 0.5
    assert not claim.path.exists()
