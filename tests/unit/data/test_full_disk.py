"""A full disk gives an error that names the folder, what is needed and what is free; no process is killed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

import sslbench
from sslbench.api.errors import DiskFull
from sslbench.data import disk_arrays
from sslbench.data.disk_arrays import create_array, find_disk_full
from sslbench.data.prepare import prepared_bytes
from sslbench.stages.lease import Leases
from sslbench.stages.stage import load_failure, try_make_stage

SETTINGS = {"seeds": [0], "protocols": "knn", "baselines": "none"}


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MiB; skips where none can be made."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_space_is_allocated_before_an_array_is_mapped(tmp_path):
    array = create_array(tmp_path / "a.npy", np.float32, (1000, 100))
    assert (tmp_path / "a.npy").stat().st_blocks * 512 >= array.nbytes
    array[:] = 3
    array.flush()
    assert np.load(tmp_path / "a.npy").sum() == 3 * array.size


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL])
def test_where_the_system_cannot_allocate_blocks_are_written(tmp_path, monkeypatch, code):
    def refuse(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    monkeypatch.setattr(disk_arrays, "BLOCK", 4096)
    array = create_array(tmp_path / "a.npy", np.uint8, (10, 1001))
    assert (tmp_path / "a.npy").stat().st_blocks * 512 >= array.nbytes
    assert array.shape == (10, 1001)
    assert not np.load(tmp_path / "a.npy").any()


def test_a_map_that_fills_the_disk_is_refused_and_nothing_is_killed(small_disk):
    program = """
import numpy, sys
from pathlib import Path
from sslbench.data import disk_arrays
disk_arrays.free_disk = lambda folder: 2**40  # another process takes the space in between
from sslbench.api.errors import DiskFull
try:
    disk_arrays.create_array(Path(sys.argv[1]) / "a.npy", numpy.uint8, (2**23,))[:] = 1
except DiskFull as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program, str(small_disk)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "its disk is full" in done.stdout
    assert not list(small_disk.iterdir())


def test_a_run_without_room_for_its_data_ends_before_it_starts_and_goes_on_with_room(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLBENCH_DATA", str(tmp_path / "data"))
    room = {"free": 1000}
    monkeypatch.setattr(disk_arrays, "free_disk", lambda folder: room["free"])
    with pytest.raises(
        DiskFull, match=r"prepared: its disk is full: 1\.1 MiB needed, 0\.0 MiB free\. Free some space"
    ) as raised:
        sslbench.run("raw-features", "digits", out=tmp_path, settings=SETTINGS)
    assert raised.value.exit_code == 3
    assert not list(tmp_path.glob("stages"))
    room["free"] = 2**40
    assert sslbench.run("raw-features", "digits", out=tmp_path, settings=SETTINGS).records[0].status == "done"


def test_the_size_of_prepared_data_is_known_before_it_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLBENCH_DATA", str(tmp_path))
    from sslbench.app.data import open_dataset, prepare_all
    from sslbench.progress import NoDisplay
    from tests.unit.config.test_config import CATALOG

    parts, _, canvas = open_dataset(CATALOG, "digits", [])
    prepare_all(CATALOG, "digits", [], NoDisplay())
    (array,) = tmp_path.glob("prepared/*/image.npy")
    assert prepared_bytes(parts[0].dataset, canvas) == np.load(array, mmap_mode="r").nbytes


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("I/O error: No space left on device")]
)
def test_a_stage_that_finds_the_disk_full_reports_it(tmp_path, error):
    def make(folder):
        raise error

    final = tmp_path / "stage"
    try_make_stage(final, "title", make, Leases(), print)
    failure = load_failure(final)
    assert failure.code == 3
    assert "its disk is full" in failure.reason
    assert find_disk_full(OSError(errno.EACCES, "Permission denied"), tmp_path) is None
