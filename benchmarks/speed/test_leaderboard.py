"""Measure how time and memory of a leaderboard build grow with the number of records.

Records are copies of one real submission under other names, with the baselines that it is compared with.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from sslbench.environment import count_cores
from tests.board_fixtures import make_board, rehash

from .conftest import State
from .figures import Figure

SIZES = (1_000, 10_000, 30_000)
PROGRAM = """
import resource, sys, time
from pathlib import Path
from sslbench.environment import count_cores, peak_memory
from sslbench.leaderboard.site.build import build
from sslbench.leaderboard.site.load import InstalledContext
began = time.perf_counter()
built = build(Path(sys.argv[1]), InstalledContext(references=[], recipes={}), write=True, processes=count_cores())
readers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(time.perf_counter() - began, peak_memory() / 2**20, readers, built.files)
"""


def many(source: Path, board: Path, count: int) -> None:
    """Fill a board with `count` renamed copies of a bundle, each with some random predictions, and its baselines."""
    rng = np.random.default_rng(0)
    record, answers, manifest = (
        json.loads((source / f"{n}.json").read_text()) for n in ("record", "answers", "manifest")
    )
    for number in range(count):
        name = f"{source.name}-{number:05d}"
        folder = board / "results/small" / name
        folder.mkdir(parents=True, exist_ok=True)
        for one in answers:
            flip = int.from_bytes(rng.bytes(len(one["right"]) // 2)) & int.from_bytes(rng.bytes(len(one["right"]) // 2))
            one["right"] = f"{int(one['right'], 16) ^ flip:0{len(one['right'])}x}"
        (folder / "record.json").write_text(json.dumps({**record, "run": name}, separators=(",", ":")))
        (folder / "answers.json").write_text(json.dumps(answers))
        for file in ("predictions.parquet", "choices.json"):
            (folder / file).write_bytes((source / file).read_bytes())
        (folder / "manifest.json").write_text(json.dumps({**manifest, "run": name, "entry": name[-40:]}))
        rehash(folder)
    for other in source.parent.iterdir():
        if other != source:
            shutil.copytree(other, board / "results/small" / other.name)


def test_a_leaderboard_of_many_records(benchmark, state: State, tmp_path):
    """Build boards of several sizes: 10,000 records in under a minute, and linear growth."""

    def command(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sslbench", *args], capture_output=True, text=True, cwd=cwd, check=False
        )

    board = make_board(command, tmp_path)
    source = next((board / "results/small").glob("simclr-*"))
    found = []
    for count in SIZES:
        where = tmp_path / str(count)
        (where / "suites").mkdir(parents=True)
        (where / "suites/small.json").write_bytes((board / "suites/small.json").read_bytes())
        many(source, where, count)
        program = [sys.executable, "-c", PROGRAM, str(where)]
        if count == SIZES[1]:
            text = benchmark.pedantic(subprocess.check_output, args=(program,), kwargs={"text": True}, rounds=1)
        else:
            text = subprocess.check_output(program, text=True)
        seconds, memory, helper, files = map(float, text.split())
        found.append((count, seconds, memory))
        assert files > count
    (n0, t0, m0), (n1, t1, m1), (n2, t2, m2) = found
    growth = np.polyfit(np.log([n0, n1, n2]), np.log([t0, t1, t2]), 1)[0]
    what = f"leaderboard build, {n1:,} records"
    times = f"{t0:.0f}, {t1:.0f} and {t2:.0f} s for {n0:,}, {n1:,} and {n2:,}"
    state(Figure(what=what, against="60 s", found=t1 / 60, better="less", aim=1, note=times))
    what = f"leaderboard build, {n0:,} to {n2:,} records"
    state(Figure(what=what, against="exponent of time in records", found=float(growth), better="less", aim=1.1))
    kilobytes = 1024 * (m2 - m0) / (n2 - n0)
    note = f"{m0:.0f}, {m1:.0f} and {m2:.0f} MB; plus {count_cores()} readers of {helper:.0f} MB"
    state(Figure(what=what, against="memory a record", found=kilobytes, better="less", aim=10, unit=" kB", note=note))
    what = f"leaderboard build, memory of {n2:,} records"
    state(Figure(what=what, against=f"{n0:,}", found=m2 / m0, better="less", aim=1.2))
